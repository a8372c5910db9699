//! The manual (README, CHANGELOG, ARCHITECTURE, `conntrack-user/docs`): its links lead somewhere, its commands are
//! understood, it names what there is, and what it quotes is what the program says.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::program::run;

/// The most lines a README may have.
const README_LINES: usize = 200;

/// What to do about parts that are not as the program makes them.
const AGAIN: &str = "run `cargo xtask docs`, and look at what it has changed";

/// Parts of a quoted message that are shorter say nothing about it.
const TELLING: usize = 8;

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn docs() -> PathBuf {
    top().join("conntrack-user/docs")
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}

fn page(name: &str) -> Result<String> {
    read(&docs().join(name))
}

/// Files in a directory and below with this ending, sorted.
fn files(dir: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path, ending)?);
        } else if path
            .extension()
            .is_some_and(|extension| extension == ending)
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The manual's pages.
fn pages() -> Result<Vec<PathBuf>> {
    let mut pages = files(&docs(), "md")?;
    pages.extend(["README.md", "CHANGELOG.md", "ARCHITECTURE.md"].map(|name| top().join(name)));
    Ok(pages)
}

/// A page taken apart.
#[derive(Default)]
struct Parts {
    /// What links may lead to after a `#`, as GitHub makes it.
    anchors: BTreeSet<String>,
    /// Where links lead to.
    links: Vec<String>,
    /// Blocks of code, each after the line before it.
    blocks: Vec<(String, Vec<String>)>,
}

impl Parts {
    fn of(text: &str) -> Self {
        let mut parts = Self::default();
        let mut before = String::new();
        let mut block: Option<Vec<String>> = None;
        for line in text.lines() {
            match (&mut block, line.starts_with("```")) {
                (None, true) => block = Some(Vec::new()),
                (Some(lines), false) => lines.push(line.to_owned()),
                (Some(_), true) => parts
                    .blocks
                    .push((before.clone(), block.take().unwrap_or_default())),
                (None, false) => {
                    parts.prose(line);
                    if !line.trim().is_empty() {
                        line.clone_into(&mut before);
                    }
                }
            }
        }
        parts
    }

    fn prose(&mut self, line: &str) {
        if let Some(heading) = line.trim_start_matches('#').strip_prefix(' ')
            && line.starts_with('#')
        {
            self.anchors.insert(anchor(heading));
        }
        // What stands between backticks is no link.
        let text: String = line.split('`').step_by(2).collect();
        let mut rest = text.as_str();
        while let Some((_, after)) = rest.split_once("](") {
            let Some((target, after)) = after.split_once(')') else {
                break;
            };
            self.links.push(target.to_owned());
            rest = after;
        }
    }
}

/// A heading's anchor: lower case, hyphens for spaces, nothing else but letters, digits and `_`.
fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn links_lead_somewhere() -> Result<()> {
    let mut parts: HashMap<PathBuf, Parts> = HashMap::new();
    for page in pages()? {
        parts.insert(page.canonicalize()?, Parts::of(&read(&page)?));
    }
    let mut broken = Vec::new();
    for (page, of) in &parts {
        for link in of.links.iter().filter(|link| !link.contains("://")) {
            let (file, wanted) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.clone(),
                file => page.with_file_name("").join(file),
            };
            let leads = match target.canonicalize() {
                Err(_) => false,
                Ok(_) if wanted.is_empty() => true,
                Ok(target) => parts
                    .get(&target)
                    .is_some_and(|target| target.anchors.contains(wanted)),
            };
            if !leads {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    Ok(())
}

#[test]
fn the_index_leads_to_every_page() -> Result<()> {
    let index = Parts::of(&page("index.md")?);
    for page in files(&docs(), "md")? {
        let name = page.file_name().and_then(|name| name.to_str());
        let name = name.context("the name is no UTF-8")?;
        // Pages in folders are for those who work on ctpulse.
        if page.parent() == Some(&docs()) && name != "index.md" {
            let led = index.links.iter().any(|link| link.starts_with(name));
            assert!(led, "{name}");
        }
    }
    Ok(())
}

#[test]
fn pages_begin_as_man_pages_do() -> Result<()> {
    for page in files(&docs(), "md")? {
        if page.parent() == Some(&docs()) {
            let text = read(&page)?;
            let first = text.lines().next().unwrap_or_default();
            let name = first.strip_prefix("# ").and_then(|t| t.split_once(" — "));
            let (name, _) = name.with_context(|| format!("{}: {first}", page.display()))?;
            assert!(name.starts_with("ctpulse"), "{}: {name}", page.display());
        }
    }
    Ok(())
}

#[test]
fn the_readme_is_short() -> Result<()> {
    let lines = read(&top().join("README.md"))?.lines().count();
    assert!(lines <= README_LINES, "{lines} lines");
    Ok(())
}

/// The words of a command line, up to what is the shell's or a comment.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '#' | '|' | '>' | '<' | '&' | ';') => break,
            (None, c) if c.is_whitespace() => words.push(String::new()),
            (_, c) => {
                if let Some(word) = words.last_mut() {
                    word.push(c);
                }
            }
        }
    }
    words.retain(|word| !word.is_empty() && word != "…");
    words
}

#[test]
fn commands_are_understood() -> Result<()> {
    let mut tried = 0;
    for page in pages()? {
        for (_, block) in Parts::of(&read(&page)?).blocks {
            for line in &block {
                let command = line.trim_start_matches("sudo ").trim_start_matches("$ ");
                let Some(arguments) = command.strip_prefix("ctpulse ") else {
                    continue;
                };
                // The first line of text begins like a command.
                if arguments.starts_with(|c: char| c.is_ascii_digit()) {
                    continue;
                }
                let mut arguments = words(arguments);
                arguments.push("--help".to_owned());
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                let output = run(&arguments)?.get_output().clone();
                let stderr = String::from_utf8_lossy(&output.stderr);
                assert!(
                    output.status.success(),
                    "{}: {line}\n{stderr}",
                    page.display()
                );
                tried += 1;
            }
        }
    }
    ensure!(tried > 20, "only {tried} commands were found");
    Ok(())
}

/// A block of code below `<!-- output: ARGUMENTS -->` quotes what the program writes with these
/// arguments, run in the top directory. A line `…` stands for lines left out.
#[test]
fn quoted_output_is_what_the_program_writes() -> Result<()> {
    let mut compared = 0;
    for page in pages()? {
        for (before, block) in Parts::of(&read(&page)?).blocks {
            let quoted = before.strip_prefix("<!-- output: ");
            let Some(arguments) = quoted.and_then(|line| line.strip_suffix(" -->")) else {
                continue;
            };
            let output = assert_cmd::Command::new(crate::program::path()?)
                .args(words(arguments))
                .current_dir(top())
                .timeout(crate::program::PATIENCE)
                .assert()
                .success();
            let output = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
            let mut left = output.lines();
            for line in block.iter().filter(|line| line.trim() != "…") {
                ensure!(
                    left.any(|written| written.trim_end() == line.trim_end()),
                    "{}: `ctpulse {arguments}` does not write, or not in this order:\n{line}",
                    page.display()
                );
            }
            compared += 1;
        }
    }
    ensure!(compared > 0, "nothing is quoted");
    Ok(())
}

/// What is in a page after `<!-- generated: ARGUMENTS -->`, or in the picture below `<!-- picture: ARGUMENTS -->`, is what the program
/// writes with these arguments.
#[test]
fn generated_parts_are_what_the_program_makes() -> Result<()> {
    let mut compared = 0;
    for page in pages()? {
        let text = read(&page)?;
        for (mark, rest) in marked(&text) {
            let (kind, arguments) = mark.split_once(": ").context("a mark without arguments")?;
            let output = assert_cmd::Command::new(crate::program::path()?)
                .args(arguments.split_whitespace())
                .current_dir(top())
                .timeout(crate::program::PATIENCE)
                .assert()
                .success();
            let made = String::from_utf8(output.get_output().stdout.clone())?;
            let there = if kind == "generated" {
                let (there, _) = rest.split_once("<!-- end -->\n").context("no end")?;
                there.to_owned()
            } else {
                let image = Parts::of(rest.lines().next().unwrap_or_default()).links;
                let image = image.first().context("no image below a mark")?;
                fs::read_to_string(page.with_file_name("").join(image)).unwrap_or_default()
            };
            ensure!(there == made, "{}: {mark}: {AGAIN}", page.display());
            compared += 1;
        }
    }
    ensure!(compared >= 2, "only {compared} parts are generated");
    Ok(())
}

/// A counter that the table of counters says guest tests verify is required by a scenario to be what was made.
#[test]
fn what_guests_are_said_to_verify_they_do() -> Result<()> {
    let scenarios = files(&top().join("tests/src/scenarios"), "rs")?;
    let scenarios: String = scenarios
        .iter()
        .map(|file| read(file))
        .collect::<Result<_>>()?;
    let table = page("counters.md")?;
    let mut said = 0;
    for row in table.lines().filter(|row| row.ends_with("| guest tests |")) {
        let counter = row.split('`').nth(1).context("a row without a counter")?;
        // Not 0, which is also what a probe counts that does nothing.
        let required = scenarios
            .split(&format!(".probed(\"{counter}\", "))
            .skip(1)
            .any(|expected| !expected.starts_with("0)"));
        ensure!(required, "{counter}: no scenario requires its count");
        said += 1;
    }
    ensure!(said > 0, "no row says it");
    Ok(())
}

/// What follows the comment `generated: ARGUMENTS` in an object of the schema is what the program writes with these arguments.
#[test]
fn generated_members_of_the_schema_are_what_the_program_makes() -> Result<()> {
    let schema: Value = serde_json::from_str(&page("schema.json")?)?;
    let definitions = schema["$defs"].as_object().context("no definitions")?;
    let mut compared = 0;
    for (name, definition) in definitions {
        let comment = definition["$comment"].as_str();
        let Some(arguments) = comment.and_then(|text| text.strip_prefix("generated: ")) else {
            continue;
        };
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        let output = run(&arguments)?.success().get_output().clone();
        let made: Value =
            serde_json::from_str(&format!("{{{}}}", String::from_utf8(output.stdout)?))?;
        for (member, made) in made.as_object().context("no members")? {
            ensure!(definition[member] == *made, "{name}: {member}: {AGAIN}");
        }
        compared += 1;
    }
    ensure!(compared > 0, "nothing in the schema is generated");
    Ok(())
}

/// Marks of generated parts: `generated: ARGUMENTS` or `picture: ARGUMENTS`, and the text from the next line on.
fn marked(text: &str) -> Vec<(&str, &str)> {
    let marks = text.match_indices("\n<!-- ");
    marks
        .filter_map(|(at, start)| {
            let (mark, rest) = text[at + start.len()..].split_once(" -->\n")?;
            let known = ["generated: ", "picture: "];
            known
                .iter()
                .any(|kind| mark.starts_with(kind))
                .then_some((mark, rest))
        })
        .collect()
}

#[test]
fn every_alert_and_key_is_named() -> Result<()> {
    let manual = page("alerts-and-configuration.md")?;
    let config = run(&["config"])?.success().get_output().clone();
    let config = String::from_utf8(config.stdout)?;
    let mut named = 0;
    for line in config.lines() {
        let table = line.strip_prefix('[').and_then(|l| l.strip_suffix(']'));
        let name = match table {
            Some(table) => table.trim_start_matches("alerts."),
            None => line.split_once(" = ").map_or("", |(key, _)| key),
        };
        if !name.is_empty() && !line.starts_with('#') {
            let [plain, table] = [format!("`{name}`"), format!("`[{name}]`")];
            assert!(manual.contains(&plain) || manual.contains(&table), "{name}");
            named += 1;
        }
    }
    ensure!(named > 20, "only {named} names in the configuration");
    Ok(())
}

/// The names of all counters.
fn counters() -> Result<BTreeSet<String>> {
    let output = run(&["doctor", "--format", "json"])?
        .success()
        .get_output()
        .clone();
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let counters = report["counters"].as_array().context("no counters")?;
    let name = |counter: &Value| counter["name"].as_str().map(str::to_owned);
    counters
        .iter()
        .map(|counter| name(counter).context("a counter without a name"))
        .collect()
}

#[test]
fn every_counter_is_in_the_table_and_in_the_schema() -> Result<()> {
    let counters = counters()?;
    let manual = page("counters.md")?;
    let (_, table) = manual
        .split_once("<!-- generated: generate counters -->")
        .context("no table of counters")?;
    let (table, _) = table.split_once("<!-- end -->").context("no end of it")?;
    let rows: BTreeSet<String> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .map(str::to_owned)
        .collect();
    assert_eq!(rows, counters);
    let schema: Value = serde_json::from_str(&page("schema.json")?)?;
    let described = schema["$defs"]["counters"]["properties"].as_object();
    let described: BTreeSet<String> = described.context("none")?.keys().cloned().collect();
    assert_eq!(described, counters);
    Ok(())
}

/// The names of all fields in a schema.
fn fields(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Object(properties)) = object.get("properties") {
                found.extend(properties.keys().cloned());
            }
            object.values().for_each(|value| fields(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| fields(value, found)),
        _ => {}
    }
}

#[test]
fn every_field_is_on_the_page_of_json() -> Result<()> {
    let manual = page("json.md")?;
    let mut schema: Value = serde_json::from_str(&page("schema.json")?)?;
    // Those have a page of their own.
    schema["$defs"]["counters"] = Value::Null;
    let mut names = BTreeSet::new();
    fields(&schema, &mut names);
    let missing: Vec<_> = names
        .iter()
        .filter(|name| !manual.contains(&format!("`{name}`")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    Ok(())
}

/// Messages are the headings of `troubleshooting.md` in backticks; `<…>` stands for what differs.
#[test]
fn messages_that_are_explained_exist() -> Result<()> {
    let mut source = String::new();
    for file in files(&top().join("conntrack-user/src"), "rs")? {
        source.push_str(&joined(&read(&file)?));
    }
    let mut gone = Vec::new();
    let mut found = 0;
    for line in page("troubleshooting.md")?.lines() {
        let Some(message) = line
            .strip_prefix("### `")
            .and_then(|line| line.strip_suffix('`'))
        else {
            continue;
        };
        found += 1;
        let parts = message
            .split(['<', '>'])
            .step_by(2)
            .map(str::trim)
            .filter(|part| part.chars().count() >= TELLING);
        gone.extend(
            parts
                .filter(|part| !source.contains(part))
                .map(|part| format!("{part:?} of {message:?}")),
        );
    }
    assert!(
        gone.is_empty(),
        "no longer in the program:\n{}",
        gone.join("\n")
    );
    ensure!(found > 20, "only {found} messages are explained");
    Ok(())
}

/// Source text with its broken strings in one piece, and quotes as they are written out.
fn joined(source: &str) -> String {
    let mut joined = String::new();
    let mut continues = false;
    for line in source.lines() {
        let text = if continues { line.trim_start() } else { line };
        continues = text.ends_with('\\');
        joined.push_str(text.trim_end_matches('\\'));
        if !continues {
            joined.push('\n');
        }
    }
    joined.replace("\\\"", "\"")
}
