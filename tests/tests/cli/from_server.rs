//! `--from http://…`: servers that are lost, come back, refuse, and end.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    from::Stream,
    http_server::{Answer, HttpServer},
    program::{self, Running, run},
    tree::Tree,
};

#[test]
fn a_server_that_is_cut_off_is_lost_and_comes_back() -> Result<()> {
    let stream = Stream::new()?;
    let ahead = Duration::from_secs(100);
    let (hello, one, two) = (
        stream.hello.clone(),
        stream.sample(1_111, ahead),
        stream.sample(1_222, ahead),
    );
    let again = stream.sample(1_333, ahead);
    let server = HttpServer::start(move |request, connection| match connection {
        0 => Answer::cut(&[&hello, &one, &two]),
        1 => Answer::nothing(),
        _ => {
            assert!(request.starts_with("GET /stream HTTP/1.1\r\n"), "{request}");
            Answer::open(&[&hello, &again])
        }
    })?;
    let source = format!("gateway=http://127.0.0.1:{}/stream", server.port());
    let mut running = Running::start(&["stream", "--format", "json", "--from", &source])?;
    // The first hello may be from before it was reached.
    running.wait_for("hello with that host", |record| {
        record["type"] == "hello" && record["instances"][0]["name"] == "gateway/self"
    })?;
    let host = running.wait_for("clock", |record| record["clock_ahead_ms"].is_number())?;
    let ahead = host["clock_ahead_ms"].as_f64().context("a number")?;
    ensure!((90_000.0..=100_000.0).contains(&ahead), "{ahead}");
    running.wait_for_sample("second sample", |sample| sample["entries"] == 1_222)?;
    let lost = running.wait_for("loss", |record| {
        record["type"] == "host" && record["state"] == "lost"
    })?;
    ensure!(lost["reason"].is_string(), "{lost}");
    let absent = running.wait_for_sample("sample without values", |sample| {
        sample["entries"].is_null()
    })?;
    ensure!(absent["instance"] == "gateway/self");
    ensure!(
        absent["charts"]["netfilter.conntrack_new"]["new"].is_null(),
        "{absent}"
    );
    ensure!(
        absent["sources"]["netfilter.conntrack_sockets"]["connections"] == "unavailable",
        "{absent}"
    );
    let why = &absent["alerts_unavailable"]["netfilter_conntrack_full"];
    ensure!(
        why.as_str()
            .is_some_and(|why| why.starts_with("the host is lost")),
        "{absent}"
    );
    running.wait_for("return", |record| {
        record["type"] == "host" && record["state"] == "connected"
    })?;
    running.wait_for_sample("sample after the gap", |sample| sample["entries"] == 1_333)?;
    ensure!(
        running.stderr().contains("gateway: connected to guest"),
        "{}",
        running.stderr()
    );
    ensure!(
        running.stderr().contains("gateway: lost: "),
        "{}",
        running.stderr()
    );
    let started = Instant::now();
    running.signal(Signal::INT)?;
    let ended = running.wait()?.successful()?;
    ensure!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    ensure!(ended.of("summary")?.len() == 1);
    Ok(())
}

#[test]
fn a_silent_server_is_lost_too() -> Result<()> {
    let stream = Stream::new()?;
    let (hello, sample) = (stream.hello.clone(), stream.sample(1_111, Duration::ZERO));
    let server = HttpServer::start(move |_, _| Answer::open(&[&hello, &sample]))?;
    let source = format!("http://localhost:{}", server.port());
    let mut running = Running::start(&["stream", "--format", "json", "--from", &source])?;
    let lost = running.wait_for("loss", |record| {
        record["type"] == "host" && record["state"] == "lost"
    })?;
    ensure!(lost["name"] == "localhost", "{lost}");
    ensure!(
        lost["reason"]
            .as_str()
            .is_some_and(|why| why.starts_with("nothing has come for ")),
        "{lost}"
    );
    running.wait_for_sample("sample without values", |sample| {
        sample["entries"].is_null()
    })?;
    running.stop()?;
    Ok(())
}

#[test]
fn a_summary_ends_it() -> Result<()> {
    let stream = Stream::new()?;
    let summary = json!({"type": "summary", "duration_s": 2.5, "events": {"early_drop": {"sent": 1, "suppressed": 2, "lost": 3}}, "instances": []});
    // `type` comes first.
    let summary = summary
        .to_string()
        .replacen(",\"type\":\"summary\"", "", 1)
        .replacen('{', "{\"type\":\"summary\",", 1);
    let (hello, sample) = (stream.hello.clone(), stream.sample(7, Duration::ZERO));
    let server = HttpServer::start(move |_, _| Answer::cut(&[&hello, &sample, &summary]))?;
    let source = format!("http://127.0.0.1:{}/stream", server.port());
    let ended = Running::start(&["stream", "--format", "json", "--from", &source])?
        .wait()?
        .successful()?;
    let summary = ended.of("summary")?.pop_front().context("no summary")?;
    ensure!(
        summary["duration_s"] == 2.5 && summary["events"]["early_drop"]["lost"] == 3,
        "{summary}"
    );
    let states: Vec<Value> = ended
        .of("host")?
        .into_iter()
        .map(|host| host["state"].clone())
        .collect();
    ensure!(states.last() == Some(&"ended".into()), "{states:?}");
    Ok(())
}

/// Starts `ctpulse serve` on a tree; returns it with its port.
fn serve(tree: &Tree, port: u16) -> Result<(Running, u16)> {
    let root = tree.root();
    let root = root.to_str().context("the path is no UTF-8")?;
    let listen = format!("127.0.0.1:{port}");
    let args = [
        "serve",
        "--listen",
        &listen,
        "--interval",
        "50ms",
        "--proc-root",
        root,
    ];
    let serving = Running::start(&args)?;
    let deadline = Instant::now() + program::PATIENCE;
    loop {
        let stderr = serving.stderr();
        let address = stderr
            .lines()
            .find_map(|line| line.strip_prefix("ctpulse: serving http://"));
        if let Some((_, port)) =
            address.and_then(|address| address.trim_end_matches('/').rsplit_once(':'))
        {
            return Ok((serving, port.parse()?));
        }
        ensure!(Instant::now() < deadline, "not serving: {stderr}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_is_served_can_be_read_and_is_back_when_it_is_started_again() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let (serving, port) = serve(&tree, 0)?;
    let source = format!("web1=http://127.0.0.1:{port}");
    let mut running = Running::start(&["stream", "--format", "json", "--from", &source])?;
    // The first hello may be from before it was reached.
    let hello = running.wait_for("hello with that host", |record| {
        record["type"] == "hello" && record["instances"][0]["host"] == "web1"
    })?;
    ensure!(hello["interval_ms"] == 50.0, "{hello}");
    tree.write(crate::tree::MAX, "123456\n")?;
    running.wait_for_sample("what was changed there", |sample| sample["max"] == 123_456)?;
    serving.signal(Signal::KILL)?;
    drop(serving);
    running.wait_for("loss", |record| {
        record["type"] == "host" && record["state"] == "lost"
    })?;
    let (serving, _) = serve(&tree, port)?;
    running.wait_for("return", |record| {
        record["type"] == "host" && record["state"] == "connected"
    })?;
    running.wait_for_sample("sample after the gap", |sample| sample["entries"].is_u64())?;
    // Its summary ends it.
    serving.stop()?;
    let ended = running.wait()?.successful()?;
    let states: Vec<Value> = ended
        .of("host")?
        .into_iter()
        .map(|host| host["state"].clone())
        .collect();
    ensure!(states.last() == Some(&"ended".into()), "{states:?}");
    Ok(())
}

#[test]
fn what_a_server_refuses_is_not_tried_again() -> Result<()> {
    for (status, says) in [
        ("401 Unauthorized", "asks for another token"),
        ("404 Not Found", "ctpulse serve"),
        ("302 Found", "answered 302"),
    ] {
        let server = HttpServer::start(move |_, _| Answer::status(status))?;
        let source = format!("x=http://127.0.0.1:{}/stream", server.port());
        let output = run(&["stream", "--from", &source])?
            .code(1)
            .get_output()
            .clone();
        let stderr = String::from_utf8(output.stderr)?;
        ensure!(
            stderr.contains("x: refused: ") && stderr.contains(says),
            "{stderr}"
        );
    }
    Ok(())
}

#[test]
fn the_token_goes_to_the_server_and_nowhere_else() -> Result<()> {
    let stream = Stream::new()?;
    let (hello, sample) = (stream.hello.clone(), stream.sample(7, Duration::ZERO));
    let server = HttpServer::start(move |request, _| {
        match request.contains("authorization: Bearer s3cret\r\n") {
            true => Answer::open(&[&hello, &sample]),
            false => Answer::status("401 Unauthorized"),
        }
    })?;
    let source = format!("http://127.0.0.1:{}/stream", server.port());
    let dir = TempDir::new()?;
    let token = dir.path().join("token");
    fs::write(&token, "s3cret\n")?;
    let token = token.to_str().context("UTF-8")?;
    let args = [
        "stream",
        "-v",
        "--format",
        "json",
        "--from",
        &source,
        "--from-token-file",
        token,
    ];
    let mut running = Running::start(&args)?;
    running.wait_for_sample("sample", |_| true)?;
    let ended = running.stop()?;
    ensure!(!ended.stderr.contains("s3cret"), "{}", ended.stderr);
    fs::write(dir.path().join("token"), "two words\n")?;
    run(&args)?.code(1);
    Ok(())
}
