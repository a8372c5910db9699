//! How numbers, durations and times are written. All views use these functions.

pub mod axis;
pub mod clock;
pub mod duration;
pub mod number;
pub mod wrap;
