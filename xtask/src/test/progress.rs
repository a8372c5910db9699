//! How far guest-tests came, read from what it printed.
//!
//! ```text
//! test flows_made_and_flushed_are_counted_exactly    ... new: kernel 5, probe 5
//! 8.9 s
//! ok
//! test one_that_panics                               ... FAILED
//! ```

/// What the scenarios came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress<'a> {
    /// The scenario that was started last.
    pub(crate) last: Option<&'a str>,
    /// Those that failed.
    pub(crate) failed: Vec<&'a str>,
}

impl<'a> Progress<'a> {
    /// Reads the output of one run, or of several that continued one another.
    pub(crate) fn of(output: &'a str) -> Self {
        let mut progress = Self::default();
        for line in output.lines() {
            let mut rest = line;
            if let Some((name, more)) = started(line) {
                progress.last = Some(name);
                rest = more;
            }
            if rest.trim_end() == "FAILED" {
                progress.failed.extend(progress.last);
            }
        }
        progress
    }
}

/// The scenario that is started on this line, and what follows its name.
fn started(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.strip_prefix("test ")?.split_once(" ... ")?;
    Some((name.trim_end(), rest))
}

/// The kernel parameter that makes guest-tests continue where it was when the guest died: at the scenario
/// that ran then. (The kernel hands parameters that it does not know to the first process, as variables of
/// its environment.)
pub(crate) fn resume(output: &str) -> Option<String> {
    Some(format!("GUEST_TESTS_FROM={}", Progress::of(output).last?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\nrunning 4 tests\n\
        test one                ... new: kernel 5, probe 5\n8.9 s\nok\n\
        test the_other          ... it is 3 instead of 4\n1.0 s\nFAILED\n\
        test that_panics        ... FAILED\n\
        test of_modules         ... ignored\n\
        test last               ... attempt 1: 3 packets were held up\n";

    #[test]
    fn it_continues_with_the_scenario_that_did_not_end() {
        let progress = Progress::of(OUTPUT);
        assert_eq!(progress.last, Some("last"));
        assert_eq!(progress.failed, ["the_other", "that_panics"]);
        assert_eq!(resume(OUTPUT), Some("GUEST_TESTS_FROM=last".to_owned()));
    }

    #[test]
    fn nothing_to_continue_before_the_first() {
        assert_eq!(resume("\nrunning 4 tests\n"), None);
    }
}
