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
