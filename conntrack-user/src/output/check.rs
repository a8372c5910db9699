//! The output of `ctpulse check`, in the format of Nagios plugins: status, text, `|`, performance data.

use std::fmt::Write;

use crate::{
    model::alert::check::{CheckThresholds, Finding, JudgedCounter, Status, TableVerdict},
    output::format::number::{decimal, percent_in_text},
    text::{Plain, Text},
};

/// The line of a verdict. `errors` say why what could not be read could not.
#[must_use]
pub fn line(verdict: &TableVerdict, errors: &[String]) -> String {
    format!(
        "CONNTRACK {} - {} | {}",
        verdict.status.name(),
        one_line(&text(verdict, errors)),
        performance(verdict)
    )
}

/// An instance on another host, and its verdict or why there is none.
pub struct JudgedInstance {
    pub name: Text,
    pub verdict: Result<TableVerdict, NotJudged>,
}

/// Why an instance or a host is not judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotJudged(pub Text);

impl JudgedInstance {
    fn status(&self) -> Status {
        self.verdict
            .as_ref()
            .map_or(Status::Unknown, |verdict| verdict.status)
    }

    fn text(&self) -> String {
        match &self.verdict {
            Ok(verdict) => text(verdict, &[]),
            Err(why) => why.to_string(),
        }
    }
}

/// The instances of a line that are named although they are OK.
const NAMED: usize = 5;

/// The most instances of a line that have performance data.
const WITH_DATA: usize = 100;

/// The status and the line of several instances, the worst first.
#[must_use]
pub fn several(mut all: Vec<JudgedInstance>) -> (Status, String) {
    let worst = all.iter().map(JudgedInstance::status);
    let Some(status) = worst.reduce(Status::worse) else {
        return (Status::Unknown, unknown("there is no instance to judge"));
    };
    if let [JudgedInstance { name, verdict }] = &all[..] {
        let line = match verdict {
            Ok(verdict) => line(verdict, &[]),
            Err(why) => unknown(&format!("{name}: {why}")),
        };
        return (status, line);
    }
    // A sort keeps the order of equals.
    all.sort_by_key(|one| std::cmp::Reverse(one.status().rank()));
    let fine = all.iter().filter(|one| one.status() == Status::Ok).count();
    let named = (all.len() - fine) + fine.min(NAMED);
    let mut parts: Vec<String> = all[..named]
        .iter()
        .map(|one| format!("{} {}: {}", one.name, one.status().name(), one.text()))
        .collect();
    if all.len() > named {
        parts.push(format!("{} more OK", all.len() - named));
    }
    let judged = all
        .iter()
        .filter_map(|one| Some((one, one.verdict.as_ref().ok()?)));
    let data = judged.take(WITH_DATA).map(|(one, verdict)| {
        let label = label(&one.name);
        let all = performance(verdict);
        let all = all.split(' ').map(|datum| match datum.split_once('=') {
            Some((name, value)) => format!("'{label} {name}'={value}"),
            None => String::new(),
        });
        all.collect::<Vec<_>>().join(" ")
    });
    let data: Vec<String> = data.collect();
    let line = format!(
        "CONNTRACK {} - {} | {}",
        status.name(),
        one_line(&parts.join("; ")),
        data.join(" ")
    );
    (status, line)
}

/// A name in the label of performance data, which is in quotes.
fn label(name: &Text) -> String {
    let name = one_line(&name.to_string());
    name.replace(['\'', '=', ' '], "_")
}

/// The line without a verdict.
#[must_use]
pub fn unknown(reason: &str) -> String {
    status_line(Status::Unknown, reason)
}

/// A line of a status, without performance data.
#[must_use]
pub fn status_line(status: Status, reason: &str) -> String {
    format!("CONNTRACK {} - {}", status.name(), one_line(reason))
}

/// The text must be one line, and performance data follows a bar.
fn one_line(text: &str) -> String {
    let text = text.replace('|', "/").replace(['\n', '\r'], " ");
    Plain(&text).to_string()
}

fn text(verdict: &TableVerdict, errors: &[String]) -> String {
    let TableVerdict {
        entries,
        max,
        utilization,
        ..
    } = verdict;
    let mut parts = vec![match (max, utilization) {
        (Some(max), Some(utilization)) => format!(
            "{entries} of {max} entries ({})",
            percent_in_text(*utilization)
        ),
        _ => format!("{entries} entries, no limit"),
    }];
    parts.extend(verdict.findings.iter().map(finding));
    let uncounted: Vec<&str> = verdict
        .counters
        .iter()
        .filter(|counter| counter.total.is_none() && counter.rate.is_none())
        .map(|counter| counter.name)
        .collect();
    if !uncounted.is_empty() {
        let why = match errors {
            [] => String::new(),
            errors => format!(" ({})", errors.join("; ")),
        };
        parts.push(format!("{} cannot be read{why}", uncounted.join(", ")));
    }
    let judged = verdict.limits.expectations.is_set();
    if let Some(expectations) = verdict.expectations
        && (judged || expectations.held > 0)
    {
        parts.push(format!(
            "{} of {} expectations",
            expectations.held, expectations.max
        ));
    }
    parts.extend(verdict.untracked.clone());
    parts.join("; ")
}

fn finding(finding: &Finding) -> String {
    match finding {
        Finding::Entries(limit) => format!("more than {limit}"),
        Finding::Rate { name, rate, limit } => {
            format!("{name} {}/s, above {limit}/s", decimal(*rate, 1))
        }
        Finding::Expectations(limit) => {
            format!("expectations above {limit} % of nf_conntrack_expect_max")
        }
        Finding::NoLimit => "nf_conntrack_max is 0 or -1: there is no limit to judge by; --warn-entries and --crit-entries judge \
             the count"
            .to_owned(),
        Finding::UnknownRate(name) => format!("the rate of {name} is not known"),
        Finding::UnknownExpectations => {
            "the expectations cannot be read: that takes root".to_owned()
        }
        Finding::UnknownTracking => {
            "whether anything tracks there cannot be asked from here".to_owned()
        }
    }
}

/// `name=value;warn;crit;min;max` of each number.
fn performance(verdict: &TableVerdict) -> String {
    let [warn, crit] = verdict.limit_entries.map(optional);
    let mut data = format!(
        "entries={};{warn};{crit};0;{}",
        verdict.entries,
        optional(verdict.max)
    );
    // Writing to a String cannot fail.
    let mut add = |text: std::fmt::Arguments<'_>| {
        let _ = data.write_fmt(text);
    };
    if let Some(utilization) = verdict.utilization {
        let percent = decimal(utilization, 3);
        let limits = pair(verdict.limits.utilization);
        add(format_args!(" utilization={percent}%;{limits};0;100"));
    }
    for JudgedCounter { name, total, .. } in &verdict.counters {
        if let Some(total) = total {
            add(format_args!(" {name}={total}c"));
        }
    }
    for counter in &verdict.counters {
        if let Some(rate) = counter.rate {
            let (name, rate) = (counter.name, decimal(rate, 3));
            let limits = pair(counter.thresholds);
            add(format_args!(" {name}_rate={rate};{limits};0"));
        }
    }
    if let Some(expectations) = verdict.expectations {
        let of_max = |percent: Option<f64>| {
            percent.map(|percent| (percent * expectations.max as f64 / 100.0) as u64)
        };
        let CheckThresholds { warn, crit } = verdict.limits.expectations;
        add(format_args!(
            " expectations={};{};{};0;{}",
            expectations.held,
            optional(of_max(warn)),
            optional(of_max(crit)),
            expectations.max
        ));
    }
    data
}

fn pair(thresholds: CheckThresholds) -> String {
    format!(
        "{};{}",
        optional(thresholds.warn),
        optional(thresholds.crit)
    )
}

/// A number, or the empty text that plugins have for none.
fn optional<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::alert::check::{CheckLimits, CheckReading, CheckRules, judge},
        reading::{
            expectations::Expectations,
            kernel::KernelReading,
            proc_stat::{ProcStat, kernel_text},
        },
    };

    const RULES: CheckRules = CheckRules {
        limits: CheckLimits::DEFAULT,
        requires_tracking: false,
    };

    fn reading(entries: u32, max: u64) -> CheckReading {
        let columns = ["entries", "drop", "early_drop", "insert_failed"];
        let text = kernel_text(&columns, &[[entries, 12, 3, 0]]);
        CheckReading {
            readings: vec![KernelReading {
                stat: Some(ProcStat::parse(&text).unwrap()),
                count: None,
                max: Some(max),
            }],
            ..CheckReading::default()
        }
    }

    fn of(reading: &CheckReading, rules: &CheckRules) -> String {
        line(&judge(reading, rules).unwrap(), &[])
    }

    #[test]
    fn the_line_that_monitoring_systems_parse() {
        assert_eq!(
            of(&reading(242_000, 262_144), &RULES),
            "CONNTRACK WARNING - 242000 of 262144 entries (92.3 %) | \
             entries=242000;235929;249036;0;262144 utilization=92.316%;90;95;0;100 drop=12c early_drop=3c insert_failed=0c"
        );
        assert_eq!(unknown("a|b\nc"), "CONNTRACK UNKNOWN - a/b c");
        assert_eq!(
            unknown("/p/\u{1b}]0;x\u{7}"),
            "CONNTRACK UNKNOWN - /p/\\u{1b}]0;x\\u{7}"
        );
    }

    #[test]
    fn what_cannot_be_read_is_named_with_the_reason() {
        let mut blind = reading(242_000, 262_144);
        blind.readings[0].count = Some(242_000);
        blind.readings[0].stat = None;
        let verdict = judge(&blind, &RULES).unwrap();
        let line = line(&verdict, &["/a|b/stat does not exist".to_owned()]);
        let text = "(92.3 %); drop, early_drop, insert_failed cannot be read (/a/b/stat does not exist) | entries=";
        assert!(line.contains(text), "{line}");
        assert!(!line.contains("drop="), "{line}");
    }

    #[test]
    fn what_is_judged_besides_is_in_the_data_with_its_limits() {
        let mut busy = reading(500, 1000);
        busy.rates = [Some(12.5), Some(0.0), None];
        busy.expectations = Some(Expectations {
            held: 95,
            max: 1000,
        });
        let mut rules = RULES;
        rules.limits.rates[0].crit = Some(10.0);
        rules.limits.expectations.warn = Some(9.0);
        assert_eq!(
            of(&busy, &rules),
            "CONNTRACK CRITICAL - 500 of 1000 entries (50.0 %); drop 12.5/s, above 10/s; \
             expectations above 9 % of nf_conntrack_expect_max; 95 of 1000 expectations | \
             entries=500;900;950;0;1000 utilization=50.000%;90;95;0;100 drop=12c early_drop=3c insert_failed=0c \
             drop_rate=12.500;;10;0 early_drop_rate=0.000;;;0 expectations=95;90;;0;1000"
        );
    }

    #[test]
    fn without_a_limit_the_entries_are_shown() {
        assert_eq!(
            of(&reading(500, 0), &RULES),
            "CONNTRACK UNKNOWN - 500 entries, no limit; nf_conntrack_max is 0 or -1: there is no limit to judge by; \
             --warn-entries and --crit-entries judge the count | \
             entries=500;;;0; drop=12c early_drop=3c insert_failed=0c"
        );
    }
}
