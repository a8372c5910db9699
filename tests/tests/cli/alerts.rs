//! The alert `netfilter_conntrack_full`.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{program::Running, tree::Tree};

fn start(tree: &Tree, format: &str) -> Result<Running> {
    let root = tree.root();
    let root = root.to_str().context("the path is no UTF-8")?;
    Running::start(&[
        "stream",
        "--format",
        format,
        "--interval",
        "50ms",
        "--proc-root",
        root,
    ])
}

fn alert(program: &mut Running, status: &str) -> Result<Value> {
    program.wait_for(status, |record| {
        record["type"] == "alert" && record["status"] == status
    })
}

#[track_caller]
fn assert_value(alert: &Value, percent: f64) {
    let value = alert["value"].as_f64();
    assert!(
        value.is_some_and(|value| (value - percent).abs() < 0.1),
        "{alert}"
    );
}

/// 242000 of 262144 entries: what makes Netdata warn, too.
#[test]
fn a_table_above_90_percent_warns_and_above_95_is_critical() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let mut program = start(&tree, "json")?;
    let warning = alert(&mut program, "WARNING")?;
    assert_eq!(warning["name"], "netfilter_conntrack_full");
    assert_eq!(
        (&warning["previous"], &warning["unit"]),
        (&"CLEAR".into(), &"%".into())
    );
    assert_eq!(warning["instance"], "self");
    assert_value(&warning, 92.3);
    let sample = program.wait_for_sample("sample", |_| true)?;
    let judged = &sample["alerts"]["netfilter_conntrack_full"];
    assert_eq!(
        (&judged["status"], &judged["notified"]),
        (&"WARNING".into(), &"WARNING".into())
    );
    assert_value(judged, 92.3);

    // Evaluated every 10 s.
    tree.set_entries(251_659)?;
    let critical = alert(&mut program, "CRITICAL")?;
    assert_eq!(critical["previous"], "WARNING");
    assert_value(&critical, 96.0);
    let ended = program.stop()?;
    assert_eq!(ended.of("alert")?.len(), 2, "each change is notified once");
    Ok(())
}

#[test]
fn a_table_critical_from_the_start_alerts_at_once() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    tree.set_entries(251_659)?;
    let mut program = start(&tree, "json")?;
    let critical = alert(&mut program, "CRITICAL")?;
    assert_eq!(critical["previous"], "CLEAR");
    assert_value(&critical, 96.0);
    program.stop()?;
    Ok(())
}

#[test]
fn a_table_with_room_raises_no_alert() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    // Exactly 90 %, which is not above it.
    tree.write(crate::tree::MAX, "260000\n")?;
    tree.set_entries(234_000)?;
    let mut program = start(&tree, "json")?;
    for _ in 0..5 {
        let sample = program.wait_for_sample("sample", |_| true)?;
        let judged = &sample["alerts"]["netfilter_conntrack_full"];
        assert_eq!(
            (&judged["status"], &judged["notify_at"]),
            (&"CLEAR".into(), &Value::Null)
        );
    }
    assert!(program.stop()?.of("alert")?.is_empty());
    Ok(())
}

#[test]
fn text_shows_it_too() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let mut program = start(&tree, "text")?;
    program.wait_for_text("alert", |line| {
        line.contains("WARNING netfilter_conntrack_full: 92.3 %")
    })?;
    program.stop()?;
    Ok(())
}
