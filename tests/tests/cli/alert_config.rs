//! Alerts as a configuration file sets them.

use std::{
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    program::{Running, run},
    tree::Tree,
};

/// Every alert without delays. Intervals that are held up for longer than a window lower the rates in it.
pub(crate) const AT_ONCE: &str = "
[alerts.netfilter_conntrack_full]
window = \"1s\"
delay_down = \"0s\"
[alerts.conntrack_insert_failed]
window = \"1s\"
delay_down = \"0s\"
[alerts.conntrack_early_drop]
window = \"1s\"
delay_down = \"0s\"
[alerts.conntrack_time_to_full]
delay_down = \"0s\"
";

/// A file of its own for one test.
pub(crate) struct File {
    dir: TempDir,
}

impl File {
    pub(crate) fn new(text: &str) -> Result<Self> {
        let file = Self {
            dir: tempfile::tempdir().context("cannot make a temporary directory")?,
        };
        fs::write(file.path(), text)?;
        Ok(file)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("ctpulse.toml")
    }
}

/// Streams JSON of a tree, with a configuration and further arguments.
pub(crate) fn start(tree: &Tree, config: &File, more: &[&str]) -> Result<Running> {
    let (root, config) = (tree.root(), config.path());
    let path = |path: &PathBuf| path.to_str().map(str::to_owned).context("no UTF-8");
    let (root, config) = (path(&root)?, path(&config)?);
    let args = [
        &["stream", "--format", "json", "--interval", "50ms"][..],
        &["--proc-root", &root, "--config", &config],
        more,
    ]
    .concat();
    let mut program = Running::start(&args)?;
    // From the first sample on, what the tree counts is new.
    program.wait_for_sample("first sample", |_| true)?;
    Ok(program)
}

/// Waits for the record of an alert's change to a status.
pub(crate) fn wait_for_change(program: &mut Running, name: &str, status: &str) -> Result<Value> {
    program.wait_for(&format!("{name} {status}"), |record| {
        record["type"] == "alert" && record["name"] == name && record["status"] == status
    })
}

/// Waits for a sample with an alert in a certain state.
fn wait_for_alert(program: &mut Running, name: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
    program.wait_for_sample(name, |sample| is(&sample["alerts"][name]))
}

/// Raised by one burst of events, held by fewer that follow, and cleared when there are none.
fn events_raise_hold_and_recover(name: &str, column: &str) -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    tree.set_entries(1_000)?;
    let config = File::new(&AT_ONCE.replace("1s", "8s"))?;
    let mut program = start(&tree, &config, &[])?;
    wait_for_alert(&mut program, name, |alert| alert["status"] == "CLEAR")?;
    tree.count(column, 1_600)?;
    let critical = wait_for_change(&mut program, name, "CRITICAL")?;
    assert_eq!(
        (&critical["previous"], &critical["unit"], &critical["value"]),
        (&"CLEAR".into(), &"events/s".into(), &200.0.into())
    );
    // The burst leaves the window, while 90 events/s hold the alert, above 50.
    let (start, mut counted) = (Instant::now(), 0);
    loop {
        let alert = program.wait_for_sample("sample", |_| true)?["alerts"][name].clone();
        let value = alert["value"].as_f64().context("no value")?;
        if value < 100.0 {
            assert_eq!(alert["status"], "CRITICAL", "{alert}");
            break;
        }
        let due = (start.elapsed().as_secs_f64() * 90.0) as u32;
        tree.count(column, due - counted)?;
        counted = due;
    }
    // By default a warning is held above this.
    let clear = wait_for_change(&mut program, name, "CLEAR")?;
    assert!(
        clear["value"].as_f64().is_some_and(|value| value <= 0.5),
        "{clear}"
    );
    let changes: Vec<Value> = program.stop()?.of("alert")?.into();
    let statuses: Vec<_> = changes.iter().map(|alert| &alert["status"]).collect();
    assert!(
        statuses == ["CRITICAL", "CLEAR"] || statuses == ["CRITICAL", "WARNING", "CLEAR"],
        "each change is notified once: {changes:?}"
    );
    Ok(())
}

#[test]
fn failed_inserts_raise_hold_and_recover() -> Result<()> {
    events_raise_hold_and_recover("conntrack_insert_failed", "insert_failed")
}

#[test]
fn evictions_raise_hold_and_recover() -> Result<()> {
    events_raise_hold_and_recover("conntrack_early_drop", "early_drop")
}

#[test]
fn a_full_table_raises_holds_and_recovers() -> Result<()> {
    const NAME: &str = "netfilter_conntrack_full";
    let tree = Tree::of("6.1/t0")?;
    tree.write(crate::tree::MAX, "1000\n")?;
    tree.set_entries(910)?;
    let config = File::new(AT_ONCE)?;
    let mut program = start(&tree, &config, &[])?;
    wait_for_alert(&mut program, NAME, |alert| alert["notified"] == "WARNING")?;
    tree.set_entries(851)?;
    let held = wait_for_alert(&mut program, NAME, |alert| alert["value"] == 85.1)?;
    assert_eq!(held["alerts"][NAME]["status"], "WARNING", "{held}");
    tree.set_entries(850)?;
    let clear = wait_for_change(&mut program, NAME, "CLEAR")?;
    assert_eq!(clear["value"], 85.0);
    program.stop()?;
    Ok(())
}

#[test]
fn a_table_that_fills_is_forecast_and_recovers() -> Result<()> {
    const NAME: &str = "conntrack_time_to_full";
    let tree = Tree::of("6.1/t0")?;
    tree.write(crate::tree::MAX, "1000000\n")?;
    tree.set_entries(1_000)?;
    let config = File::new(AT_ONCE)?;
    let mut program = start(&tree, &config, &[])?;
    wait_for_alert(&mut program, NAME, |alert| alert["value"] == 86_400.0)?;
    // Full in about 20 s at first; how fast exactly depends on this machine.
    let (sender, stop) = std::sync::mpsc::channel::<()>();
    let entries = thread::scope(|scope| -> Result<u32> {
        let tree = &tree;
        let filler = scope.spawn(move || -> Result<u32> {
            let mut entries = 1_000;
            while stop.recv_timeout(Duration::from_millis(20)).is_err() && entries < 900_000 {
                entries += 1_000;
                tree.set_entries(entries)?;
            }
            Ok(entries)
        });
        let critical = wait_for_change(&mut program, NAME, "CRITICAL")?;
        assert_eq!(critical["unit"], "s");
        let sample = program.wait_for_sample("a forecast", |sample| {
            let full = &sample["time_to_full_s"];
            let at = |key: &str| full[key].as_f64();
            matches!((at("low"), at("estimate"), at("high")), (Some(low), Some(estimate), Some(high))
                if low <= estimate && estimate <= high && estimate < 60.0)
        })?;
        assert_eq!(sample["alerts"][NAME]["status"], "CRITICAL", "{sample}");
        drop(sender);
        filler
            .join()
            .map_err(|_| anyhow::anyhow!("the filler panicked"))?
    })?;
    // A fill that was held up may have been clear in between.
    program.wait_for_sample("no forecast of a table that no longer fills", |sample| {
        sample["entries"] == entries
            && sample["time_to_full_s"].is_null()
            && sample["alerts"][NAME]["notified"] == "CLEAR"
    })?;
    let changes = program.stop()?.of("alert")?;
    let last = changes.back().context("no alert")?;
    assert_eq!(
        (&last["status"], &last["value"]),
        (&"CLEAR".into(), &86_400.0.into())
    );
    Ok(())
}

#[test]
fn what_needs_probes_is_unavailable_without_them() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let config = File::new("[alerts.conntrack_early_drop]\nenabled = false\n")?;
    let mut program = start(&tree, &config, &[])?;
    let sample = program.wait_for_sample("sample", |_| true)?;
    for (name, why) in [
        ("conntrack_table_full", "--proc-root"),
        ("conntrack_probe_mismatch", "--proc-root"),
        ("conntrack_early_drop", "turned off"),
    ] {
        assert!(sample["alerts"][name].is_null(), "{sample}");
        let reason = sample["alerts_unavailable"][name].as_str();
        assert!(reason.is_some_and(|r| r.contains(why)), "{name}: {sample}");
    }
    program.stop()?;
    Ok(())
}

/// Refused with status 1, nothing on stdout, and this line on stderr.
#[track_caller]
fn refused(text: &str, expected: &str) -> Result<()> {
    let file = File::new(text)?;
    let path = file.path();
    let path = path.to_str().context("no UTF-8")?;
    for args in [
        &["stream", "--config", path][..],
        &["config", "--config", path],
    ] {
        let expected = format!("ctpulse: {path}:{expected}\n");
        run(args)?.code(1).stdout("").stderr(expected);
    }
    Ok(())
}

#[test]
fn mistakes_are_refused_with_their_line() -> Result<()> {
    refused(
        "[alerts.conntrack_early_drop]\n# so\nwarnign = 3\n",
        "3: unknown key warnign in [alerts.conntrack_early_drop]; did you mean warning?",
    )?;
    refused(
        "[alerts.netfilter_conntrack_full]\nwarning = 300\n",
        "2: warning in [alerts.netfilter_conntrack_full] must be a number from 0 to 100 (%), or \"off\"",
    )?;
    run(&["stream", "--config", "/nonexistent/c.toml"])?
        .code(1)
        .stdout("")
        .stderr("ctpulse: /nonexistent/c.toml: No such file or directory (os error 2)\n");
    Ok(())
}

#[test]
fn the_configuration_is_printed_as_it_is() -> Result<()> {
    let printed = |args: &[&str]| -> Result<String> {
        let output = run(args)?.success().stderr("").get_output().clone();
        Ok(String::from_utf8(output.stdout)?)
    };
    let file = File::new("[on_alert]\nqueue = 7\n")?;
    let path = file.path();
    let path = path.to_str().context("no UTF-8")?;
    let first = printed(&["config", "--config", path])?;
    assert!(first.contains("\nqueue = 7\n"), "{first}");
    assert!(
        first.contains("\n[alerts.conntrack_time_to_full]\n"),
        "{first}"
    );
    fs::write(file.path(), &first)?;
    assert_eq!(printed(&["config", "--config", path])?, first);
    Ok(())
}
