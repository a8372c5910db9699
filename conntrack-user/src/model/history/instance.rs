//! The history of one instance.

use std::{cmp::Reverse, collections::VecDeque, ops::Range};

use crate::{
    model::{
        history::{
            activity::{Activity, ActivitySummary, are_flows_counted, busiest},
            buckets::BucketStore,
            burst_group::{BurstGroup, RECENT, group_span, span},
            contents::ContentsStore,
            samples::{SamplePoint, SampleStore, first_dimension},
            time::{Nanos, nanos},
            tops::{TopStore, TopsAt},
            views::{self, DimensionView},
            window::Window,
        },
        kernel::{
            charts::CHARTS,
            counters::{Counter, named},
            per_counter::PerCounter,
        },
        record::{
            Burst, Check, Crosscheck, InstanceVerdict, Sample, TableContents, TableLimits, Top,
            Verdict,
        },
    },
    text::Text,
};

/// When time goes back by more than this, the clock was set, or a recording was rewound.
pub(super) const STEP_BACK: Nanos = 500_000_000;

/// The least distance between two bursts for one to be the next or previous one.
const BETWEEN_BURSTS: Nanos = 1_000_000;

/// The history of one instance.
#[derive(Default)]
pub struct InstanceHistory {
    samples: SampleStore,
    pub(super) buckets: BucketStore,
    /// Bursts, those of several counters at the same time as one.
    bursts: VecDeque<BurstGroup>,
    latest: Option<Sample>,
    crosscheck: Option<Crosscheck>,
    /// What a check last said of each counter that it proved wrong.
    disproofs: PerCounter<Text>,
    tops: TopStore,
    contents: ContentsStore,
    /// The verdicts, in order of time.
    said: VecDeque<InstanceVerdict>,
}

/// A disagreement between probes and kernel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Disagreement<'a> {
    /// The worst verdict.
    pub verdict: Verdict,
    /// The first check with that verdict.
    pub first: Option<&'a Check>,
    /// The number of other checks with that verdict.
    pub others: usize,
}

impl InstanceHistory {
    /// The newest sample, without its buckets.
    #[must_use]
    pub fn latest(&self) -> Option<&Sample> {
        self.latest.as_ref()
    }

    /// The checks of the newest cross-check, the worst first; of equals in their original order.
    #[must_use]
    pub fn checks(&self) -> Vec<&Check> {
        let checks = self.crosscheck.iter().flat_map(|c| &c.checks);
        let mut checks: Vec<&Check> = checks.collect();
        checks.sort_by_key(|check| Reverse(check.verdict));
        checks
    }

    /// The worst verdict of the newest sample.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        self.latest.as_ref().and_then(|sample| sample.verdict)
    }

    /// The worst disagreement, if counts are known to be wrong.
    #[must_use]
    pub fn disagreement(&self) -> Option<Disagreement<'_>> {
        let verdict = self.verdict().filter(|verdict| verdict.is_bad())?;
        let checks = self.checks();
        let mut worst = checks.into_iter().filter(|c| c.verdict == verdict);
        Some(Disagreement {
            verdict,
            first: worst.next(),
            others: worst.count(),
        })
    }

    /// The counters that are wrong in the interval that ends at or before a time, with what their checks last said.
    #[must_use]
    pub fn wrong_at(&self, time: Nanos) -> Vec<(Counter, &Text)> {
        let point = self.samples.at(time);
        let counters = point.into_iter().flat_map(SamplePoint::wrong_counters);
        counters
            .filter_map(|counter| Some((counter, self.disproofs.get(counter)?)))
            .collect()
    }

    /// Why a counter is wrong in the interval that ends at or before a time; `None` if it is not.
    #[must_use]
    pub fn why_wrong(&self, counter: Counter, time: Nanos) -> Option<&Text> {
        let mut wrong = self.wrong_at(time).into_iter();
        wrong.find_map(|(one, reason)| (one == counter).then_some(reason))
    }

    /// Whether the counter of a burst is wrong in an interval that the burst overlaps. Its name comes from a record.
    #[must_use]
    pub fn is_wrong(&self, burst: &Burst) -> bool {
        let counter = named(burst.counter.raw()).map(|spec| spec.id);
        let span = span(burst);
        let points = self.samples.over(&span);
        let mut wrong = points.flat_map(SamplePoint::wrong_counters);
        wrong.any(|one| Some(one) == counter)
    }

    /// The top talkers that were known at a time.
    #[must_use]
    pub fn tops(&self, time: Nanos) -> TopsAt<'_> {
        self.tops.at(time)
    }

    /// What its table was made of, and what limited it, as it was known at a time.
    #[must_use]
    pub fn contents(&self, time: Nanos) -> (Option<&TableContents>, Option<&TableLimits>) {
        self.contents.at(time)
    }

    pub(super) fn contents_mut(&mut self) -> &mut ContentsStore {
        &mut self.contents
    }

    /// What was to know first at a time.
    #[must_use]
    pub fn said_at(&self, time: Nanos) -> Option<&InstanceVerdict> {
        let after = self.said.partition_point(|said| nanos(said.time) <= time);
        self.said.get(after.checked_sub(1)?)
    }

    /// What is to know first now.
    #[must_use]
    pub fn said(&self) -> Option<&InstanceVerdict> {
        self.said.back()
    }

    /// The point of the interval that ends at or before a time.
    #[must_use]
    pub fn at(&self, time: Nanos) -> Option<&SamplePoint> {
        self.samples.at(time)
    }

    /// The time span with samples.
    #[must_use]
    pub fn extent(&self) -> Option<(Nanos, Nanos)> {
        Some((self.samples.first()?.start(), self.samples.last()?.end))
    }

    /// Whether each chart has something to show in a time span: a value that is not 0.
    #[must_use]
    pub fn active_charts(&self, span: &Range<Nanos>) -> [bool; CHARTS.len()] {
        let mut active = [false; CHARTS.len()];
        for point in self.samples.over(span) {
            for (i, active) in active.iter_mut().enumerate() {
                let first = first_dimension(i);
                let values = &point.values[first..first + CHARTS[i].dimensions.len()];
                *active |= values.iter().any(|value| value.is_some_and(|v| v != 0.0));
            }
        }
        active
    }

    /// The dimensions of a chart in a window, in the memory of `spare`, whatever that has.
    #[must_use]
    pub fn chart(
        &self,
        chart: usize,
        window: &Window,
        spare: Vec<DimensionView>,
    ) -> Vec<DimensionView> {
        views::chart_view(&self.samples, &self.buckets, chart, window, spare)
    }

    /// The activity in a window with these rates, over `per` of its columns at a time.
    #[must_use]
    pub fn activity(&self, window: &Window, rates: &[&DimensionView], per: usize) -> Activity {
        let columns = busiest(rates, per);
        let mut in_burst = vec![false; columns.len()];
        let (mut number, mut peak_rate) = (0_usize, 0.0_f64);
        for group in self.bursts(window) {
            number += 1;
            for burst in group.all() {
                peak_rate = peak_rate.max(burst.peak_rate);
                for i in window.columns_of(&span(burst)) {
                    if let Some(mark) = in_burst.get_mut(i / per.max(1)) {
                        *mark = true;
                    }
                }
            }
        }
        let greatest = columns.iter().flatten().copied().fold(0.0, f64::max);
        let summary = if number > 0 {
            ActivitySummary::Bursts { number, peak_rate }
        } else if greatest > 0.0 {
            ActivitySummary::Busiest(greatest)
        } else if are_flows_counted(self.samples.over(&window.range())) {
            ActivitySummary::Quiet
        } else {
            ActivitySummary::Unknown
        };
        Activity {
            columns,
            in_burst,
            greatest,
            summary,
        }
    }

    /// The bursts that overlap a window.
    fn bursts<'a>(&'a self, window: &Window) -> impl Iterator<Item = &'a BurstGroup> {
        let range = window.range();
        self.bursts.iter().filter(move |group| {
            let span = group_span(group);
            span.start < range.end && span.end > range.start
        })
    }

    /// The last burst before a time, or the first one after it. Counters that rose together are one.
    #[must_use]
    pub fn burst_beside(&self, time: Nanos, after: bool) -> Option<Range<Nanos>> {
        let middle = |span: &Range<Nanos>| span.start / 2 + span.end / 2;
        let spans = self.bursts.iter().map(group_span);
        if after {
            spans
                .filter(|span| middle(span) > time + BETWEEN_BURSTS)
                .min_by_key(middle)
        } else {
            spans
                .filter(|span| middle(span) < time - BETWEEN_BURSTS)
                .max_by_key(middle)
        }
    }

    /// The approximate memory use of buckets, in bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.buckets.bytes()
    }

    pub(super) fn add_sample(&mut self, sample: &Sample) {
        let point = SamplePoint::new(sample);
        if let Some(last) = self.samples.last()
            && point.end + STEP_BACK < last.end
        {
            self.forget_from(point.start());
        }
        if let Some(buckets) = &sample.buckets {
            for (counter, buckets) in buckets.iter() {
                self.buckets
                    .add(counter, nanos(buckets.start), &buckets.counts);
            }
        }
        for (counter, reason) in sample.wrong.iter() {
            self.disproofs.set(counter, Some(reason.clone()));
        }
        if sample.verdict.is_none() {
            self.crosscheck = None;
        }
        self.samples.push(point);
        self.latest = Some(Sample {
            buckets: None,
            ..sample.clone()
        });
    }

    pub(super) fn add_burst(&mut self, burst: &Burst, limit: usize) {
        let recent = self.bursts.iter_mut().rev().take(RECENT);
        let rest = BurstGroup::join_any(recent, burst.clone());
        self.bursts.extend(rest.map(BurstGroup::new));
        while self.bursts.len() > limit.max(1) {
            self.bursts.pop_front();
        }
    }

    pub(super) fn set_crosscheck(&mut self, crosscheck: Crosscheck) {
        self.crosscheck = Some(crosscheck);
    }

    pub(super) fn add_top(&mut self, top: Top, limit: usize) {
        self.tops.add(top);
        self.tops.shrink(limit);
    }

    /// That of the whole run says the same as the last one before it, and more; it replaces no earlier one.
    pub(super) fn add_verdict(&mut self, verdict: InstanceVerdict, limit: usize) {
        self.said.push_back(verdict);
        while self.said.len() > limit.max(1) {
            self.said.pop_front();
        }
    }

    pub(super) fn shrink(&mut self, bytes: usize, samples: usize) {
        self.buckets.shrink(bytes);
        self.samples.shrink(samples);
    }

    fn forget_from(&mut self, time: Nanos) {
        self.samples.truncate(time);
        self.buckets.truncate(time);
        self.tops.truncate(time);
        self.contents.truncate(time);
        self.said.retain(|said| nanos(said.time) <= time);
        self.bursts.retain(|group| nanos(group.start) < time);
    }
}
