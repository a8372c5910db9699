//! What the table was made of over time, and what limited it.

use std::collections::VecDeque;

use crate::model::{
    history::time::{Nanos, nanos},
    record::{TableContents, TableLimits},
};

/// Listings and limits, the oldest first.
#[derive(Default)]
pub(super) struct ContentsStore {
    contents: VecDeque<TableContents>,
    limits: VecDeque<TableLimits>,
}

impl ContentsStore {
    /// Ignores those of a run's end, which repeat the last.
    pub(super) fn add_contents(&mut self, contents: TableContents, limit: usize) {
        if !contents.closing {
            self.contents.push_back(contents);
            shrink(&mut self.contents, limit);
        }
    }

    pub(super) fn add_limits(&mut self, limits: TableLimits, limit: usize) {
        if !limits.closing {
            self.limits.push_back(limits);
            shrink(&mut self.limits, limit);
        }
    }

    /// The last ones up to a time.
    pub(super) fn at(&self, time: Nanos) -> (Option<&TableContents>, Option<&TableLimits>) {
        let contents = self.contents.iter().rev();
        let limits = self.limits.iter().rev();
        (
            contents.into_iter().find(|of| nanos(of.time) <= time),
            limits.into_iter().find(|of| nanos(of.time) <= time),
        )
    }

    /// Drops those after a time.
    pub(super) fn truncate(&mut self, time: Nanos) {
        self.contents.retain(|of| nanos(of.time) <= time);
        self.limits.retain(|of| nanos(of.time) <= time);
    }
}

fn shrink<T>(kept: &mut VecDeque<T>, limit: usize) {
    while kept.len() > limit.max(1) {
        kept.pop_front();
    }
}
