//! Lifetimes of connections for eyes: a line.

use super::number::{UNAVAILABLE, seconds};
use crate::model::lifetimes::Lifetimes;

/// `lifetimes of 800 connections: p50 1.25 s, p90 30.2 s, p99 120 s, p99.9 120 s, max 120 s`.
#[must_use]
pub fn line(lifetimes: &Lifetimes) -> String {
    let time = |value: Option<f64>| value.map_or_else(|| UNAVAILABLE.to_owned(), seconds);
    let unknown = match lifetimes.unknown {
        0 => String::new(),
        unknown => format!("; {unknown} more ended whose begin was not seen"),
    };
    format!(
        "lifetimes of {} connections: p50 {}, p90 {}, p99 {}, p99.9 {}, max {}{unknown}",
        lifetimes.count,
        time(lifetimes.p50_s),
        time(lifetimes.p90_s),
        time(lifetimes.p99_s),
        time(lifetimes.p999_s),
        time(lifetimes.max_s),
    )
}
