//! What cargo-mutants reports of the changes it made.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// A change of the code, named so that it has the same name when lines were added above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mutant {
    /// In conntrack-user/src.
    pub(super) file: String,
    /// What is replaced, as cargo-mutants describes it.
    pub(super) change: String,
    /// The line with the change in it; none where all of a function is replaced or something is removed.
    pub(super) line: Option<String>,
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, change, line } = self;
        write!(f, "{file}: {change}")?;
        match line {
            Some(line) => write!(f, "\n| {line}"),
            None => Ok(()),
        }
    }
}

/// How the tests took a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// A test failed.
    Killed,
    /// All tests passed.
    Survived,
    /// It does not compile.
    Unviable,
    /// The tests did not end.
    TimedOut,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MutantOutcome {
    pub(super) mutant: Mutant,
    pub(super) fate: Fate,
}

impl MutantOutcome {
    /// Whether more tests could make a difference.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.fate, Fate::Survived | Fate::TimedOut)
    }
}

/// What cargo-mutants marks the changed line with.
const MARK: &str = "/* ~ changed by cargo-mutants ~ */";

/// Reads `outcomes.json`; what a change is as a diff is read from its file by `diff`. They are by their full names, which have their
/// places in the file.
pub(super) fn parse(
    text: &str,
    diff: impl Fn(&str) -> String,
) -> Result<BTreeMap<String, MutantOutcome>> {
    let json: Value = serde_json::from_str(text)?;
    let mut outcomes = BTreeMap::new();
    for outcome in json["outcomes"].as_array().context("it has no outcomes")? {
        let mutant = &outcome["scenario"]["Mutant"];
        let Some(name) = mutant["name"].as_str() else {
            // Without a change.
            continue;
        };
        let fate = match outcome["summary"].as_str() {
            Some("CaughtMutant") => Fate::Killed,
            Some("MissedMutant") => Fate::Survived,
            Some("Unviable") => Fate::Unviable,
            Some("Timeout") => Fate::TimedOut,
            other => bail!("{name}: unknown outcome {other:?}"),
        };
        let file = mutant["file"].as_str().unwrap_or_default();
        let (_, change) = name.split_once(": ").context("a name without its place")?;
        let line = match mutant["genre"].as_str() {
            Some("FnValue") => None,
            _ => changed_line(&diff(outcome["diff_path"].as_str().unwrap_or_default())),
        };
        let mutant = Mutant {
            file: file.trim_start_matches("src/").to_owned(),
            change: change.to_owned(),
            line,
        };
        outcomes.insert(name.to_owned(), MutantOutcome { mutant, fate });
    }
    Ok(outcomes)
}

fn changed_line(diff: &str) -> Option<String> {
    let line = diff
        .lines()
        .find(|line| line.starts_with('+') && line.contains(MARK))?;
    let line = line[1..].replace(&format!(" {MARK}"), "").replace(MARK, "");
    Some(line.trim().to_owned()).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DIFF: &str = "--- src/model/a.rs\n+++ replace > with >= in f\n@@ -1,3 +1,3 @@\n fn f() {\n\
        -    if a > b {\n+    if a >= /* ~ changed by cargo-mutants ~ */ b {\n     }\n";

    fn outcome(name: &str, genre: &str, summary: &str) -> Value {
        let mutant = json!({"name": name, "file": "src/model/a.rs", "genre": genre});
        json!({"scenario": {"Mutant": mutant}, "summary": summary, "diff_path": "diff/1"})
    }

    #[test]
    fn a_change_is_named_by_what_it_changes_and_not_by_its_place() -> Result<()> {
        let text = json!({"outcomes": [
            {"scenario": "Baseline", "summary": "Success"},
            outcome("src/model/a.rs:2:10: replace > with >= in f", "BinaryOperator", "MissedMutant"),
            outcome("src/model/a.rs:9:1: replace f -> Vec<u8> with vec![]", "FnValue", "CaughtMutant"),
            outcome("src/model/a.rs:9:1: replace f with ()", "FnValue", "Timeout"),
            outcome("src/model/a.rs:9:1: replace g with ()", "FnValue", "Unviable"),
        ]});
        let outcomes = parse(&text.to_string(), |path| match path {
            "diff/1" => DIFF.to_owned(),
            _ => String::new(),
        })?;
        assert_eq!(outcomes.len(), 4);
        let of_operator = &outcomes["src/model/a.rs:2:10: replace > with >= in f"];
        assert_eq!(
            of_operator.mutant.to_string(),
            "model/a.rs: replace > with >= in f\n| if a >= b {"
        );
        assert!(of_operator.is_open());
        let of_value = &outcomes["src/model/a.rs:9:1: replace f -> Vec<u8> with vec![]"];
        assert_eq!(of_value.mutant.line, None);
        assert_eq!(of_value.fate, Fate::Killed);
        let fates = outcomes.values().map(|outcome| outcome.fate);
        assert_eq!(fates.filter(|fate| *fate == Fate::TimedOut).count(), 1);
        Ok(())
    }

    #[test]
    fn a_report_of_another_form_is_refused() {
        let parsed = |text: Value| parse(&text.to_string(), |_| String::new()).is_err();
        assert!(parsed(json!({})));
        assert!(parsed(
            json!({"outcomes": [outcome("src/model/a.rs:1:1: replace f with ()", "FnValue", "Other")]})
        ));
        assert!(parsed(
            json!({"outcomes": [outcome("no place", "FnValue", "Timeout")]})
        ));
    }
}
