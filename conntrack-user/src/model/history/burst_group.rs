//! Bursts over the time of a view.

use std::ops::Range;

pub(crate) use crate::model::record::derived::BurstGroup;
use crate::model::{
    history::time::{Nanos, nanos},
    record::Burst,
};

/// How far back the group of a new burst may be, among groups and other notable things.
pub const RECENT: usize = 200;

/// The time span of a burst.
#[must_use]
pub fn span(burst: &Burst) -> Range<Nanos> {
    nanos(burst.start)..nanos(burst.end)
}

/// The time span of all bursts of a group.
#[must_use]
pub fn group_span(group: &BurstGroup) -> Range<Nanos> {
    nanos(group.start)..nanos(group.end)
}
