//! What fuzzing gives bytes to. Each target is a function that must return, whatever the bytes, and panics where what it finds in
//! them contradicts itself. `cargo xtask fuzz` runs them in libFuzzer (`tests/fuzz`); the tests here give each the inputs of its
//! committed corpus.
//!
//! Targets are here or, where they need what a room keeps to itself, in the file `fuzz.rs` of that room.

mod outputs;

use std::{path::Path, time::Duration};

pub use crate::{
    client::fuzz::answer,
    probes::fuzz::types,
    recording::fuzz::recording,
    remote::fuzz::stream,
    remote_write::fuzz::queue,
    server::fuzz::request,
    source::fuzz::{ctnetlink, host_files},
};
pub use outputs::records;

use crate::{
    cli,
    config::Config,
    library::{KernelMonitor, Snapshot},
    model::{
        event::{Family, Protocol, Tuple, filter::Filter},
        record::Record,
    },
    output::{Sink as _, json::Json},
    reading::proc_stat::{ProcStat, RepeatedParser},
};

/// What takes the bytes.
pub type FuzzTarget = fn(&[u8]);

/// All targets, by the names of their corpora.
pub const TARGETS: &[(&str, FuzzTarget)] = &[
    ("answer", answer),
    ("configuration", configuration),
    ("ctnetlink", ctnetlink),
    ("host_files", host_files),
    ("proc_stat", proc_stat),
    ("queue", queue),
    ("recording", recording),
    ("records", records),
    ("request", request),
    ("selectors", selectors),
    ("stream", stream),
    ("types", types),
];

/// The most snapshots of an input.
const SNAPSHOTS: u64 = 16;

/// What lies between two snapshots: no text has it.
const BETWEEN: u8 = 0xff;

/// `/proc/net/stat/nf_conntrack`, read several times: the fast parser says what the exact one says, and the monitor makes JSON of it.
pub fn proc_stat(data: &[u8]) {
    let mut repeated = RepeatedParser::default();
    let interval = Duration::from_millis(100);
    let mut monitor = KernelMonitor::new("fuzzed", Some("6.12.0"), interval);
    let mut json = Json::new(Vec::new());
    let mut at = crate::Instant {
        monotonic: Duration::from_secs(1),
        realtime: jiff::Timestamp::UNIX_EPOCH,
    };
    for (bytes, _) in data.split(|&byte| byte == BETWEEN).zip(0..SNAPSHOTS) {
        let text = String::from_utf8_lossy(bytes);
        let exact = ProcStat::parse(&text);
        assert_eq!(repeated.parse(bytes), exact);
        let snapshot = Snapshot {
            stat: Some(&text),
            count: None,
            max: Some(4096),
        };
        let records = monitor.observe(at, &snapshot);
        assert_eq!(records.is_ok(), exact.is_ok());
        for record in records.unwrap_or_default() {
            json.write(&record).expect("memory takes everything");
        }
        at.monotonic += interval;
        at.realtime += interval;
    }
}

/// A configuration: what is accepted is the same when it is printed and read again, and a mistake is within the file.
pub fn configuration(data: &[u8]) {
    let path = Path::new("fuzzed");
    match Config::parse(data, path) {
        Ok(config) => {
            let printed = config.to_toml();
            let again = Config::parse(printed.as_bytes(), path);
            assert_eq!(again.expect("what is printed is accepted"), config);
        }
        Err(mistake) => {
            assert!(mistake.to_string().len() < 10_000, "{mistake}");
        }
    }
}

/// What is written on a command line to select something, a line each.
pub fn selectors(data: &[u8]) {
    let tuple = Tuple {
        family: Some(Family::Ipv4),
        proto: Some(Protocol(6)),
        src: Some([10, 0, 0, 1].into()),
        dport: Some(443),
        ..Tuple::default()
    };
    for line in String::from_utf8_lossy(data).lines() {
        match line.parse::<Filter>() {
            Ok(filter) => {
                let _ = filter.matches(Some(&tuple));
                assert!(!filter.matches(None) || filter == Filter::default());
            }
            Err(error) => assert!(error.to_string().chars().count() < 2_000, "{error}"),
        }
        cli::fuzz::values(line);
    }
}

/// JSON lines as records; what is none is passed over.
fn parsed(data: &[u8]) -> Vec<Record> {
    let lines = data.split(|&byte| byte == b'\n');
    lines
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect()
}

#[cfg(test)]
mod tests;
