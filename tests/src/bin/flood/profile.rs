//! The cost of each BPF program by the kernel's own clock, for ctpulse and bpftrace.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::{
    lab::{Counted, Lab},
    programs::{ByTag, Runs},
    report,
    sample::Spread,
    watcher::Condition,
};

/// The activity of one condition's programs, in each round.
struct Profile {
    condition: Condition,
    rounds: Vec<Counted>,
}

/// A row of the table: a program, or all programs of a condition.
#[derive(Debug, Default, PartialEq)]
struct Line {
    /// Hits while flows were created, in all rounds.
    made: u64,
    /// Hits while they were removed, in all rounds.
    removed: u64,
    /// Nanoseconds per hit in each round; none from a round without hits.
    times: Vec<f64>,
}

/// Runs the experiment and returns the report.
pub(crate) fn run(lab: &Lab, repetitions: u32) -> Result<String> {
    let conditions = lab.available(&Condition::BPF);
    let mut profiles: Vec<_> = conditions
        .iter()
        .map(|&condition| Profile {
            condition,
            rounds: Vec::new(),
        })
        .collect();
    for repetition in 0..repetitions as usize {
        eprintln!("flood: repetition {} of {repetitions}", repetition + 1);
        for i in 0..conditions.len() {
            let i = (i + repetition) % conditions.len();
            profiles[i].rounds.push(lab.counted(conditions[i])?);
        }
    }
    Ok([
        report::header(lab)?,
        explanation(lab, repetitions),
        table(&profiles, lab.flows),
        comparison(&profiles),
        report::groups(lab),
    ]
    .concat())
}

fn explanation(lab: &Lab, repetitions: u32) -> String {
    format!(
        "BPF programs by the kernel's count and clock (kernel.bpf_stats_enabled), in {repetitions} \
         rounds of\n\
         {} new UDP flows made from {} CPUs and removed again. Included in each hit: reading the\n\
         clock. Not included: getting to the program and back, which is the probe's own cost.\n\
         Programs that were not hit are left out. ns/hit: median of the rounds' averages; least: of the round that was disturbed least.\n\n",
        lab.flows,
        lab.cpus(),
    )
}

fn table(profiles: &[Profile], flows: u32) -> String {
    let head = [
        "watched by",
        "program",
        "hits/flow: made",
        "removed",
        "ns/hit",
        "least",
        "ns/flow",
    ];
    let rows: Vec<_> = profiles
        .iter()
        .flat_map(|profile| profile.rows(flows))
        .collect();
    ctpulse_tests::markdown::table(head, 2, &rows) + "\n"
}

/// Compares the conditions' times per hit.
fn comparison(profiles: &[Profile]) -> String {
    let times: Vec<_> = profiles
        .iter()
        .filter_map(|profile| {
            let time = Spread::of(profile.line(|_| true).times)?;
            let name = profile.condition.name();
            Some(format!("{name} {:.0} (least {:.0})", time.median, time.min))
        })
        .collect();
    format!("ns per hit: {}\n", times.join("; "))
}

impl Profile {
    /// A row for all programs, then one for each that was hit, the most expensive first.
    fn rows(&self, flows: u32) -> Vec<[String; 7]> {
        let flows = f64::from(flows) * self.rounds.len() as f64;
        let row = |who: &str, what: String, line: &Line| line.row(who, what, flows);
        let tags: BTreeSet<_> = self.rounds.iter().flat_map(|r| r.removed.keys()).collect();
        let mut lines: Vec<_> = tags
            .into_iter()
            .map(|tag| (self.name(tag), self.line(|other| other == tag)))
            .filter(|(_, line)| line.hits() > 0)
            .collect();
        lines.sort_by(|(_, a), (_, b)| b.time(flows).total_cmp(&a.time(flows)));
        let all = row(
            self.condition.name(),
            "all".to_owned(),
            &self.line(|_| true),
        );
        let each = lines.into_iter().map(|(name, line)| row("", name, &line));
        [all].into_iter().chain(each).collect()
    }

    /// The activity of the programs with these tags.
    fn line(&self, is_one: impl Fn(&str) -> bool) -> Line {
        let mut line = Line::default();
        for round in &self.rounds {
            let sum = |programs: &ByTag| {
                let mut sum = Runs::default();
                for (_, &runs) in programs.iter().filter(|(tag, _)| is_one(tag)) {
                    sum += runs;
                }
                sum
            };
            let (made, removed) = (sum(&round.made), sum(&round.removed));
            line.made += made.count;
            line.removed += removed.count;
            let hits = made.count + removed.count;
            if hits > 0 {
                let time = made.nanoseconds + removed.nanoseconds;
                line.times.push(time as f64 / hits as f64);
            }
        }
        line
    }

    /// The name of a program; those with the same instructions cannot be distinguished.
    fn name(&self, tag: &str) -> String {
        let names = self.rounds.iter().find_map(|round| round.names.get(tag));
        match names.map(Vec::as_slice) {
            Some([name]) => name.clone(),
            Some(names) => format!("{} with the same instructions", names.len()),
            None => tag.to_owned(),
        }
    }
}

impl Line {
    fn hits(&self) -> u64 {
        self.made + self.removed
    }

    /// Nanoseconds per flow.
    fn time(&self, flows: f64) -> f64 {
        let hit = Spread::of(self.times.iter().copied());
        hit.map_or(0.0, |hit| hit.median) * self.hits() as f64 / flows
    }

    fn row(&self, who: &str, what: String, flows: f64) -> [String; 7] {
        let hit = Spread::of(self.times.iter().copied());
        let show = |time: Option<f64>| time.map_or("—".to_owned(), |time| format!("{time:.0}"));
        [
            who.to_owned(),
            what,
            format!("{:.2}", self.made as f64 / flows),
            format!("{:.2}", self.removed as f64 / flows),
            show(hit.map(|hit| hit.median)),
            show(hit.map(|hit| hit.min)),
            format!("{:.0}", self.time(flows)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_over_the_whole_life_of_flows() {
        let runs = |count, nanoseconds| Runs { count, nanoseconds };
        let tag = |tag: &str, runs| (tag.to_owned(), runs);
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let round = |factor: u64| Counted {
            made: [
                tag("a", runs(10, factor * 5_000)),
                tag("b", runs(0, 0)),
                tag("c", runs(0, 0)),
            ]
            .into(),
            removed: [
                tag("a", runs(0, 0)),
                tag("b", runs(20, factor * 8_000)),
                tag("c", runs(0, 0)),
            ]
            .into(),
            names: [
                ("a".to_owned(), names(&["alloc"])),
                ("b".to_owned(), names(&["free", "destroy"])),
            ]
            .into(),
        };
        let profile = Profile {
            condition: Condition::Bpftrace,
            // The second round was disturbed.
            rounds: vec![round(1), round(9), round(1)],
        };
        let all = "bpftrace, same functions, kprobe";
        let same = "2 with the same instructions";
        assert_eq!(
            profile.rows(10),
            [
                [all, "all", "1.00", "2.00", "433", "433", "1300"],
                ["", same, "0.00", "2.00", "400", "400", "800"],
                ["", "alloc", "1.00", "0.00", "500", "500", "500"],
            ]
        );
    }
}
