//! Summaries of namespaces that have ended during the run, in bounded memory.

use crate::model::{
    kernel::counters::Counter,
    record::{InstanceSummary, Record},
};

/// The most namespaces that are remembered. Of more, those with the most flows are kept.
const REMEMBERED: usize = 64;

/// Namespaces that have ended.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// In the order in which they ended, with what is reported besides of the whole run.
    kept: Vec<(InstanceSummary, Vec<Record>)>,
    /// The number of namespaces that were dropped.
    left_out: u64,
}

impl Ended {
    pub(super) fn add(&mut self, summary: InstanceSummary, closing: Vec<Record>) {
        self.kept.push((summary, closing));
        if self.kept.len() > REMEMBERED {
            let least = (0..self.kept.len()).min_by_key(|i| flows(&self.kept[*i].0));
            self.kept.remove(least.unwrap_or_default());
            self.left_out += 1;
        }
    }

    /// The summaries, the records besides, and the number of namespaces without either.
    pub(super) fn into_parts(self) -> (Vec<InstanceSummary>, Vec<Record>, u64) {
        let (summaries, closing): (_, Vec<Vec<Record>>) = self.kept.into_iter().unzip();
        (summaries, closing.concat(), self.left_out)
    }
}

/// The number of flows that started in a namespace, as far as is known.
fn flows(summary: &InstanceSummary) -> u64 {
    let total = summary.totals.get(Counter::New);
    total
        .and_then(|total| total.probe.or(total.kernel))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{kernel::per_counter::PerCounter, record::Total};

    fn summary(name: &str, flows: u64) -> InstanceSummary {
        let mut totals = PerCounter::default();
        totals.set(
            Counter::New,
            Some(Total {
                probe: Some(flows),
                kernel: None,
            }),
        );
        InstanceSummary {
            name: name.to_owned().into(),
            totals,
            crosscheck: Vec::new(),
            missed: None,
            lost_events: None,
            buckets_lost_ms: 0.0,
            lifetimes: None,
            latency: None,
            histograms: PerCounter::default(),
            bursts: PerCounter::default(),
        }
    }

    #[test]
    fn namespaces_with_the_fewest_flows_are_dropped() {
        let mut ended = Ended::default();
        ended.add(summary("busy", 1_000_000), Vec::new());
        for i in 0..10_000_u64 {
            ended.add(summary(&i.to_string(), i % 7), Vec::new());
        }
        let (summaries, _, left_out) = ended.into_parts();
        assert_eq!(summaries.len(), REMEMBERED);
        assert_eq!(left_out, 10_001 - REMEMBERED as u64);
        assert_eq!(summaries[0].name, "busy");
        assert!(summaries.iter().skip(1).all(|s| flows(s) == 6));
    }
}
