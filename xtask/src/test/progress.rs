//! The progress of guest-tests, parsed from its output.
//!
//! ```text
//! test flows_made_and_flushed_are_counted_exactly    ... new: kernel 5, probe 5
//! 8.9 s
//! ok
//! test the_other                                     ... 1.0 s
//! it is 3 instead of 4
//! FAILED
//! test one_that_panics                               ... FAILED
//! ```

use std::fmt;

/// The results of the scenarios.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress<'a> {
    /// The last scenario that was started.
    pub(crate) last: Option<&'a str>,
    /// The failed scenarios.
    pub(crate) failed: Vec<Failed>,
}

/// A failed scenario, shown as `NAME (what it printed last)`: that is its error, and without it a failure that is rare on another
/// machine would be known by name only.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) name: String,
    error: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// An error can quote whole records.
        const LONGEST: usize = 1_500;
        let Self { name, error } = self;
        if error.is_empty() {
            return f.write_str(name);
        }
        write!(f, "{name} ({error:.LONGEST$})")
    }
}

impl<'a> Progress<'a> {
    /// Parses the output of one run, or of several that continued each other.
    pub(crate) fn of(output: &'a str) -> Self {
        let mut progress = Self::default();
        let mut printed = "";
        for line in output.lines() {
            let mut rest = line;
            if let Some((name, more)) = started(line) {
                progress.last = Some(name);
                rest = more;
                printed = "";
            }
            let rest = rest.trim();
            if rest == "FAILED" {
                let failed = |name: &str| Failed {
                    name: name.to_owned(),
                    error: printed.to_owned(),
                };
                progress.failed.extend(progress.last.map(failed));
            } else if !rest.is_empty() {
                printed = rest;
            }
        }
        progress
    }
}

/// The scenario that starts on this line, and the text after its name.
fn started(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.strip_prefix("test ")?.split_once(" ... ")?;
    Some((name.trim_end(), rest))
}

/// The kernel parameter with which guest-tests continues after the guest died: from the scenario that was running. (The kernel
/// passes unknown parameters to the first process as environment variables.)
pub(crate) fn resume(output: &str) -> Option<String> {
    Some(format!("GUEST_TESTS_FROM={}", Progress::of(output).last?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\nrunning 4 tests\n\
        test one                ... new: kernel 5, probe 5\n8.9 s\nok\n\
        test the_other          ... 1.0 s\nit is 3 instead of 4\nFAILED\n\
        test that_panics        ... FAILED\n\
        test of_modules         ... ignored\n\
        test last               ... attempt 1: 3 packets were held up\n";

    #[test]
    fn it_resumes_with_the_scenario_that_did_not_end() {
        let progress = Progress::of(OUTPUT);
        assert_eq!(progress.last, Some("last"));
        let failed: Vec<_> = progress.failed.iter().map(Failed::to_string).collect();
        assert_eq!(failed, ["the_other (it is 3 instead of 4)", "that_panics"]);
        assert_eq!(resume(OUTPUT), Some("GUEST_TESTS_FROM=last".to_owned()));
    }

    #[test]
    fn there_is_nothing_to_resume_before_the_first_scenario() {
        assert_eq!(resume("\nrunning 4 tests\n"), None);
    }
}
