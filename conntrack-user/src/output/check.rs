//! The line of `ctpulse check`, as plugins of Nagios have it: status, text, `|`, performance data.

use std::fmt::Write;

use crate::{
    model::alert::check::{Status, Verdict},
    text::Plain,
};

/// The line for a verdict.
#[must_use]
pub fn line(verdict: &Verdict) -> String {
    let Verdict {
        status,
        entries,
        max,
        utilization,
        limits,
        limit_entries: [warn, crit],
        counted,
    } = verdict;
    let mut line = format!(
        "CONNTRACK {} - {entries} of {max} entries ({utilization:.1} %) | \
         entries={entries};{warn};{crit};0;{max} utilization={utilization:.3}%;{};{};0;100",
        status.name(),
        limits.warn,
        limits.crit,
    );
    for (name, count) in counted {
        // A String takes everything.
        let _ = write!(line, " {name}={count}c");
    }
    line
}

/// The line where there is no verdict.
#[must_use]
pub fn unknown(reason: &str) -> String {
    // What stands after a bar is performance data.
    let reason = Plain(reason).to_string().replace('|', "/");
    format!("CONNTRACK {} - {reason}", Status::Unknown.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::alert::check::Limits;

    #[test]
    fn the_line_monitors_read() {
        let verdict = Verdict {
            status: Status::Warning,
            entries: 242_000,
            max: 262_144,
            utilization: 242_000.0 * 100.0 / 262_144.0,
            limits: Limits {
                warn: 90.0,
                crit: 95.0,
            },
            limit_entries: [235_929, 249_036],
            counted: vec![("drop", 12), ("early_drop", 3)],
        };
        assert_eq!(
            line(&verdict),
            "CONNTRACK WARNING - 242000 of 262144 entries (92.3 %) | \
             entries=242000;235929;249036;0;262144 utilization=92.316%;90;95;0;100 drop=12c early_drop=3c"
        );
        assert_eq!(unknown("a|b\nc"), "CONNTRACK UNKNOWN - a/b\\nc");
    }
}
