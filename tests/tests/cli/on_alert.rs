//! `--on-alert`: a command for each change of an alert.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{
    alert_config::{AT_ONCE, File, start, wait_for_change},
    program::{PATIENCE, Running, count_lines},
    serving::Serving,
    tree::Tree,
};

const INSERT_FAILED: &str = "conntrack_insert_failed";

/// A table with room, in which nothing happens.
fn quiet() -> Result<Tree> {
    let tree = Tree::of("6.1/t0")?;
    tree.set_entries(1_000)?;
    Ok(tree)
}

#[test]
fn it_runs_once_for_each_change() -> Result<()> {
    let tree = quiet()?;
    let config = File::new(AT_ONCE)?;
    let seen = tempfile::tempdir()?;
    let seen = seen.path();
    let command = format!(
        "cat >> {0}/json && echo \"$CTPULSE_ALERT_NAME $CTPULSE_ALERT_STATUS $CTPULSE_ALERT_PREVIOUS \
         $CTPULSE_ALERT_VALUE $CTPULSE_ALERT_UNIT $CTPULSE_ALERT_INSTANCE $CTPULSE_ALERT_TIME\" >> {0}/env",
        seen.display()
    );
    // One at a time, so that they come in order.
    fs::write(config.path(), format!("{AT_ONCE}[on_alert]\nat_once = 1\n"))?;
    let mut program = start(&tree, &config, &["--on-alert", &command])?;
    for _ in 0..3 {
        tree.count("insert_failed", 1_000)?;
        wait_for_change(&mut program, INSERT_FAILED, "CRITICAL")?;
        wait_for_change(&mut program, INSERT_FAILED, "CLEAR")?;
    }
    let ended = program.stop()?;
    let alerts: Vec<Value> = ended.of("alert")?.into();
    assert_eq!(alerts.len(), 6, "{alerts:?}");
    let json = fs::read_to_string(seen.join("json"))?;
    let json: Vec<Value> = json
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    assert_eq!(json, alerts, "the same objects, each once");
    let text = |value: &Value| value.as_str().map(str::to_owned).unwrap_or_default();
    let expected: String = alerts
        .iter()
        .map(|alert| {
            let words = ["name", "status", "previous"].map(|key| text(&alert[key]));
            let rest = ["unit", "instance", "time"].map(|key| text(&alert[key]));
            let value = alert["value"].as_f64().unwrap_or(f64::NAN);
            format!("{} {value} {}\n", words.join(" "), rest.join(" "))
        })
        .collect();
    assert_eq!(fs::read_to_string(seen.join("env"))?, expected);
    assert_eq!(ended.stderr, "");
    Ok(())
}

#[test]
fn what_it_prints_is_no_data_and_its_failure_is_reported_once() -> Result<()> {
    let tree = quiet()?;
    let config = File::new(AT_ONCE)?;
    let command = "echo printed by the command; exit 3";
    let mut program = start(&tree, &config, &["--on-alert", command])?;
    tree.count("insert_failed", 1_000)?;
    wait_for_change(&mut program, INSERT_FAILED, "CRITICAL")?;
    program.wait_for_stderr("its status", |text| text.contains("exit status: 3"))?;
    let ended = program.stop()?;
    ended.records()?;
    assert!(
        ended.stderr.contains("printed by the command"),
        "{}",
        ended.stderr
    );
    let failure = format!(
        "ctpulse: --on-alert: {INSERT_FAILED} CRITICAL in self: the command ended with exit status: 3"
    );
    assert_eq!(count_lines(&ended.stderr, &failure), 1, "{}", ended.stderr);
    Ok(())
}

/// The most bytes of what a command prints that are passed on, on each of its two ways out, and room for ctpulse's own words.
const PASSED_ON: usize = 8 * 1024;

#[test]
fn what_it_prints_without_end_is_cut_and_cannot_steer_a_terminal() -> Result<()> {
    let tree = quiet()?;
    let config = File::new(AT_ONCE)?;
    // Far more than a pipe holds: it only ends if all of it is read.
    let command = "printf '\\033]0;owned\\007\\n'; yes wide | head -c 5000000; yes high | head -c 5000000 >&2; exit 4";
    let mut program = start(&tree, &config, &["--on-alert", command])?;
    tree.count("insert_failed", 1_000)?;
    wait_for_change(&mut program, INSERT_FAILED, "CRITICAL")?;
    program.wait_for_stderr("its end", |text| text.contains("exit status: 4"))?;
    let ended = program.stop()?;
    ended.records()?;
    let stderr = &ended.stderr;
    for printed in ["owned", "wide", "high"] {
        assert!(stderr.contains(printed), "{printed}");
    }
    assert!(!stderr.contains(['\u{1b}', '\u{7}']));
    let more = "the command printed more, which is left out";
    assert_eq!(stderr.matches(more).count(), 2);
    for word in ["wide", "high"] {
        let passed_on = stderr.matches(word).count() * (word.len() + 1);
        let most = PASSED_ON + word.len();
        assert!((1_000..=most).contains(&passed_on), "{passed_on} of {word}");
    }
    Ok(())
}

/// A process that a command left its number of is gone, or waits to be reaped.
fn gone(pid_file: &std::path::Path) -> Result<bool> {
    let pid: u32 = fs::read_to_string(pid_file)?.trim().parse()?;
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => Ok(stat.contains(") Z ")),
        Err(_) => Ok(true),
    }
}

#[test]
fn one_that_hangs_is_killed_with_all_it_started() -> Result<()> {
    let tree = quiet()?;
    let config = File::new(&format!("{AT_ONCE}[on_alert]\ntimeout = \"500ms\"\n"))?;
    let seen = tempfile::tempdir()?;
    let (pid, escaped) = (seen.path().join("pid"), seen.path().join("escaped"));
    // It does not go when asked to, either, and one of its children leaves it altogether.
    let command = format!(
        "trap '' TERM; (setsid sh -c 'echo $$ > {}; sleep 1000' &); sleep 1000 & echo $! > {}; while :; do wait; done",
        escaped.display(),
        pid.display()
    );
    let mut program = start(&tree, &config, &["--on-alert", &command])?;
    tree.count("insert_failed", 1_000)?;
    wait_for_change(&mut program, INSERT_FAILED, "CRITICAL")?;
    program.wait_for_stderr("the kill", |text| {
        text.contains("CRITICAL in self: the command did not end within 500ms and was killed")
    })?;
    // Killed, and soon gone; samples continue meanwhile.
    program.wait_for_sample("the end of what it started", |_| {
        gone(&pid).unwrap_or(false) && gone(&escaped).unwrap_or(false)
    })?;
    program.stop()?;
    Ok(())
}

#[test]
fn what_there_is_no_room_for_is_left_out_and_counted() -> Result<()> {
    let tree = quiet()?;
    let config = File::new(&format!(
        "{AT_ONCE}[on_alert]\nat_once = 1\nqueue = 1\ntimeout = \"1h\"\n"
    ))?;
    let seen = tempfile::tempdir()?;
    let go = seen.path().join("go");
    let ran = seen.path().join("ran");
    let command = format!(
        "echo ran >> {}; while [ ! -e {} ]; do sleep 0.05; done",
        ran.display(),
        go.display()
    );
    let mut program = start(&tree, &config, &["--on-alert", &command])?;
    for _ in 0..3 {
        tree.count("insert_failed", 1_000)?;
        wait_for_change(&mut program, INSERT_FAILED, "CRITICAL")?;
        wait_for_change(&mut program, INSERT_FAILED, "CLEAR")?;
    }
    program.wait_for_stderr("what is left out", |text| {
        text.contains("1 are running and 1 waiting; notifications are being left out, first ")
    })?;
    fs::write(&go, "")?;
    let ended = program.stop()?;
    let alerts = ended.of("alert")?.len();
    let ran = count_lines(&fs::read_to_string(&ran)?, "ran");
    assert!(ran >= 2 && ran < alerts, "{ran} of {alerts} ran");
    let counted = format!("{} notifications were left out", alerts - ran);
    assert!(
        ended.stderr.contains(&counted),
        "{counted}: {}",
        ended.stderr
    );
    Ok(())
}

#[test]
fn what_still_runs_at_the_end_is_killed_and_reported() -> Result<()> {
    let tree = quiet()?;
    let config = File::new(&format!("{AT_ONCE}[on_alert]\nat_once = 1\n"))?;
    let seen = tempfile::tempdir()?;
    let pid = seen.path().join("pid");
    let command = format!("echo $$ > {}; exec sleep 1000", pid.display());
    let mut program = start(&tree, &config, &["--on-alert", &command])?;
    tree.count("insert_failed", 1_000)?;
    wait_for_change(&mut program, INSERT_FAILED, "CRITICAL")?;
    wait_for_change(&mut program, INSERT_FAILED, "CLEAR")?;
    let ended = program.stop().context("it ends all the same")?;
    assert!(
        ended.stderr.contains(
            "1 commands did not end within 5s of the end and were killed; 1 were not run"
        ),
        "{}",
        ended.stderr
    );
    assert!(gone(&pid)?, "it still runs");
    let last = ended.records()?.pop().context("no record")?;
    assert_eq!(last["type"], "summary");
    Ok(())
}

#[test]
fn alerts_of_another_host_run_it_here() -> Result<()> {
    let tree = quiet()?;
    let root = tree.root().display().to_string();
    let there = Serving::start(&root, &[])?;
    let seen = tempfile::tempdir()?;
    let seen = seen.path().join("seen");
    let command = format!(
        "cat >> {0} && echo \"$CTPULSE_ALERT_INSTANCE $CTPULSE_ALERT_STATUS\" >> {0}",
        seen.display()
    );
    let source = format!("gateway=http://{}", there.address);
    let args = ["--from", &source, "--on-alert", &command];
    let mut here = Running::start(&[&["stream", "--format", "json"][..], &args].concat())?;
    here.wait_for_sample("sample of that host", |sample| sample["entries"] == 1_000)?;
    tree.set_entries(250_000)?;
    let alert = here.wait_for("alert of that host", |record| {
        record["type"] == "alert" && record["status"] == "CRITICAL"
    })?;
    assert_eq!(alert["instance"], "gateway/self");
    let deadline = Instant::now() + PATIENCE;
    while count_lines(
        &fs::read_to_string(&seen).unwrap_or_default(),
        "gateway/self CRITICAL",
    ) == 0
    {
        assert!(Instant::now() < deadline, "stderr: {}", here.stderr());
        thread::sleep(Duration::from_millis(10));
    }
    here.stop()?;
    let seen = fs::read_to_string(&seen)?;
    let given = seen.lines().find(|line| line.contains("\"CRITICAL\""));
    let given: Value = serde_json::from_str(given.context(seen.clone())?)?;
    assert_eq!(given, alert);
    // Each host judges for itself; nothing else ran.
    assert_eq!(count_lines(&seen, "gateway/self CRITICAL"), 1, "{seen}");
    there.stop()?;
    Ok(())
}
