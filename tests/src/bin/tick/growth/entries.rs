//! What entries in the table cost: a tick, which does not look at them, and a listing, which does. Only for guests.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ctpulse_tests::{
    cpu_time::cpu_time,
    ctpulse::Stream,
    kernel::{flush, table_buckets, table_max, tracking},
    markdown,
    traffic::UdpFlows,
};

const ENTRIES: [u32; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// Ticks that are measured.
const TICKS: usize = 20;

/// The report; where a nanosecond of the clock is an instruction, it is about instructions.
pub(crate) fn report() -> Result<String> {
    tracking()?;
    table_max(1_200_000)?;
    table_buckets(524_288)?;
    let mut rows = Vec::new();
    for entries in ENTRIES {
        eprintln!("growth: {entries} entries");
        flush()?;
        UdpFlows::new()?.send(entries)?;
        let without = tick(&["--probes", "off"])?;
        let with = tick(&[])?;
        let listing = listing()?;
        ensure!(
            listing.entries == u64::from(entries),
            "{} entries listed of {entries}",
            listing.entries
        );
        let thousands = |time: Duration| format!("{:.0}", time.as_secs_f64() * 1e6);
        rows.push([
            entries.to_string(),
            thousands(without),
            thousands(with),
            format!("{:.1}", listing.cpu_ms),
            listing.sampled.to_string(),
            format!("{:.0}", listing.cpu_ms * 1e6 / listing.sampled as f64),
        ]);
    }
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").context("osrelease")?;
    Ok(format!(
        "{}\nThousands of instructions, in ctpulse and in the kernel for it, are what a processor takes some hundred nanoseconds for. A \
         tick is of `ctpulse stream --format json`, a mean of {TICKS}. A listing is what `--top` has made now and then of what \
         the table is made of, never with more than 2 % of a CPU. Linux {}, one CPU, {}.\n",
        markdown::table(
            [
                "entries",
                "a tick without probes, 1,000 instructions",
                "a tick with probes, 1,000 instructions",
                "a listing, 1,000,000 instructions",
                "entries that it looks at",
                "instructions for each of these",
            ],
            0,
            &rows
        ),
        kernel.trim(),
        jiff::Timestamp::now().strftime("%Y-%m-%d"),
    ))
}

/// The CPU time of a tick.
fn tick(options: &[&str]) -> Result<Duration> {
    let mut stream = Stream::start(&[options, &["--interval", "100ms"]].concat())?;
    stream.samples(5)?;
    let before = cpu_time(stream.pid())?;
    stream.samples(TICKS)?;
    let taken = cpu_time(stream.pid())?.saturating_sub(before);
    stream.stop()?;
    Ok(taken / TICKS as u32)
}

/// What a listing of the table took.
struct Listing {
    cpu_ms: f64,
    entries: u64,
    /// How many it looked at.
    sampled: u64,
}

fn listing() -> Result<Listing> {
    let mut stream = Stream::start(&["--top", "--probes", "off"])?;
    let contents = stream.wait_for("what the table is made of", |record| {
        record["type"] == "contents"
    })?;
    stream.stop()?;
    Ok(Listing {
        cpu_ms: contents["cpu_ms"].as_f64().context("cpu_ms")?,
        entries: contents["entries"].as_u64().context("entries")?,
        sampled: contents["listed"].as_u64().context("listed")?,
    })
}
