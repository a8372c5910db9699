//! The list of changes that no test has to notice, tests/mutants.txt.

use anyhow::{Result, bail};

use super::outcomes::{Fate, Mutant, MutantOutcome};

/// A change in the list; that it has a reason was required when it was read.
pub(super) type Justified = Mutant;

/// Reads the list. Entries are separated by empty lines. The first line of an entry has the file and the change, the next, after `|`,
/// the changed line if there is one; the rest is the reason. Lines that start with `#` are comments.
pub(super) fn parse(text: &str) -> Result<Vec<Justified>> {
    let text: String = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| format!("{}\n", line.trim_end()))
        .collect();
    let entries = text
        .split("\n\n")
        .map(str::trim)
        .filter(|entry| !entry.is_empty());
    entries.map(entry).collect()
}

fn entry(text: &str) -> Result<Justified> {
    let mut lines = text.lines().peekable();
    let Some((file, change)) = lines.next().and_then(|line| line.split_once(": ")) else {
        bail!("an entry starts with its file and the change: {text}");
    };
    let line = lines.next_if(|line| line.starts_with("| "));
    if lines.next().is_none() {
        bail!("an entry has a reason: {text}");
    }
    Ok(Mutant {
        file: file.to_owned(),
        change: change.to_owned(),
        line: line.map(|line| line[2..].trim().to_owned()),
    })
}

/// How a run differs from the list.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Compared {
    /// What survived and is not in the list.
    pub(super) unknown: Vec<Mutant>,
    /// What is in the list, was made, and did not survive; or is not made any more.
    pub(super) stale: Vec<Mutant>,
}

/// Compares a run of `files`, of all changes to them or of some, with the list. A change that can be made twice is in it twice.
pub(super) fn compare(
    list: &[Justified],
    outcomes: &[MutantOutcome],
    files: &[String],
    all: bool,
) -> Compared {
    let mut left = list.to_vec();
    let mut compared = Compared::default();
    for outcome in outcomes
        .iter()
        .filter(|outcome| outcome.fate == Fate::Survived)
    {
        match left.iter().position(|entry| *entry == outcome.mutant) {
            Some(at) => drop(left.remove(at)),
            None => compared.unknown.push(outcome.mutant.clone()),
        }
    }
    let is_made = |entry: &Mutant| outcomes.iter().any(|outcome| outcome.mutant == *entry);
    left.retain(|entry| files.contains(&entry.file) && (all || is_made(entry)));
    compared.stale = left;
    compared
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "# What this is.\n\nmodel/a.rs: replace > with >= in f\n| if a >= b {\nBoth are the same there.\n\n\n\
        # Of b.\nmodel/b.rs: replace g with ()\nIt only saves time.\nA second line.\n";

    fn mutant(file: &str, change: &str, line: Option<&str>) -> Mutant {
        Mutant {
            file: file.to_owned(),
            change: change.to_owned(),
            line: line.map(str::to_owned),
        }
    }

    #[test]
    fn an_entry_has_a_change_and_a_reason() -> Result<()> {
        let expected = [
            mutant("model/a.rs", "replace > with >= in f", Some("if a >= b {")),
            mutant("model/b.rs", "replace g with ()", None),
        ];
        assert_eq!(parse(LIST)?, expected);
        assert_eq!(parse("# Nothing.\n")?, []);
        // As it is printed, without a reason, it cannot be put into the list.
        assert!(parse(&expected[0].to_string()).is_err());
        assert!(parse("replace g with ()\nIt has no file.\n").is_err());
        Ok(())
    }

    #[test]
    fn a_run_is_compared_with_the_list() -> Result<()> {
        let list = parse(LIST)?;
        let files = ["model/a.rs".to_owned(), "model/b.rs".to_owned()];
        let outcome = |mutant: &Mutant, fate| MutantOutcome {
            mutant: mutant.clone(),
            fate,
        };
        let [a, b] = [&list[0], &list[1]];
        let as_listed = [outcome(a, Fate::Survived), outcome(b, Fate::Survived)];
        assert_eq!(
            compare(&list, &as_listed, &files, true),
            Compared::default()
        );
        // The same change in a second place needs an entry of its own.
        let twice = [outcome(a, Fate::Survived), outcome(a, Fate::Survived)];
        let compared = compare(&list, &twice, &files[..1], true);
        assert_eq!(compared.unknown, std::slice::from_ref(a));
        assert_eq!(compared.stale, []);
        // Killed, and not there any more: of the files that were changed.
        let killed = [outcome(a, Fate::Killed)];
        assert_eq!(compare(&list, &killed, &files, true).stale, list);
        assert_eq!(
            compare(&list, &killed, &files[..1], true).stale,
            std::slice::from_ref(a)
        );
        // Of a sample, what was not made may still survive.
        assert_eq!(
            compare(&list, &killed, &files, false).stale,
            std::slice::from_ref(a)
        );
        Ok(())
    }

    /// The list that is committed can be read, and names files that exist.
    #[test]
    fn the_list_names_what_there_is() -> Result<()> {
        let source = crate::paths::workspace().join("conntrack-user/src");
        let list = std::fs::read_to_string(crate::paths::workspace().join("tests/mutants.txt"))?;
        for entry in parse(&list)? {
            assert!(source.join(&entry.file).is_file(), "{entry}");
        }
        Ok(())
    }
}
