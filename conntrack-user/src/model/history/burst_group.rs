//! Bursts over the time of a view.

use std::ops::Range;

pub(crate) use crate::model::record::derived::BurstGroup;
use crate::model::{
    history::time::{Nanos, nanos},
    record::Burst,
};

/// The time span of a burst.
#[must_use]
pub fn span(burst: &Burst) -> Range<Nanos> {
    nanos(burst.start)..nanos(burst.end)
}

/// The time spans of bursts, where those of several counters at the same time are one.
#[must_use]
pub fn events<'a>(bursts: impl Iterator<Item = &'a Burst>) -> Vec<Range<Nanos>> {
    let mut spans: Vec<Range<Nanos>> = bursts.map(span).collect();
    spans.sort_by_key(|span| span.start);
    let mut events: Vec<Range<Nanos>> = Vec::new();
    for span in spans {
        match events.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            _ => events.push(span),
        }
    }
    events
}
