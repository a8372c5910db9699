//! Top talkers over time: those of each window, and the listings of entries.

use std::collections::VecDeque;

use crate::model::{
    history::time::{Nanos, nanos},
    record::{Top, TopRow, TopTable},
};

/// Tables that were reported, the oldest first: windows, and listings of entries.
#[derive(Default)]
pub(super) struct TopStore([VecDeque<Top>; 2]);

/// The tables that hold at a time: of the window that ends last before it, and of the last listing.
#[derive(Clone, Copy)]
pub struct TopsAt<'a>([Option<&'a Top>; 2]);

impl TopStore {
    /// Ignores tables of the whole run, which belong to no time.
    pub(super) fn add(&mut self, top: Top) {
        if !top.closing {
            let held = usize::from(!top.is_of_a_window());
            self.0[held].push_back(top);
        }
    }

    pub(super) fn at(&self, time: Nanos) -> TopsAt<'_> {
        let last = |tops: &'_ VecDeque<Top>| {
            let after = tops.partition_point(|top| nanos(top.time) <= time);
            after.checked_sub(1)
        };
        TopsAt([
            last(&self.0[0]).and_then(|at| self.0[0].get(at)),
            last(&self.0[1]).and_then(|at| self.0[1].get(at)),
        ])
    }

    /// Drops the oldest until `count` of each kind are left.
    pub(super) fn shrink(&mut self, count: usize) {
        for tops in &mut self.0 {
            while tops.len() > count.max(1) {
                tops.pop_front();
            }
        }
    }

    /// Drops those that end after a time.
    pub(super) fn truncate(&mut self, time: Nanos) {
        for tops in &mut self.0 {
            tops.retain(|top| nanos(top.time) <= time);
        }
    }
}

impl<'a> TopsAt<'a> {
    /// Whether any were reported.
    #[must_use]
    pub fn exist(&self) -> bool {
        self.0.iter().any(Option::is_some)
    }

    /// The length of the window in seconds; `None` without one.
    #[must_use]
    pub fn window_s(&self) -> Option<f64> {
        let [window, _] = self.0;
        window.map(|top| top.window_s)
    }

    /// The tables that have rows; sources come first.
    #[must_use]
    pub fn tables(&self) -> Vec<&'a TopTable> {
        let all = self.all();
        let mut tables: Vec<&TopTable> = all.filter(|table| !table.rows.is_empty()).collect();
        tables.sort_by_key(|table| table.of != "src");
        tables
    }

    /// Whether any table could be counted.
    #[must_use]
    pub fn are_counted(&self) -> bool {
        self.all().next().is_some()
    }

    /// The top source of each measure.
    pub fn first_sources(&self) -> impl Iterator<Item = (&'a TopTable, &'a TopRow)> {
        let sources = self.all().filter(|table| table.of == "src");
        sources.filter_map(|table| Some((table, table.rows.first()?)))
    }

    fn all(&self) -> impl Iterator<Item = &'a TopTable> + use<'a> {
        self.0.into_iter().flatten().flat_map(|top| &top.tables)
    }
}
