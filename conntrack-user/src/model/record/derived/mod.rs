//! What follows from a record alone. Every view shows the same of it, and none works it out itself.

mod events;
mod hello;
mod judgement;
mod sample;
mod summary;
mod top;

pub(crate) use self::{events::UnseenEvents, judgement::Judgement, sample::CpuRate};

#[cfg(test)]
mod tests;
