//! `cargo xtask docs`: updates the parts of the manual that ctpulse generates.
//!
//! A comment in a page has the arguments of ctpulse; what follows the comment is replaced by its output.
//!
//! ```text
//! <!-- generated: ARGUMENTS -->      text, up to <!-- end -->
//! <!-- picture: ARGUMENTS -->        the file that the image on the next line is
//! ```
//!
//! The JSON Schema has such a comment as a member of an object; what follows it in that object is replaced:
//!
//! ```text
//! "$comment": "generated: ARGUMENTS",
//! ```
//!
//! A test (`generated_parts_are_what_the_program_makes`) fails when a page has something else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use crate::architecture::Architecture;
use crate::toolchain::Toolchain;
use crate::{build, paths, process};

/// Update the generated parts of the manual: tables and pictures.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Make the pictures of the report anew as well, in Chromium
    #[arg(long)]
    pictures: bool,
}

/// The end of a generated part.
const END: &str = "<!-- end -->";

pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let toolchain = Toolchain::ensure(Architecture::HOST)?;
    let artifacts = build::all(&toolchain, Architecture::HOST)?;
    let binary = &artifacts.binary;
    let mut program = |arguments: &[&str]| {
        let mut command = Command::new(binary);
        process::capture(command.args(arguments).current_dir(paths::workspace()))
    };
    for page in pages()? {
        let text = read(&page)?;
        let made = regenerate(&text, &mut program).with_context(|| page.display().to_string())?;
        replace(&page, &made.text)?;
        for (name, picture) in &made.pictures {
            replace(&page.with_file_name(name), picture)?;
        }
    }
    let schema = directory().join("schema.json");
    let made = regenerate_json(&read(&schema)?, &mut program)
        .with_context(|| schema.display().to_string())?;
    replace(&schema, &made)?;
    if args.pictures {
        // The test that makes them is left out of every other run.
        let mut cargo = build::host_cargo(&toolchain, "test", &artifacts.ebpf_object);
        cargo.env("CTPULSE_BIN", binary);
        cargo.args(["-p", "ctpulse-tests", "--test", "browser", "--"]);
        process::pass(cargo.args(["--ignored", "pictures_are_made_anew"]))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The manual's directory.
pub(crate) fn directory() -> PathBuf {
    paths::workspace().join("conntrack-user/docs")
}

/// The pages of the manual, and the README.
fn pages() -> Result<Vec<PathBuf>> {
    let mut pages = manual(&directory())?;
    pages.push(paths::workspace().join("README.md"));
    Ok(pages)
}

/// The pages of the manual, sorted.
///
/// # Errors
/// When the directory cannot be read.
pub(crate) fn manual(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut pages = Vec::new();
    let entries = fs::read_dir(directory);
    for entry in entries.with_context(|| format!("cannot read {}", directory.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    pages.sort();
    Ok(pages)
}

/// Reads a text file.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Writes a file if its contents differ, and reports that.
fn replace(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    process::say(format_args!("writing {}", path.display()));
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// A regenerated page.
#[derive(Debug, Default, PartialEq)]
struct Made {
    text: String,
    /// Pictures by their paths from the page.
    pictures: Vec<(String, String)>,
}

/// Regenerates a page with the output of a program for each comment's arguments.
fn regenerate(page: &str, program: &mut dyn FnMut(&[&str]) -> Result<String>) -> Result<Made> {
    let mut made = Made::default();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        push(&mut made.text, line);
        if let Some(arguments) = arguments(line, "generated") {
            made.text.push_str(&program(&arguments)?);
            if !lines.any(|line| line == END) {
                bail!("`{line}` has no `{END}`");
            }
            push(&mut made.text, END);
        } else if let Some(arguments) = arguments(line, "picture") {
            let next = lines.next().unwrap_or_default();
            push(&mut made.text, next);
            let image = next.strip_prefix("![").and_then(|image| {
                let (_, image) = image.split_once("](")?;
                image.strip_suffix(')')
            });
            let image = image.with_context(|| format!("no image after `{line}`"))?;
            made.pictures.push((image.to_owned(), program(&arguments)?));
        }
    }
    Ok(made)
}

/// Makes a JSON file anew with the members that a program writes for arguments.
fn regenerate_json(
    json: &str,
    program: &mut dyn FnMut(&[&str]) -> Result<String>,
) -> Result<String> {
    let mut made = String::new();
    let mut lines = json.lines();
    while let Some(line) = lines.next() {
        push(&mut made, line);
        let comment = line
            .trim_start()
            .strip_prefix("\"$comment\": \"generated: ");
        let Some(arguments) = comment.and_then(|comment| comment.strip_suffix("\",")) else {
            continue;
        };
        let indent = |line: &str| line.len() - line.trim_start().len();
        let within = indent(line);
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        for member in program(&arguments)?.lines() {
            push(&mut made, &format!("{:within$}{member}", ""));
        }
        let end = lines.find(|line| indent(line) < within);
        push(
            &mut made,
            end.with_context(|| format!("`{line}` is in no object"))?,
        );
    }
    Ok(made)
}

fn push(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// The arguments in a comment of this kind; `None` for other lines.
fn arguments<'a>(line: &'a str, kind: &str) -> Option<Vec<&'a str>> {
    let comment = line.strip_prefix("<!-- ")?.strip_suffix(" -->")?;
    let arguments = comment.strip_prefix(kind)?.strip_prefix(": ")?;
    Some(arguments.split_whitespace().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_echo(page: &str) -> Result<Made> {
        regenerate(page, &mut |arguments| {
            Ok(format!("{}\n", arguments.join("+")))
        })
    }

    #[test]
    fn generated_parts_are_replaced_and_the_rest_is_kept() -> Result<()> {
        let page = "# a\n<!-- generated: generate b -->\nold\nold\n<!-- end -->\n\n\
                    <!-- picture: generate c --at 1 -->\n![d](docs/e.svg)\nend\n";
        let made = with_echo(page)?;
        let expected = page.replace("old\nold\n", "generate+b\n");
        assert_eq!(made.text, expected);
        assert_eq!(
            made.pictures,
            [("docs/e.svg".to_owned(), "generate+c+--at+1\n".to_owned())]
        );
        assert_eq!(with_echo(&expected)?, made);
        Ok(())
    }

    #[test]
    fn members_of_an_object_are_replaced_up_to_its_end() -> Result<()> {
        let json = "{\n  \"a\": {\n    \"b\": 1,\n    \"$comment\": \"generated: c d\",\n    \"old\": {\n      \"e\": 2\n    }\n  },\n  \"f\": 3\n}\n";
        let made = regenerate_json(json, &mut |arguments| {
            Ok(format!(
                "\"new\": {{\n  \"g\": \"{}\"\n}}\n",
                arguments.join("+")
            ))
        })?;
        let expected = json.replace(
            "\"old\": {\n      \"e\": 2\n",
            "\"new\": {\n      \"g\": \"c+d\"\n",
        );
        assert_eq!(made, expected);
        Ok(())
    }

    #[test]
    fn incomplete_marks_are_refused() {
        assert!(with_echo("<!-- generated: b -->\nold\n").is_err());
        assert!(with_echo("<!-- picture: b -->\n\n![d](e.svg)\n").is_err());
        assert!(with_echo("<!-- picture: b -->").is_err());
    }
}
