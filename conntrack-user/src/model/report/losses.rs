//! What was dropped, evicted or refused; and, where nothing was seen, whether it would have been.

use crate::{
    model::{
        kernel::counters::Counter,
        record::derived::UnseenEvents,
        report::contents::{DimensionReport, InstanceReport, RecordingReport},
    },
    text::Text,
};

/// The counters that rise when something is dropped, evicted or refused.
const LOSSES: [Counter; 3] = [Counter::Drop, Counter::EarlyDrop, Counter::InsertFailed];

/// The kinds of events without which refusals and evictions are not seen.
const FULL_TABLE: [&str; 2] = ["table_full", "early_drop"];

/// What was dropped, evicted or refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Losses {
    /// All events.
    pub events: u64,
    /// Those of each kind.
    pub by_kind: Vec<(Text, u64)>,
    /// What counters say.
    pub counted: [LossCount; LOSSES.len()],
    /// What could not be seen as an event, and why.
    pub unseen: Vec<UnseenEvents>,
    /// Why there were no probes, if there were none at some time.
    pub without_probes: Option<Text>,
    /// What follows.
    pub conclusion: LossConclusion,
}

/// By how much a counter rose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LossCount {
    /// The counter's name.
    pub name: &'static str,
    /// Its rise; `None` where it was never available.
    pub rise: Option<u64>,
    /// Whether it was available all the time.
    pub complete: bool,
}

/// What follows from what was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossConclusion {
    /// Something was lost.
    Lost,
    /// Nothing was, and it would have been seen.
    Nothing,
    /// Nothing was seen, and not everything could be.
    Unknown,
}

impl Losses {
    /// Those of an instance.
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
        if !self.cells.is_empty() {
            return Some(self.cells.total());
        }
        let seconds = self.steps.time() as f64 / 1e6;
        Some((self.steps.mean()? * seconds).round() as u64)
    }
}
