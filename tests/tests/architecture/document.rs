//! ARCHITECTURE.md and the pages of decisions, held against the source: what they name exists.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::rules::ROOMS;

/// The most lines that ARCHITECTURE.md may have.
const LINES: usize = 120;

/// Where paths may start from: the workspace, and the sources that the pages of decisions are about.
const ROOTS: [&str; 5] = [
    "",
    "conntrack-user",
    "conntrack-user/src",
    "conntrack-ebpf/src",
    "conntrack-ebpf/src/contract",
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn document() -> String {
    read(&workspace().join("ARCHITECTURE.md"))
}

/// What is between backticks, outside of blocks.
fn quoted(text: &str) -> Vec<&str> {
    let blocks = text.split("```").step_by(2);
    blocks
        .flat_map(|block| block.split('`').skip(1).step_by(2))
        .collect()
}

/// Whether a quoted text is meant to be a path in the workspace.
fn is_path(quoted: &str) -> bool {
    let only = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let ends = [".rs", ".toml", ".md", ".json", ".ctp"];
    quoted.chars().all(only)
        && !quoted.starts_with('/')
        && (quoted.contains('/') || ends.iter().any(|end| quoted.ends_with(end)))
}

fn exists(path: &str, roots: &[&str]) -> bool {
    let workspace = workspace();
    roots
        .iter()
        .any(|root| workspace.join(root).join(path).exists())
}

/// Rows of the table below a heading, cell by cell.
fn rows<'a>(text: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let (_, below) = text
        .split_once(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("no heading {heading}"));
    let section = below.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| "));
    rows.skip(1)
        .map(|row| {
            let cells = row.trim_matches('|').split('|');
            cells.map(str::trim).collect()
        })
        .collect()
}

/// What the workspace's sources define.
#[derive(Default)]
struct Names {
    /// Functions, types and macros.
    items: BTreeSet<String>,
    /// Tests, and scenarios that run in guests.
    tests: BTreeSet<String>,
}

impl Names {
    fn of_workspace() -> Self {
        let mut names = Self::default();
        for directory in ["conntrack-ebpf", "conntrack-user", "tests", "xtask"] {
            names.add_all(&workspace().join(directory));
        }
        let scenarios = read(&workspace().join("tests/src/scenarios/mod.rs"));
        let (_, scenarios) = scenarios
            .split_once("pub const ALL: ")
            .expect("the list of scenarios");
        let scenarios = scenarios.split('"').skip(1).step_by(2);
        names.tests.extend(scenarios.map(str::to_owned));
        names
    }

    fn add_all(&mut self, directory: &Path) {
        let entries =
            fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
        for entry in entries {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                self.add_all(&path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                self.add(&read(&path));
            }
        }
    }

    fn add(&mut self, source: &str) {
        let mut is_test = false;
        for line in source.lines() {
            let words: Vec<&str> = line
                .split(|c: char| !is_of_a_name(c))
                .filter(|word| !word.is_empty())
                .collect();
            for pair in words.windows(2) {
                let keywords = ["fn", "struct", "enum", "trait", "type", "macro_rules"];
                if keywords.contains(&pair[0]) {
                    self.items.insert(pair[1].to_owned());
                }
                if pair[0] == "fn" && std::mem::take(&mut is_test) {
                    self.tests.insert(pair[1].to_owned());
                }
            }
            is_test |= line.trim() == "#[test]";
        }
    }
}

fn is_of_a_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[test]
fn the_document_is_short() {
    let lines = document().lines().count();
    assert!(lines <= LINES, "{lines} lines");
}

/// Commands of ctpulse that the document names.
const COMMANDS: [&str; 1] = ["replay"];

#[test]
fn the_document_names_what_there_is() {
    let text = document();
    let names = Names::of_workspace();
    let mut missing = Vec::new();
    for quoted in quoted(&text) {
        let is_room = ROOMS.iter().any(|(room, _)| *room == quoted);
        if is_room || COMMANDS.contains(&quoted) || exists(quoted, &[""]) {
            continue;
        }
        // `Monitor::observe` is a function; what has anything else in it is no name in the source.
        let last = quoted.rsplit("::").next().unwrap_or_default();
        let is_name = last.chars().all(is_of_a_name);
        if is_path(quoted) || is_name && !names.items.contains(last) && !names.tests.contains(last)
        {
            missing.push(quoted);
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_invariant_has_a_check_that_exists() {
    let text = document();
    let names = Names::of_workspace();
    let rows = rows(&text, "Invariants");
    assert!(rows.len() > 10, "only {} invariants", rows.len());
    for row in rows {
        let [invariant, check] = row[..] else {
            panic!("{row:?}")
        };
        let checks = quoted(check);
        let is_type = |name: &str| check.starts_with("type: ") && names.items.contains(name);
        for check in &checks {
            assert!(
                names.tests.contains(*check) || exists(check, &[""]) || is_type(check),
                "{invariant}: {check} is no test, no file and no type"
            );
        }
        assert!(!checks.is_empty(), "no check: {invariant}");
    }
}

#[test]
fn tests_are_told_from_other_functions() {
    let mut names = Names::default();
    names.add("fn helper() {}\n#[test]\nfn holds() -> Result<()> {}\n#[test]\n#[ignore]\nfn too() {}\nstruct S;");
    assert_eq!(names.tests, ["holds", "too"].map(str::to_owned).into());
    assert_eq!(
        names.items,
        ["S", "helper", "holds", "too"].map(str::to_owned).into()
    );
}

#[test]
fn the_document_has_the_rooms_there_are() {
    let text = document();
    let written: Vec<(String, Vec<&str>)> = rows(&text, "Rooms")
        .into_iter()
        .map(|row| {
            let doors = row[2].split(", ").filter(|door| !door.is_empty());
            (row[0].trim_matches('`').to_owned(), doors.collect())
        })
        .collect();
    let rooms: Vec<(String, Vec<&str>)> = ROOMS
        .iter()
        .map(|(room, doors)| ((*room).to_owned(), doors.to_vec()))
        .collect();
    assert_eq!(written, rooms);
}

#[test]
fn decisions_name_files_that_exist_and_the_index_has_them_all() {
    let directory = workspace().join("conntrack-user/docs/decisions");
    let index = read(&directory.join("index.md"));
    let mut missing = Vec::new();
    let mut pages = 0;
    for entry in fs::read_dir(&directory).expect("there are decisions") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let text = read(&path);
        let paths = quoted(&text).into_iter().filter(|quoted| is_path(quoted));
        let paths = paths.filter(|path| !exists(path, &ROOTS));
        missing.extend(paths.map(|path| format!("{name}: {path}")));
        if name == "index.md" {
            continue;
        }
        pages += 1;
        assert!(
            index.contains(&format!("({name})")),
            "{name} is not in the index"
        );
        for part in ["Context", "Decision", "Why", "What it costs", "Reconsider"] {
            assert!(
                text.contains(&format!("\n**{part}.** ")),
                "{name}: no {part}"
            );
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert!(pages > 20, "only {pages} decisions");
}

#[test]
fn what_is_quoted_is_told_apart() {
    let text = "`a/b.rs` and `c d`\n```\n`not/this.rs`\n```\n`Text`";
    assert_eq!(quoted(text), ["a/b.rs", "c d", "Text"]);
    assert!(is_path("a/b") && is_path("x.toml") && !is_path("/proc/net") && !is_path("a/b c"));
    assert!(!is_path("replay") && !is_path("Run::tick"));
    assert!(exists("xtask/src/main.rs", &[""]) && !exists("xtask/src/gone.rs", &ROOTS));
    assert!(exists("engine/run.rs", &ROOTS) && !exists("engine/run.rs", &[""]));
    let table = "x\n## A\n\n| a | b |\n|---|---|\n| `c` | d, e |\n\n## B\n| f |\n";
    assert_eq!(rows(table, "A"), [["`c`", "d, e"]]);
}
