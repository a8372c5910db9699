//! Bursts shorter than the interval are found in the millisecond buckets.

use std::{thread, time::Duration};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use crate::{
    ctpulse::{Ended, Stream},
    traffic::{Sent, UdpFlows},
};

const FLOWS: u32 = 500;

/// The most that a burst's edges may differ from its sender's times.
const TOLERANCE_US: i64 = 2_000;

pub(super) fn placed() -> Result<()> {
    let mut stream = Stream::start(&["--interval", "1s", "--buckets"])?;
    // Well inside the interval.
    thread::sleep(Duration::from_millis(300));
    let sent = UdpFlows::new()?.send(FLOWS)?;
    stream.samples(2)?;
    check(&stream.stop()?, sent)
}

pub(super) fn while_stopped() -> Result<()> {
    let mut stream = Stream::start(&["--interval", "1s", "--buckets"])?;
    stream.signal(Signal::STOP)?;
    thread::sleep(Duration::from_millis(250));
    let sent = UdpFlows::new()?.send(FLOWS)?;
    thread::sleep(Duration::from_millis(250));
    stream.signal(Signal::CONT)?;
    stream.samples(2)?;
    check(&stream.stop()?, sent)
}

fn check(ended: &Ended, sent: Sent) -> Result<()> {
    ended.no_mismatch()?;
    for counter in ["new", "inserted"] {
        let points = ended.buckets(counter)?;
        let sum: u64 = points.iter().map(|(_, count)| count).sum();
        ensure!(sum == u64::from(FLOWS), "{counter}: the buckets hold {sum}");
        let (first, _) = points.first().context("no bucket")?;
        let (last, _) = points.last().context("no bucket")?;
        let width_us = 1_049;
        let start_off = outside(*first, sent.first);
        let end_off = outside(last + width_us, sent.last);
        println!(
            "{counter}: sent in {} us, placed {start_off} us from its start and {end_off} us from its end",
            sent.end().as_microsecond() - sent.start().as_microsecond(),
        );
        ensure!(
            start_off.abs() <= TOLERANCE_US,
            "{counter}: start is off by {start_off} us"
        );
        ensure!(
            end_off.abs() <= TOLERANCE_US,
            "{counter}: end is off by {end_off} us"
        );
    }

    // The peak is within the burst, and at least the burst's average.
    let average = f64::from(FLOWS)
        / ((sent.end().as_microsecond() - sent.start().as_microsecond()) as f64 / 1e6);
    let peaks = ended.of("sample").filter_map(|s| {
        Some((
            s["peaks"]["new"]["rate"].as_f64()?,
            &s["peaks"]["new"]["at"],
        ))
    });
    let (rate, at) = peaks
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .context("no peak")?;
    let at: jiff::Timestamp = at.as_str().context("a peak without a time")?.parse()?;
    ensure!(rate >= average * 0.9, "peak {rate}/s, average {average}/s");
    let from_start = at.as_microsecond() - sent.start().as_microsecond();
    let from_end = at.as_microsecond() - sent.end().as_microsecond();
    ensure!(
        from_start >= -TOLERANCE_US && from_end <= TOLERANCE_US,
        "the peak is {from_start} us after the start, {from_end} us after the end"
    );
    Ok(())
}

/// The distance of a time from a span, in microseconds: negative before it.
fn outside(moment: i64, [from, to]: [jiff::Timestamp; 2]) -> i64 {
    let (from, to) = (from.as_microsecond(), to.as_microsecond());
    moment - moment.clamp(from, to)
}
