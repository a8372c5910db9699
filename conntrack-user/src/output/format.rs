//! How numbers, lengths of time and moments are written: once each, for every view.

pub mod axis;
pub mod clock;
pub mod duration;
pub mod number;
