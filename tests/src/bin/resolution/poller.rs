//! A program that reads the number of entries again and again, as one does without anything better.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};

const COUNT: &str = "/proc/sys/net/netfilter/nf_conntrack_count";

/// What it has read.
pub(crate) struct Polled {
    /// When, and how many entries there were.
    pub(crate) readings: Vec<(Timestamp, i64)>,
    cpu: Duration,
}

/// Reads after each pause until it is over.
pub(crate) fn poll(pause: Duration, over: &AtomicBool) -> Result<Polled> {
    let mut readings = Vec::new();
    let mut due = Instant::now();
    while !over.load(Ordering::Relaxed) {
        let text = fs::read_to_string(COUNT).context(COUNT)?;
        readings.push((Timestamp::now(), text.trim().parse().context(COUNT)?));
        due = Instant::now().max(due + pause);
        // In short sleeps, so that the end is noticed.
        while !over.load(Ordering::Relaxed) {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::sleep(left.min(Duration::from_millis(100)));
        }
    }
    let cpu = fs::read_to_string("/proc/thread-self/schedstat").context("schedstat")?;
    let cpu = cpu
        .split_whitespace()
        .next()
        .context("schedstat is empty")?;
    Ok(Polled {
        readings,
        cpu: Duration::from_nanos(cpu.parse()?),
    })
}

impl Polled {
    /// From the first reading to the last.
    pub(crate) fn lasted(&self) -> Duration {
        let ends = self.readings.first().zip(self.readings.last());
        ends.map_or(Duration::ZERO, |(first, last)| {
            positive(last.0.duration_since(first.0))
        })
    }

    /// Readings a second.
    pub(crate) fn rate(&self) -> f64 {
        self.readings.len() as f64 / self.lasted().as_secs_f64()
    }

    /// The longest time between two readings.
    pub(crate) fn longest(&self) -> Duration {
        let pairs = self.readings.windows(2);
        let longest = pairs
            .map(|pair| positive(pair[1].0.duration_since(pair[0].0)))
            .max();
        longest.unwrap_or_default()
    }

    /// The part of a CPU that it took.
    pub(crate) fn share(&self) -> f64 {
        self.cpu.as_secs_f64() / self.lasted().as_secs_f64()
    }
}

/// A time between two moments in their order.
pub(crate) fn positive(time: SignedDuration) -> Duration {
    Duration::try_from(time).unwrap_or_default()
}
