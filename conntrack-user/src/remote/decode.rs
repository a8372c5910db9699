//! A line as a record. Pure, and without trust in who wrote it.

use serde::Deserialize;
use thiserror::Error;

use crate::{
    model::{
        kernel::per_counter::PerCounter,
        record::{Hello, Record, SCHEMA, Sample, Time},
    },
    text::Text,
};

/// Greater numbers than this are no rates, lengths of time, or numbers of anything.
const GREATEST: f64 = 1e15;

/// The longest interval in seconds: a year.
const LONGEST: f64 = 366.0 * 86_400.0;

/// The most instances in a record.
const INSTANCES: usize = 100_000;

/// The most characters of a line that an error quotes.
const QUOTED: usize = 60;

/// What a line is.
#[derive(Debug, PartialEq)]
pub(super) enum Decoded {
    Record(Box<Record>),
    /// A record of a type that this version does not know.
    UnknownType,
}

/// Why a line is no record.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum DecodeError {
    /// Nothing that comes after it can be understood.
    #[error(
        "it speaks version {schema} of the format, by ctpulse {version}, and this one, {own}, speaks up to {SCHEMA}: \
         use the newer ctpulse here, or the older one there",
        own = env!("CARGO_PKG_VERSION")
    )]
    Newer { schema: u64, version: Text },
    #[error("not a record: {reason}: {start}")]
    Malformed { reason: String, start: Text },
}

/// The parts that every version has.
#[derive(Deserialize)]
struct Start {
    #[serde(rename = "type")]
    kind: Text,
    schema: Option<u64>,
    version: Option<Text>,
}

/// Parses a line. Fields that are not known are ignored.
pub(super) fn decode(line: &[u8]) -> Result<Decoded, DecodeError> {
    let parsed = match serde_json::from_slice::<Record>(line) {
        Ok(record) => record,
        Err(error) => return otherwise(line, &error.to_string()),
    };
    if let Record::Hello(hello) = &parsed
        && hello.schema > SCHEMA
    {
        return Err(newer(hello.schema.into(), Some(&hello.version)));
    }
    match not_sane(&parsed) {
        Some(reason) => Err(malformed(line, reason)),
        None => Ok(Decoded::Record(Box::new(parsed))),
    }
}

/// A line that is no record of this version.
fn otherwise(line: &[u8], reason: &str) -> Result<Decoded, DecodeError> {
    // An error of serde_json quotes where it is in the line, which is one.
    let reason = reason.split(" at line ").next().unwrap_or(reason);
    let Ok(start) = serde_json::from_slice::<Start>(line) else {
        return Err(malformed(line, reason));
    };
    match start.kind.raw() {
        "hello" => match start.schema {
            Some(schema) if schema > SCHEMA.into() => Err(newer(schema, start.version.as_ref())),
            _ => Err(malformed(line, reason)),
        },
        "sample" | "crosscheck" | "event" | "alert" | "burst" | "top" | "contents" | "limits"
        | "verdict" | "advice" | "host" | "summary" => Err(malformed(line, reason)),
        _ => Ok(Decoded::UnknownType),
    }
}

fn newer(schema: u64, version: Option<&Text>) -> DecodeError {
    DecodeError::Newer {
        schema,
        version: version.cloned().unwrap_or_else(|| "unknown".into()),
    }
}

fn malformed(line: &[u8], reason: &str) -> DecodeError {
    let start = &line[..line.len().min(QUOTED)];
    DecodeError::Malformed {
        reason: Text::excerpt(reason).to_string(),
        start: String::from_utf8_lossy(start).into_owned().into(),
    }
}

/// What in a record can be no measurement.
fn not_sane(record: &Record) -> Option<&'static str> {
    const NUMBER: &str = "a number is too large";
    let large = |value: f64| !value.is_finite() || value.abs() > GREATEST;
    match record {
        Record::Hello(hello) => hello_not_sane(hello),
        Record::Host(host) => match &host.hello {
            _ if host.clock_ahead_ms.is_some_and(large) => Some(NUMBER),
            Some(hello) => hello_not_sane(hello),
            None => None,
        },
        Record::Sample(sample) => sample_not_sane(sample),
        Record::Burst(burst) => {
            let rates = [
                burst.duration_ms,
                burst.peak_rate,
                burst.window_ms,
                burst.usual_rate,
            ];
            (rates.into_iter().any(large)).then_some(NUMBER)
        }
        Record::Alert(alert) => large(alert.value).then_some(NUMBER),
        Record::Top(top) => large(top.window_s).then_some(NUMBER),
        Record::Contents(contents) => {
            let held = contents.groups.iter().map(|group| group.held);
            let shares = held.flat_map(|held| [held.share, held.error]);
            let others = [contents.error, contents.cpu_ms];
            (shares.chain(others).any(large)).then_some(NUMBER)
        }
        Record::Limits(limits) => {
            let bytes = limits.memory.as_ref().map(|memory| memory.entry_bytes);
            bytes.is_some_and(large).then_some(NUMBER)
        }
        Record::Advice(_) => None,
        Record::Verdict(verdict) => {
            let facts = &verdict.facts;
            let rates = [facts.utilization, facts.entries_per_s];
            let time = facts.time_to_full_s.map(|time| time.high);
            let known = rates.into_iter().flatten().chain(time);
            known.into_iter().any(large).then_some(NUMBER)
        }
        Record::Summary(summary) => match summary {
            _ if summary.instances.len() > INSTANCES => Some("it has too many instances"),
            _ if large(summary.duration_s) => Some(NUMBER),
            _ => None,
        },
        Record::Crosscheck(_) | Record::Event(_) => None,
    }
    .or_else(|| record.time().and_then(time_not_sane))
}

fn hello_not_sane(hello: &Hello) -> Option<&'static str> {
    if hello.instances.len() > INSTANCES {
        return Some("it has too many instances");
    }
    let interval = 0.0..=LONGEST * 1e3;
    (!interval.contains(&hello.interval_ms)).then_some("its interval is no length of time")
}

fn sample_not_sane(sample: &Sample) -> Option<&'static str> {
    let interval = 0.0..=LONGEST;
    if !interval.contains(&sample.interval_s) {
        return Some("its interval is no length of time");
    }
    let charts = sample.charts.0.iter().flat_map(|(_, chart)| &chart.0);
    let charts = charts.filter_map(|(_, value)| *value);
    let others = [
        sample.utilization,
        sample.entries_per_s,
        Some(sample.buckets_lost_ms),
    ];
    let peaks = values(&sample.peaks, |peak| [peak.rate, peak.window_ms]);
    let buckets = sample.buckets.as_ref();
    let buckets = buckets.map_or_else(Vec::new, |all| values(all, |some| [some.width_ms, 0.0]));
    let times = sample
        .time_to_full_s
        .map(|time| [time.estimate, time.low, time.high]);
    let all = charts
        .chain(others.into_iter().flatten())
        .chain(peaks)
        .chain(buckets)
        .chain(times.into_iter().flatten());
    let mut all = all.filter(|value| !value.is_finite() || value.abs() > GREATEST);
    all.next().map(|_| "a number is too large")
}

fn values<T>(all: &PerCounter<T>, of: impl Fn(&T) -> [f64; 2]) -> Vec<f64> {
    all.iter().flat_map(|(_, value)| of(value)).collect()
}

/// A time that no running clock has: views count on from it.
fn time_not_sane(time: Time) -> Option<&'static str> {
    // 1970 to 2100.
    let seconds = time.0.as_second();
    (!(0..4_102_444_800).contains(&seconds)).then_some("its time is no time of a running clock")
}
