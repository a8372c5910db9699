//! The output of `ctpulse check`, in the format of Nagios plugins: status, text, `|`, performance data.

use std::fmt::Write;

use crate::{
    model::alert::check::{Status, TableVerdict},
    output::format::number::{decimal, percent_in_text},
    text::Plain,
};

/// The line of a verdict.
#[must_use]
pub fn line(verdict: &TableVerdict) -> String {
    let TableVerdict {
        status,
        entries,
        max,
        utilization,
        limits,
        limit_entries: [warn, crit],
        counted,
        uncounted,
    } = verdict;
    let unknown = match uncounted.as_slice() {
        [] => String::new(),
        names => format!("; {} cannot be read", names.join(", ")),
    };
    let mut line = format!(
        "CONNTRACK {} - {entries} of {max} entries ({}){unknown} | \
         entries={entries};{warn};{crit};0;{max} utilization={}%;{};{};0;100",
        status.name(),
        percent_in_text(*utilization),
        decimal(*utilization, 3),
        limits.warn,
        limits.crit,
    );
    for (name, count) in counted {
        // Writing to a String cannot fail.
        let _ = write!(line, " {name}={count}c");
    }
    line
}

/// The line without a verdict.
#[must_use]
pub fn unknown(reason: &str) -> String {
    // The text must be one line, and performance data follows a bar.
    let reason = reason.replace('|', "/").replace(['\n', '\r'], " ");
    format!("CONNTRACK {} - {}", Status::Unknown.name(), Plain(&reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::alert::check::CheckLimits;

    #[test]
    fn the_line_that_monitoring_systems_parse() {
        let verdict = TableVerdict {
            status: Status::Warning,
            entries: 242_000,
            max: 262_144,
            utilization: 242_000.0 * 100.0 / 262_144.0,
            limits: CheckLimits {
                warn: 90.0,
                crit: 95.0,
            },
            limit_entries: [235_929, 249_036],
            counted: vec![("drop", 12), ("early_drop", 3)],
            uncounted: Vec::new(),
        };
        assert_eq!(
            line(&verdict),
            "CONNTRACK WARNING - 242000 of 262144 entries (92.3 %) | \
             entries=242000;235929;249036;0;262144 utilization=92.316%;90;95;0;100 drop=12c early_drop=3c"
        );
        assert_eq!(unknown("a|b\nc"), "CONNTRACK UNKNOWN - a/b c");
        assert_eq!(
            unknown("/p/\u{1b}]0;x\u{7}"),
            "CONNTRACK UNKNOWN - /p/\\u{1b}]0;x\\u{7}"
        );
        let blind = TableVerdict {
            counted: Vec::new(),
            uncounted: vec!["drop", "early_drop", "insert_failed"],
            ..verdict
        };
        let line = line(&blind);
        assert!(
            line.contains("(92.3 %); drop, early_drop, insert_failed cannot be read | entries="),
            "{line}"
        );
        assert!(!line.contains("drop="), "{line}");
    }
}
