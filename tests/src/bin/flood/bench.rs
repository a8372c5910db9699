//! Runs the flood under each condition, interleaved and repeated.

use std::time::Duration;

use anyhow::Result;

use crate::{
    lab::{Counted, Lab, Timed},
    programs::ByTag,
    report,
    sample::{Spread, added, ratio, ratios},
    watcher::Condition,
};

/// The most that ctpulse may add to the time per flow, as a multiple of what another tool adds.
const GOALS: [(Condition, Condition, f64); 5] = [
    (Condition::Flow, Condition::Conntrack, 0.25),
    (Condition::Flow, Condition::Bpftrace, 0.65),
    (Condition::Flow, Condition::Limit, 1.3),
    (Condition::Top, Condition::Bpftrace, 1.0),
    (Condition::FlowKprobe, Condition::Bpftrace, 1.1),
];

/// The measurements under one condition.
struct Series {
    condition: Condition,
    /// A round per repetition.
    rounds: Vec<Timed>,
    /// Hits of BPF programs per flow: while flows are created, and while they are removed.
    hits: Option<(f64, f64)>,
}

/// The time per flow of one part of each round, in microseconds, under all conditions.
struct Times<'a> {
    series: &'a [Series],
    part: PartOfRound,
    flows: u32,
}

/// The duration of one part of a round.
type PartOfRound = fn(&Timed) -> Duration;

/// What to measure, and how often.
pub(crate) struct Experiment {
    pub(crate) repetitions: u32,
    /// Whether a nanosecond of the clock is an instruction.
    pub(crate) instructions: bool,
    /// Conditions to measure in addition to no watcher; empty: all.
    pub(crate) only: Vec<Condition>,
}

impl Experiment {
    fn wants(&self, condition: Condition) -> bool {
        condition == Condition::Nothing || self.only.is_empty() || self.only.contains(&condition)
    }
}

/// Runs the experiment and returns the report.
pub(crate) fn run(lab: &Lab, experiment: &Experiment) -> Result<String> {
    let repetitions = experiment.repetitions;
    let mut conditions = lab.available(&Condition::ALL);
    conditions.retain(|&condition| experiment.wants(condition));
    // Counted rounds come first, and warm up caches for the timed ones.
    let mut series = Vec::new();
    for &condition in &conditions {
        eprintln!("flood: counting hits: {}", condition.name());
        let counted = lab.counted(condition)?;
        series.push(Series {
            condition,
            rounds: Vec::new(),
            hits: Condition::BPF
                .contains(&condition)
                .then(|| hits_per_flow(&counted, lab.flows)),
        });
    }
    for repetition in 0..repetitions as usize {
        eprint!("flood: repetition {} of {repetitions}:", repetition + 1);
        for i in 0..series.len() {
            // The order is reversed in every second repetition.
            let i = (i + repetition) % conditions.len();
            let round = lab.timed(conditions[i])?;
            let rate = f64::from(lab.flows) / round.making.as_secs_f64();
            eprint!(" {} {rate:.0}/s;", conditions[i].name());
            series[i].rounds.push(round);
        }
        eprintln!();
    }
    Ok([
        report::header(lab)?,
        explanation(lab, experiment),
        table(&series, lab.flows),
        goals(&series, lab.flows),
        report::groups(lab),
        remarks(&series, lab.flows),
    ]
    .concat())
}

fn hits_per_flow(counted: &Counted, flows: u32) -> (f64, f64) {
    let hits = |programs: &ByTag| {
        let hits: u64 = programs.values().map(|runs| runs.count).sum();
        hits as f64 / f64::from(flows)
    };
    (hits(&counted.made), hits(&counted.removed))
}

fn explanation(lab: &Lab, experiment: &Experiment) -> String {
    let unit = if experiment.instructions {
        "The clock goes by instructions: 1 µs is 1,000 of them, in every process and in the kernel.\n"
    } else {
        ""
    };
    let repetitions = experiment.repetitions;
    format!(
        "{unit}{repetitions} rounds of {} new UDP flows from {} CPUs at once under each condition, \
         interleaved.\n\
         flows/s: median. µs/flow: time of a round by its flows. added: the difference to nothing in\n\
         the same repetition; median. Goals and multiples are of that. hits: runs of BPF programs\n\
         while a flow is made + while it is removed, counted in a round apart. removing: the same\n\
         difference for `conntrack -F` on the full table, on one CPU.\n\n",
        lab.flows,
        lab.cpus(),
    )
}

fn table(series: &[Series], flows: u32) -> String {
    let making = Times::of(series, |round| round.making, flows);
    let removing = Times::of(series, |round| round.removing, flows);
    let head = [
        "watched by",
        "flows/s",
        "min–max",
        "µs/flow",
        "added µs",
        "added",
        "× conntrack -E",
        "× bpftrace",
        "hits",
        "removing: added µs",
    ];
    let row = |series: &Series| {
        let condition = series.condition;
        let rates = Spread::of(making.under(condition).iter().map(|time| 1e6 / time));
        let watched = |text: String| {
            if condition == Condition::Nothing {
                String::new()
            } else {
                text
            }
        };
        let multiple_of = |other| {
            if condition == other {
                return String::new();
            }
            let multiple = ratio(&making.added(condition), &making.added(other));
            watched(multiple.map_or("—".to_owned(), |multiple| format!("{multiple:.2}")))
        };
        let relative = ratios(&making.added(condition), &making.under(Condition::Nothing));
        [
            condition.name().to_owned(),
            show(rates, |s| format!("{:.0}", s.median)),
            show(rates, |s| format!("{:.0}–{:.0}", s.min, s.max)),
            show(Spread::of(making.under(condition)), |s| {
                format!("{:.2}", s.median)
            }),
            watched(show(Spread::of(making.added(condition)), |s| {
                format!("{:+.2}", s.median)
            })),
            watched(show(Spread::of(relative), |s| {
                format!("{:+.1} %", s.median * 100.0)
            })),
            multiple_of(Condition::Conntrack),
            multiple_of(Condition::Bpftrace),
            series.hits.map_or_else(String::new, |(made, removed)| {
                format!("{made:.2} + {removed:.2}")
            }),
            watched(show(Spread::of(removing.added(condition)), |s| {
                format!("{:+.2}", s.median)
            })),
        ]
    };
    let rows: Vec<_> = series.iter().map(row).collect();
    ctpulse_tests::markdown::table(head, 1, &rows) + "\n"
}

fn show(spread: Option<Spread>, form: impl FnOnce(Spread) -> String) -> String {
    spread.map_or("—".to_owned(), form)
}

impl<'a> Times<'a> {
    fn of(series: &'a [Series], part: PartOfRound, flows: u32) -> Self {
        Self {
            series,
            part,
            flows,
        }
    }

    fn under(&self, condition: Condition) -> Vec<f64> {
        let series = self.series.iter().filter(|s| s.condition == condition);
        series
            .flat_map(|series| &series.rounds)
            .map(|round| (self.part)(round).as_secs_f64() * 1e6 / f64::from(self.flows))
            .collect()
    }

    fn added(&self, condition: Condition) -> Vec<f64> {
        added(&self.under(condition), &self.under(Condition::Nothing))
    }
}

fn goals(series: &[Series], flows: u32) -> String {
    let measured = |wanted| series.iter().any(|series| series.condition == wanted);
    let mut text = String::new();
    let parts: [(&str, PartOfRound); 2] = [
        ("making", |round| round.making),
        ("removing", |round| round.removing),
    ];
    for (part, of_part) in parts {
        let times = Times::of(series, of_part, flows);
        for (ours, other, goal) in GOALS {
            if measured(ours) && measured(other) {
                let what = format!("{part}: {} / {}", ours.name(), other.name());
                text += &goal_line(&what, goal, &times.added(ours), &times.added(other));
                text += "\n";
            }
        }
    }
    text
}

fn goal_line(what: &str, goal: f64, ours: &[f64], theirs: &[f64]) -> String {
    let what = format!("{what}: ");
    // Noise: a watcher cannot add less than nothing.
    let Some(ratio) = ratio(ours, theirs).filter(|&ratio| ratio > 0.0) else {
        return format!("{what}not measurable, one of them added no time: use more flows");
    };
    let each = ratios(ours, theirs);
    let verdict = match (
        ratio <= goal,
        each.iter().all(|&one| (one <= goal) == (ratio <= goal)),
    ) {
        (true, true) => "met",
        (true, false) => "met, not in every repetition",
        (false, true) => "missed",
        (false, false) => "missed, not in every repetition",
    };
    let range = Spread::of(each).map_or_else(String::new, |spread| {
        format!(" ({:.2}–{:.2} by repetition)", spread.min, spread.max)
    });
    format!("{what}{ratio:.2}{range}; goal at most {goal}: {verdict}")
}

/// Remarks on watchers that did not see all flows: then their cost is not that of seeing them.
fn remarks(series: &[Series], flows: u32) -> String {
    let mut text = String::new();
    for series in series {
        let name = series.condition.name();
        let seen = series.rounds.iter().filter_map(|round| round.seen);
        if let Some(wrong) = seen.into_iter().find(|&seen| seen != u64::from(flows)) {
            text += &format!("{name}: WRONG: counted {wrong} new flows of {flows}\n");
        }
        let lost: u64 = series.rounds.iter().filter_map(|round| round.lost).sum();
        if lost > 0 {
            let all = u64::from(flows) * series.rounds.len() as u64;
            let percent = lost as f64 / all as f64 * 100.0;
            text += &format!(
                "{name}: the kernel dropped {percent:.0} % of its events, which is cheaper than \
                 to deliver them\n"
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_about_the_added_time() {
        let nothing = [50.0, 52.0, 48.0];
        let ours = added(&[52.0, 55.0, 50.0], &nothing);
        assert_eq!(ours, [2.0, 3.0, 2.0]);
        assert_eq!(
            goal_line("a / b", 0.25, &ours, &[10.0, 10.0, 8.0]),
            "a / b: 0.20 (0.20–0.30 by repetition); \
             goal at most 0.25: met, not in every repetition"
        );
        assert!(goal_line("a / b", 1.0, &ours, &[1.0, 1.0, 1.0]).ends_with("missed"));
        assert!(goal_line("a / b", 1.0, &ours, &[0.0; 3]).contains("more flows"));
        assert!(goal_line("a / b", 1.0, &[-1.0; 3], &ours).contains("more flows"));
    }

    #[test]
    fn watchers_that_missed_flows_are_named() {
        let round = |seen, lost| Timed {
            making: Duration::from_secs(1),
            removing: Duration::from_secs(1),
            seen,
            lost,
        };
        let series = |condition, rounds| Series {
            condition,
            rounds,
            hits: None,
        };
        let text = remarks(
            &[
                series(Condition::Nothing, vec![round(None, None)]),
                series(
                    Condition::Flow,
                    vec![round(Some(100), None), round(Some(99), None)],
                ),
                series(
                    Condition::Conntrack,
                    vec![round(None, Some(0)), round(None, Some(50))],
                ),
            ],
            100,
        );
        assert_eq!(
            text,
            "ctpulse, flow group: WRONG: counted 99 new flows of 100\n\
             conntrack -E -e NEW: the kernel dropped 25 % of its events, which is cheaper than to deliver them\n"
        );
    }
}
