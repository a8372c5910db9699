//! Tests of the forecast in text.

use crate::{
    model::{
        alert::{AlertId, AlertStatus},
        forecast::TimeToFull,
        kernel::per_counter::PerCounter,
        record::{Alert, Ordered, Record, Sample, Time},
    },
    output::{
        Sink,
        text::{TextSink, View},
    },
};
use jiff::Timestamp;

const TIME: Time = Time(Timestamp::UNIX_EPOCH);

fn sample(time_to_full_s: Option<TimeToFull>) -> Record {
    Record::Sample(Box::new(Sample {
        entries_per_s: None,
        wrong: PerCounter::default(),
        time: TIME,
        interval_s: 0.1,
        instance: "self".into(),
        entries: Some(5_000),
        max: Some(10_000),
        utilization: Some(50.0),
        time_to_full_s,
        charts: Ordered::default(),
        sources: Ordered::default(),
        counters: PerCounter::default(),
        peaks: PerCounter::default(),
        histograms: None,
        buckets: None,
        per_cpu: None,
        buckets_lost_ms: 0.0,
        buckets_unavailable: None,
        alerts: Ordered::default(),
        untracked: None,
        alerts_unavailable: Ordered::default(),
        verdict: None,
    }))
}

fn alert(status: AlertStatus, previous: AlertStatus, value: f64) -> Record {
    let spec = AlertId::TimeToFull.spec();
    Record::Alert(Alert {
        time: TIME,
        instance: "self".into(),
        name: spec.name.into(),
        status,
        value,
        unit: spec.unit.into(),
        previous,
        reason: None,
    })
}

fn text(records: &[Record]) -> std::io::Result<String> {
    let mut out = Vec::new();
    let mut sink = TextSink::new(&mut out, None, View::default());
    records.iter().try_for_each(|record| sink.write(record))?;
    String::from_utf8(out).map_err(std::io::Error::other)
}

#[test]
fn a_notification_has_the_time_and_its_range() -> std::io::Result<()> {
    let time = TimeToFull {
        estimate: 42.3,
        low: 35.0,
        high: 55.4,
    };
    let said = text(&[
        sample(Some(time)),
        alert(AlertStatus::Critical, AlertStatus::Clear, time.estimate),
        sample(None),
        alert(AlertStatus::Clear, AlertStatus::Critical, 86_400.0),
    ])?;
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].contains(" 42s     35s-55s "), "{}", lines[0]);
    assert_eq!(
        lines[1],
        "! CRITICAL conntrack_time_to_full: full in 42s (35s-55s) (was CLEAR)"
    );
    assert!(
        lines[2].contains("  50.0%     -           - "),
        "{}",
        lines[2]
    );
    assert_eq!(
        lines[3],
        "  CLEAR conntrack_time_to_full: 86400.0 s (was CRITICAL)"
    );
    Ok(())
}
