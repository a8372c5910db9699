//! What follows from a single record. It is computed here once, so that all views show the same.

mod burst_group;
mod events;
mod hello;
mod judgement;
mod probes;
mod sample;
mod summary;
mod top;

pub(crate) use self::{
    burst_group::{BurstGroup, CAUSES, NEAR},
    events::UnseenEvents,
    judgement::Judgement,
    sample::{CpuRate, source_by_checks},
};

#[cfg(test)]
mod tests;
