//! Apps with records for tests, and what they show.

use crate::{
    model::{
        overhead::Overhead,
        record::{Check, Crosscheck, Hello, Instance, Record, Sample, Time, Verdict},
        verdict::Completion,
    },
    output::live::{
        App, Input, Theme, render,
        theme::{Glyphs, Palette},
    },
};
use jiff::Timestamp;
use ratatui::{
    Terminal,
    backend::TestBackend,
    buffer::Buffer,
    crossterm::event::{KeyCode, KeyEvent},
};
use serde_json::{Value, json};

const RECORDING: &str = include_str!("../../../../../tests/fixtures/records/filling-6.12.jsonl");

pub const RICH: Theme = Theme {
    palette: Palette::Rich,
    glyphs: Glyphs::Braille,
};

/// The recording of a guest.
pub fn recording() -> Vec<Record> {
    let record = |line| serde_json::from_str(line).expect("the recording is of this version");
    RECORDING.lines().map(record).collect()
}

/// An app after these records.
pub fn app(theme: Theme, records: impl IntoIterator<Item = Record>) -> App {
    let mut app = App::new(theme);
    // The recording is older than verdicts.
    let mut completion = Completion::default();
    for record in records {
        let verdicts = completion.before(Some(&record));
        app.update_all(verdicts.into_iter().map(Input::Record));
        app.update(Input::Record(record));
    }
    app.update_all(completion.before(None).into_iter().map(Input::Record));
    app.update(Input::Overhead(Overhead {
        cpu_percent: 0.4,
        memory: Some(18_300_000),
    }));
    app
}

/// An app after the recording.
pub fn filling() -> App {
    app(RICH, recording())
}

/// Records that the recording lacks: bursts, top talkers and an alert.
pub fn more() -> Vec<Record> {
    let at = |clock: &str| time(clock).to_string();
    let burst = |start: &str, end: &str, duration_ms: f64, count: u64, peak_rate: f64| {
        json!({
            "type": "burst", "instance": "self", "counter": "new", "start": at(start), "end": at(end),
            "duration_ms": duration_ms, "count": count, "peak_rate": peak_rate,
            "window_ms": 1.048_576, "usual_rate": 12.0,
        })
    };
    let table = |by: &str, of: &str, total: u64, rows: Value| json!({"by": by, "of": of, "total": total, "error": 3, "certain": true, "rows": rows});
    let row =
        |key: &str, count: u64, share: f64| json!({"key": key, "count": count, "share": share});
    let records = [
        burst("14:52:08.157", "14:52:08.166", 9.0, 300, 49_600.0),
        burst("14:52:09.573", "14:52:09.590", 17.0, 330, 45_800.0),
        json!({
            "type": "alert", "time": at("14:52:09.660"), "instance": "self",
            "name": "netfilter_conntrack_full", "status": "CRITICAL", "value": 100.0, "unit": "%",
            "previous": "CLEAR",
        }),
        json!({
            "type": "top", "time": at("14:52:10"), "instance": "self", "window_s": 10.0,
            "tables": [
                table("new", "src", 4198, json!([
                    {"key": "127.0.0.1", "count": 4190, "process": "ctgen[312]", "share": 99.8},
                    row("10.0.0.7", 8, 0.2),
                ])),
                table("new", "dport", 4198, json!([row("56144", 4190, 99.8)])),
                table("evicted", "src", 498, json!([row("127.0.0.1", 498, 100.0)])),
            ],
        }),
    ];
    records
        .map(|record| serde_json::from_value(record).expect("a record of this version"))
        .into()
}

/// A time on the day of the recording.
pub fn time(clock: &str) -> Time {
    let time: Timestamp = format!("2026-11-25T{clock}Z").parse().expect("a time");
    Time(time)
}

/// The recording with changed samples.
pub fn changed(mut change: impl FnMut(&mut Sample)) -> Vec<Record> {
    let mut records = recording();
    for record in &mut records {
        if let Record::Sample(sample) = record {
            change(sample);
        }
    }
    records
}

/// A cross-check with this verdict.
pub fn crosscheck(instance: &str, verdict: Verdict) -> Record {
    Record::Crosscheck(Crosscheck {
        time: time("14:52:10"),
        instance: instance.to_owned().into(),
        checks: vec![Check {
            name: "entries_balance".into(),
            probe: Some(3_700),
            kernel_low: Some(3_705),
            kernel_high: Some(3_705),
            residual: Some(-5),
            verdict,
            reason: Some("this kernel does not tell how many probe hits it missed".into()),
        }],
    })
}

/// The recording with three namespaces; in the second nothing tracks.
pub fn several() -> Vec<Record> {
    const NAMES: [&str; 3] = ["self", "tenant-blue", "tenant-with-a-very-long-name"];
    let mut records = Vec::new();
    for record in recording() {
        match record {
            Record::Hello(hello) => records.push(Record::Hello(Box::new(Hello {
                instances: NAMES
                    .map(|name| Instance {
                        name: name.to_owned().into(),
                        netns: Some(4_026_531_840),
                        host: None,
                        workload: None,
                    })
                    .into(),
                ..*hello
            }))),
            Record::Sample(sample) => {
                for name in NAMES {
                    let mut sample = sample.clone();
                    sample.instance = name.to_owned().into();
                    if name == NAMES[1] {
                        sample.entries = Some(0);
                        sample.utilization = Some(0.0);
                        sample.charts.0[0].1.0[0].1 = Some(0.0);
                        sample.untracked = Some("nothing tracks here: no rule asks for it".into());
                    }
                    records.push(Record::Sample(sample));
                }
            }
            other => records.push(other),
        }
    }
    records
}

/// The drawn buffer.
pub fn buffer(app: &App, width: u16, height: u16) -> Buffer {
    let mut terminal =
        Terminal::new(TestBackend::new(width, height)).expect("the test's terminal is memory");
    terminal
        .draw(|frame| render(app, frame))
        .expect("the test's terminal is memory");
    terminal.backend().buffer().clone()
}

/// The drawn buffer as text.
pub fn screen(app: &App, width: u16, height: u16) -> String {
    let buffer = buffer(app, width, height);
    let row = |y| -> String { (0..width).map(|x| buffer[(x, y)].symbol()).collect() };
    let rows: Vec<String> = (0..height).map(|y| row(y).trim_end().to_owned()).collect();
    rows.join("\n")
}

/// Presses a key.
pub fn press(app: &mut App, key: KeyCode) {
    app.update(Input::Key(KeyEvent::from(key)));
}

/// Types text.
pub fn type_text(app: &mut App, text: &str) {
    for c in text.chars() {
        press(app, KeyCode::Char(c));
    }
}
