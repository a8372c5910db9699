//! Flows and packets that were dropped, evicted or rejected; if there were none, whether they would have been seen.

use crate::{
    model::{
        kernel::counters::Counter,
        record::derived::UnseenEvents,
        report::contents::{DimensionReport, InstanceReport, RecordingReport},
    },
    text::Text,
};

/// The counters of drops, evictions and rejections.
const LOSSES: [Counter; 3] = [Counter::Drop, Counter::EarlyDrop, Counter::InsertFailed];

/// The kinds of events that are needed to see rejections and evictions.
const FULL_TABLE: [&str; 2] = ["table_full", "early_drop"];

/// What was dropped, evicted or rejected.
#[derive(Clone, Debug, PartialEq)]
pub struct Losses {
    /// The number of events of these kinds.
    pub events: u64,
    /// The number of events by kind.
    pub by_kind: Vec<(Text, u64)>,
    /// The increase of the counters.
    pub counted: [LossCount; LOSSES.len()],
    /// The kinds of events that could not be seen, by reason.
    pub unseen: Vec<UnseenEvents>,
    /// Why there were no probes, if there were none for a part of the time.
    pub without_probes: Option<Text>,
    /// The conclusion from all of these.
    pub conclusion: LossConclusion,
}

/// The increase of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LossCount {
    /// The counter's name.
    pub name: &'static str,
    /// Its increase; `None` if it was never available.
    pub rise: Option<u64>,
    /// Whether it was available all the time.
    pub complete: bool,
}

/// The conclusion about losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossConclusion {
    /// There were losses.
    Lost,
    /// There were none; they would have been seen.
    Nothing,
    /// None were seen, but not everything could be.
    Unknown,
}

impl Losses {
    /// The losses of an instance.
    #[must_use]
    pub fn new(report: &RecordingReport, instance: &InstanceReport) -> Self {
        let unseen = &report.unseen;
        let events = instance
            .event_counts
            .iter()
            .fold(0, |sum: u64, (_, count)| sum.saturating_add(*count));
        let counted = LOSSES.map(|counter| instance.loss_count(counter));
        let all_counted = counted.iter().all(|count| count.complete);
        let any_counted = counted
            .iter()
            .any(|count| count.rise.is_some_and(|n| n > 0));
        let full_table_seen = FULL_TABLE.iter().all(|kind| !unseen.hides(kind));
        Self {
            events,
            by_kind: instance.event_counts.clone(),
            counted,
            unseen: unseen.groups().to_vec(),
            without_probes: unseen.without_probes().cloned(),
            conclusion: if events > 0 || any_counted {
                LossConclusion::Lost
            } else if all_counted && full_table_seen {
                LossConclusion::Nothing
            } else {
                LossConclusion::Unknown
            },
        }
    }
}

impl InstanceReport {
    fn loss_count(&self, counter: Counter) -> LossCount {
        let dimension = self.dimension(counter);
        LossCount {
            name: counter.spec().name,
            rise: dimension.and_then(DimensionReport::rise),
            complete: dimension.is_some_and(|d| d.is_available() && !d.has_gap),
        }
    }
}

impl DimensionReport {
    fn rise(&self) -> Option<u64> {
        if self.is_in_buckets() {
            return Some(self.cells.total());
        }
        let seconds = self.steps.time() as f64 / 1e6;
        Some((self.steps.mean()? * seconds).round() as u64)
    }
}
