//! Bursts of several counters at the same time are one event.

use std::ops::Range;

use crate::{
    model::{
        history::time::{Nanos, nanos},
        kernel::counters::{Counter, named},
        record::Burst,
    },
    text::Text,
};

/// Bursts closer than this belong together; two bursts of one counter are farther apart.
const NEAR: Nanos = 17_000_000;

/// Bursts of one instance that overlap in time.
#[derive(Clone, Debug)]
pub struct BurstGroup {
    /// The network namespace.
    pub instance: Text,
    /// From the start of the first to the end of the last.
    pub span: Range<Nanos>,
    /// The cause first: in the order of their starts, of equals in the order of the charts.
    bursts: Vec<Burst>,
}

impl BurstGroup {
    /// Starts with one.
    #[must_use]
    pub fn new(burst: Burst) -> Self {
        Self {
            instance: burst.instance.clone(),
            span: span(&burst),
            bursts: vec![burst],
        }
    }

    /// Adds a burst if it belongs to these; returns it if not.
    pub fn join(&mut self, burst: Burst) -> Result<(), Burst> {
        let new = span(&burst);
        let near = new.start < self.span.end + NEAR && new.end + NEAR > self.span.start;
        let known = |known: &Burst| known.counter == burst.counter;
        if !near || burst.instance != self.instance || self.bursts.iter().any(known) {
            return Err(burst);
        }
        self.span = self.span.start.min(new.start)..self.span.end.max(new.end);
        self.bursts.push(burst);
        self.bursts.sort_by_key(|burst| (burst.start, place(burst)));
        Ok(())
    }

    /// The bursts of counters that are on a chart, the cause first; all if none is.
    #[must_use]
    pub fn bursts(&self) -> Vec<&Burst> {
        let charted = self
            .bursts
            .iter()
            .filter(|burst| counter(burst).is_some_and(Counter::is_charted));
        let charted: Vec<&Burst> = charted.collect();
        if charted.is_empty() {
            return self.bursts.iter().collect();
        }
        charted
    }
}

/// The time span of a burst.
#[must_use]
pub fn span(burst: &Burst) -> Range<Nanos> {
    nanos(burst.start)..nanos(burst.end)
}

fn counter(burst: &Burst) -> Option<Counter> {
    named(burst.counter.raw()).map(|spec| spec.id)
}

/// The place of its counter among all.
fn place(burst: &Burst) -> usize {
    counter(burst).map_or(usize::MAX, |counter| counter as usize)
}
