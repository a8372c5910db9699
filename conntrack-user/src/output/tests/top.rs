//! Tests of top talkers in all formats, with records made by hand.
//!
//! A changed snapshot changes what users see: look at it before accepting it (`cargo insta review`, or `INSTA_UPDATE=always`).

use crate::{
    model::record::{
        EventTotals, Hello, Instance, Ordered, Record, SCHEMA, Summary, Time, Top, TopRow, TopTable,
    },
    output::{
        Sink,
        events::EventLines,
        json::Json,
        terminal::Size,
        text::{TextSink, View},
    },
    reading::probes::Probes,
};
use jiff::Timestamp;

type TestResult = Result<(), Box<dyn std::error::Error>>;

const SMALL: Option<Size> = Some(Size {
    columns: 80,
    rows: 24,
});
const LARGE: Option<Size> = Some(Size {
    columns: 200,
    rows: 50,
});

fn row(key: &str, count: u64, total: u64) -> TopRow {
    TopRow {
        key: key.to_owned().into(),
        count,
        share: count as f64 * 100.0 / total as f64,
        ..TopRow::default()
    }
}

fn run_by(process: &str, row: TopRow) -> TopRow {
    TopRow {
        process: Some(process.to_owned().into()),
        ..row
    }
}

fn table(
    by: &'static str,
    of: &'static str,
    error: u64,
    total: u64,
    rows: &[(&str, u64)],
) -> TopTable {
    TopTable {
        by: by.into(),
        of: of.into(),
        total,
        error,
        certain: true,
        sampled: false,
        rows: rows
            .iter()
            .map(|(key, count)| row(key, *count, total))
            .collect(),
    }
}

fn top(window_s: f64, closing: bool, tables: Vec<TopTable>) -> Top {
    Top {
        time: Time(Timestamp::constant(1_767_323_045, 678_901_000)),
        instance: "self".into(),
        window_s,
        closing,
        tables,
        remark: None,
    }
}

/// One source has flooded a web server behind this host, which also has IPv6 clients.
fn flood() -> Vec<TopTable> {
    let total = 48_213;
    let mut ports = table(
        "new",
        "dport",
        0,
        total,
        &[("tcp/443", 48_100), ("udp/53", 90), ("icmp", 23)],
    );
    ports.rows[1] = run_by("dnsmasq[812]", ports.rows[1].clone());
    let mut spread = table("new", "dst", 4, total, &[("10.1.7.1", 9), ("10.1.9.3", 9)]);
    spread.certain = false;
    let mut evicted = table(
        "evicted",
        "src",
        12,
        900,
        &[("10.0.0.9", 700), ("10.0.0.3", 100)],
    );
    evicted.certain = false;
    vec![
        table(
            "new",
            "src",
            3,
            total,
            &[
                ("10.0.0.7", 31_020),
                ("2001:db8:1234:5678::/64", 9_000),
                ("10.0.0.9", 812),
                ("10.0.3.77", 40),
                ("10.0.3.78", 11),
            ],
        ),
        spread,
        ports,
        table("dropped", "src", 0, 0, &[]),
        table("dropped", "dst", 0, 0, &[]),
        table("dropped", "dport", 0, 0, &[]),
        evicted,
    ]
}

fn held() -> Top {
    let total = 262_144;
    let mut ports = table(
        "entries",
        "dport",
        0,
        total,
        &[("tcp/443", 200_000), ("tcp/8080", 60_000)],
    );
    ports.rows[1] = run_by("java[4711] in 3f2a9c1b7d4e", ports.rows[1].clone());
    let tables = vec![
        table(
            "entries",
            "src",
            0,
            total,
            &[("10.0.0.7", 150_000), ("10.0.0.9", 40_000)],
        ),
        ports,
        table(
            "entries",
            "proto",
            0,
            total,
            &[("tcp", 262_000), ("udp", 144)],
        ),
        table(
            "entries",
            "state",
            0,
            262_000,
            &[
                ("SYN_SENT", 200_000),
                ("ESTABLISHED", 60_000),
                ("TIME_WAIT", 2_000),
            ],
        ),
        table("entries", "zone", 0, total, &[("0", total)]),
        table(
            "entries",
            "mark",
            0,
            total,
            &[("0x0", 262_000), ("0x10", 144)],
        ),
    ];
    Top {
        remark: Some("the table changed while it was listed: entries may be missing".into()),
        ..top(0.0, false, tables)
    }
}

fn hello(instances: &[&str]) -> Record {
    Record::Hello(Box::new(Hello {
        schema: SCHEMA,
        version: "0.1.0".into(),
        kernel: "6.12.117+deb12-amd64".into(),
        hostname: "gateway".into(),
        interval_ms: 100.0,
        unavailable: Default::default(),
        probes: Probes {
            mode: "kprobe".into(),
            group: "flow".into(),
            reason: None,
            attached: vec!["__nf_conntrack_alloc".into()],
            by_kprobe: Vec::new(),
            missing: Vec::new(),
            functions: Vec::new(),
        },
        instances: instances
            .iter()
            .map(|name| Instance {
                name: (*name).to_owned().into(),
                netns: Some(4_026_531_840),
                host: None,
                workload: None,
            })
            .collect(),
    }))
}

fn records() -> Vec<Record> {
    vec![
        Record::Top(top(1.0, false, flood())),
        Record::Top(held()),
        Record::Top(top(12.3, true, flood())),
        Record::Top(Top {
            closing: true,
            ..held()
        }),
    ]
}

fn as_text(
    terminal: Option<Size>,
    records: &[Record],
) -> Result<String, Box<dyn std::error::Error>> {
    let mut out = Vec::new();
    let mut text = TextSink::new(&mut out, terminal, View::default());
    for record in records {
        text.write(record)?;
    }
    Ok(String::from_utf8(out)?)
}

#[test]
fn text_on_a_small_terminal() -> TestResult {
    let text = as_text(SMALL, &records())?;
    insta::assert_snapshot!("text_80", text);
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    Ok(())
}

#[test]
fn text_on_a_large_terminal() -> TestResult {
    insta::assert_snapshot!("text_200", as_text(LARGE, &records())?);
    Ok(())
}

#[test]
fn text_of_several_instances_names_them() -> TestResult {
    let lines = as_text(LARGE, &[hello(&["self", "web"]), records().remove(0)])?;
    insta::assert_snapshot!("text_of_instances", lines);
    Ok(())
}

#[test]
fn events_end_with_the_top_talkers() -> TestResult {
    let mut out = Vec::new();
    let mut lines = EventLines::new(&mut out, SMALL);
    lines.write(&hello(&["self"]))?;
    for record in records() {
        lines.write(&record)?;
    }
    lines.write(&Record::Summary(Box::new(Summary {
        duration_s: 12.3,
        events: Some(Ordered(vec![(
            "early_drop".into(),
            EventTotals {
                sent: 800,
                suppressed: 100,
                lost: 0,
            },
        )])),
        instances_left_out: 0,
        instances: Vec::new(),
    })))?;
    insta::assert_snapshot!("events", String::from_utf8(out)?);
    Ok(())
}

#[test]
fn json_lines() -> TestResult {
    let mut out = Vec::new();
    let mut json = Json::new(&mut out);
    for record in records() {
        json.write(&record)?;
    }
    let text = String::from_utf8(out)?;
    insta::assert_snapshot!("json", text);
    for (line, record) in text.lines().zip(records()) {
        assert_eq!(serde_json::from_str::<Record>(line)?, record);
    }
    Ok(())
}

/// An empty table is reported once, at the end.
#[test]
fn nothing_counted() -> TestResult {
    let none = vec![table("new", "src", 0, 0, &[])];
    let records = [top(1.0, false, none.clone()), top(2.0, true, none)].map(Record::Top);
    assert_eq!(
        as_text(SMALL, &records)?,
        "\nself, top of 2.0 s\nnothing was counted\n"
    );
    Ok(())
}
