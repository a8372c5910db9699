//! The progress of guest-tests, parsed from its output.
//!
//! ```text
//! test flows_made_and_flushed_are_counted_exactly    ... new: kernel 5, probe 5
//! 8.9 s
//! ok
//! test one_that_panics                               ... FAILED
//! ```

/// The results of the scenarios.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress<'a> {
    /// The last scenario that was started.
    pub(crate) last: Option<&'a str>,
    /// The failed scenarios.
    pub(crate) failed: Vec<&'a str>,
}

impl<'a> Progress<'a> {
    /// Parses the output of one run, or of several that continued each other.
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
        test the_other          ... it is 3 instead of 4\n1.0 s\nFAILED\n\
        test that_panics        ... FAILED\n\
        test of_modules         ... ignored\n\
        test last               ... attempt 1: 3 packets were held up\n";

    #[test]
    fn it_resumes_with_the_scenario_that_did_not_end() {
        let progress = Progress::of(OUTPUT);
        assert_eq!(progress.last, Some("last"));
        assert_eq!(progress.failed, ["the_other", "that_panics"]);
        assert_eq!(resume(OUTPUT), Some("GUEST_TESTS_FROM=last".to_owned()));
    }

    #[test]
    fn there_is_nothing_to_resume_before_the_first_scenario() {
        assert_eq!(resume("\nrunning 4 tests\n"), None);
    }
}
