//! Namespaces that are gone: what the end of the run has to say of them, in bounded memory.

use crate::model::{
    kernel::counters::Counter,
    record::{InstanceSummary, Top},
};

/// Namespaces that are remembered: where many come and go, those with the most flows.
const REMEMBERED: usize = 256;

/// What is remembered of namespaces that are gone.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// In the order in which they ended, with their top talkers of the whole run.
    kept: Vec<(InstanceSummary, Vec<Top>)>,
    /// How many were forgotten.
    left_out: u64,
}

impl Ended {
    pub(super) fn add(&mut self, summary: InstanceSummary, closing: Vec<Top>) {
        self.kept.push((summary, closing));
        if self.kept.len() > REMEMBERED {
            let least = (0..self.kept.len()).min_by_key(|i| flows(&self.kept[*i].0));
            self.kept.remove(least.unwrap_or_default());
            self.left_out += 1;
        }
    }

    /// The summaries, the top talkers, and how many namespaces neither has.
    pub(super) fn into_parts(self) -> (Vec<InstanceSummary>, Vec<Top>, u64) {
        let (summaries, tops): (_, Vec<Vec<Top>>) = self.kept.into_iter().unzip();
        (summaries, tops.concat(), self.left_out)
    }
}

/// Flows that began in a namespace, as far as is known.
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
    fn those_with_the_fewest_flows_are_forgotten() {
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
