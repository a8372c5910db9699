//! `ctpulse serve --events-to`.

use std::{
    fs,
    os::unix::net::UnixDatagram,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;

use crate::{program::PATIENCE, serving::Serving, tree::Tree};

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("the path is no UTF-8")
}

/// Waits until a file has a line that is what is waited for, and returns it.
fn wait_for(path: &Path, is: impl Fn(&Value) -> bool) -> Result<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let lines = fs::read_to_string(path).unwrap_or_default();
        for line in lines.lines().filter(|_| lines.ends_with('\n')) {
            let record: Value = serde_json::from_str(line).context(line.to_owned())?;
            if is(&record) {
                return Ok(record);
            }
        }
        ensure!(
            Instant::now() < deadline,
            "not in {}: {lines}",
            path.display()
        );
        thread::sleep(Duration::from_millis(10));
    }
}

fn is_alert(record: &Value, status: &str) -> bool {
    record["type"] == "alert"
        && record["name"] == "netfilter_conntrack_full"
        && record["status"] == status
}

#[test]
fn a_file_is_rotated_by_sighup_and_the_service_goes_on() -> Result<()> {
    // 92 % of the table.
    let tree = Tree::of("6.1/t0")?;
    let root = tree.root();
    let dir = tempfile::tempdir()?;
    let (file, rotated) = (dir.path().join("events"), dir.path().join("events.1"));
    let serving = Serving::start(text(&root)?, &["--events-to", text(&file)?])?;
    wait_for(&file, |record| is_alert(record, "WARNING"))?;
    wait_for(&file, |record| record["type"] == "verdict")?;
    fs::rename(&file, &rotated)?;
    serving.program.signal(Signal::HUP)?;
    serving.wait_until("file", |_| Ok(file.exists()))?;
    tree.set_entries(250_000)?;
    wait_for(&file, |record| is_alert(record, "CRITICAL"))?;
    ensure!(
        !fs::read_to_string(&rotated)?.contains("\"CRITICAL\""),
        "two files"
    );
    let ended = serving.stop()?;
    ensure!(!ended.stderr.contains("events"), "{}", ended.stderr);
    Ok(())
}

#[test]
fn without_a_file_sighup_ends_it() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let serving = Serving::start(text(&tree.root())?, &[])?;
    serving.program.signal(Signal::HUP)?;
    serving.program.wait()?.successful()?;
    Ok(())
}

#[test]
fn the_journal_gets_an_entry_with_fields() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("socket");
    let journal = UnixDatagram::bind(&path)?;
    journal.set_read_timeout(Some(PATIENCE))?;
    let args = ["--events-to", "journald", "--journal-socket", text(&path)?];
    let serving = Serving::start(text(&tree.root())?, &args)?;
    let mut bytes = vec![0; 1 << 20];
    loop {
        let length = journal.recv(&mut bytes)?;
        let entry = String::from_utf8_lossy(&bytes[..length]).into_owned();
        if !entry.contains("CTPULSE_TYPE=alert\n") {
            continue;
        }
        for field in [
            "PRIORITY=4\n",
            "SYSLOG_IDENTIFIER=ctpulse\n",
            "CTPULSE_ALERT=netfilter_conntrack_full\n",
            "CTPULSE_STATUS=WARNING\n",
            "CTPULSE_JSON={\"type\":\"alert\",",
        ] {
            ensure!(entry.contains(field), "{field}: {entry}");
        }
        break;
    }
    serving.stop()?;
    Ok(())
}
