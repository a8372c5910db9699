//! `--from` what is no stream, of a newer format, wrong in parts, without end, or silent.

use std::{
    fs,
    io::Write as _,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    from::{Stream, records},
    http_server::{Answer, HttpServer},
    program::{self, run},
    spawned,
};

/// Kibibytes of memory that hostile input may take.
const MEMORY: &str = "1000000";

#[test]
fn a_newer_format_is_refused_with_what_to_do() -> Result<()> {
    let dir = TempDir::new()?;
    let file = dir.path().join("newer.jsonl");
    fs::write(
        &file,
        "{\"type\":\"hello\",\"schema\":2,\"version\":\"9.9.9\",\"all\":\"new\"}\n",
    )?;
    let file = file.to_str().context("UTF-8")?;
    let output = run(&["stream", "--from", file])?
        .code(1)
        .get_output()
        .clone();
    let stderr = String::from_utf8(output.stderr)?;
    ensure!(
        stderr.contains("version 2 of the format, by ctpulse 9.9.9"),
        "{stderr}"
    );
    ensure!(stderr.contains("use the newer ctpulse here"), "{stderr}");
    Ok(())
}

#[test]
fn what_is_not_known_is_ignored_and_what_is_wrong_is_counted() -> Result<()> {
    let stream = Stream::new()?;
    let sample = stream.sample(7, Duration::ZERO);
    let more = sample.replacen('{', "{\"added\":[1,{\"deep\":true}],", 1);
    let far = sample.replacen("\"interval_s\":", "\"interval_s\":1e300,\"x\":", 1);
    let other = sample.replace("\"instance\":\"self\"", "\"instance\":\"never named\"");
    let dir = TempDir::new()?;
    let file = dir.path().join("mixed.jsonl");
    let mut out = fs::File::create(&file)?;
    for line in [
        &stream.hello,
        "{\"type\":\"future\",\"x\":1}",
        "no JSON \u{1b}]0;pwn\u{7}",
        &more,
        &far,
        &other,
        "{\"type\":\"sample\"}",
        &sample,
    ] {
        writeln!(out, "{line}")?;
    }
    let file = file.to_str().context("UTF-8")?;
    let output = run(&["stream", "--format", "json", "--from", &format!("x={file}")])?
        .success()
        .get_output()
        .clone();
    let read = records(&String::from_utf8(output.stdout)?)?;
    let samples = read.iter().filter(|record| record["type"] == "sample");
    ensure!(samples.count() == 2, "{read:?}");
    let stderr = String::from_utf8(output.stderr)?;
    for says in [
        "x: not a record: ",
        "x: 3 lines were no records",
        "x: 1 records were of types that this version does not know",
        "x: records of instances that no hello names are left out",
    ] {
        ensure!(stderr.contains(says), "{says}: {stderr}");
    }
    ensure!(!stderr.contains(['\u{1b}', '\u{7}']), "{stderr:?}");
    Ok(())
}

#[test]
fn endless_input_takes_bounded_memory() -> Result<()> {
    let stream = Stream::new()?;
    let hello = stream.hello.clone();
    let sample = stream.sample(7, Duration::ZERO);
    // A line of 3 GB, deep nesting, and a line that is long enough for many numbers.
    let deep = "[".repeat(500_000);
    let numbers = format!(
        "{{\"type\":\"top\",\"tables\":[{}0]}}",
        "0,".repeat(900_000)
    );
    let server = HttpServer::start(move |_, _| {
        Answer::endless(&[&hello, &deep, &numbers, &sample], 3 << 30)
    })?;
    let source = format!("x=http://127.0.0.1:{}/stream", server.port());
    let output = assert_cmd::Command::new("sh")
        .args(["-c", "ulimit -v $1 && shift && exec \"$@\"", "sh", MEMORY])
        .arg(program::path()?)
        .args([
            "stream",
            "--format",
            "json",
            "--duration",
            "4s",
            "--from",
            &source,
        ])
        .timeout(program::PATIENCE)
        .output()?;
    let stderr = String::from_utf8(output.stderr)?;
    ensure!(output.status.success(), "{} {stderr}", output.status);
    let read = records(&String::from_utf8(output.stdout)?)?;
    ensure!(
        read.iter()
            .any(|record| record["type"] == "sample" && record["entries"] == 7),
        "{stderr}"
    );
    ensure!(stderr.contains("x: not a record"), "{stderr}");
    Ok(())
}

#[test]
fn what_is_no_stream_is_said_to_be_none() -> Result<()> {
    for (args, says) in [
        (&["--from", "/etc/passwd"][..], "there is no hello in it"),
        (
            &["--from", "/nonexistent/x.jsonl"],
            "/nonexistent/x.jsonl: No such file",
        ),
        (&["--from", "-", "-"], "standard input can be read once"),
        (
            &["--from", "a=-", "a=/etc/passwd"],
            "two sources are called a",
        ),
    ] {
        let output = run(&[&["stream"], args].concat())?
            .code(1)
            .get_output()
            .clone();
        let stderr = String::from_utf8(output.stderr)?;
        ensure!(stderr.contains(says), "{stderr}");
    }
    for (args, says) in [
        (
            &["--from", "-", "--interval", "1s"][..],
            "--interval says what to measure, which - does by itself",
        ),
        (
            &["--from", "http://x:1/stream", "--netns", "all"],
            "only sources by ssh accept it",
        ),
        (&["--from", "ftp://x/y"], "no such scheme"),
        (&["--from", "ssh://-oProxyCommand=x"], "expected ssh://"),
        (
            &["--from", "http://user:pass@x/stream"],
            "does not belong into an address",
        ),
        (&["--copy"], "--from"),
    ] {
        let output = run(&[&["stream"], args].concat())?
            .code(2)
            .get_output()
            .clone();
        let stderr = String::from_utf8(output.stderr)?;
        ensure!(stderr.contains(says), "{stderr}");
    }
    Ok(())
}

#[test]
fn nothing_keeps_it_from_ending() -> Result<()> {
    // A server that accepts, and never answers.
    let server = HttpServer::start(|_, _| Answer::silence())?;
    let source = format!("http://127.0.0.1:{}/stream", server.port());
    for signal in [Signal::INT, Signal::TERM] {
        let mut command = spawned::ctpulse(&["stream", "--from", &source])?;
        let running = spawned::start(command.stdout(Stdio::null()))?;
        std::thread::sleep(Duration::from_millis(500));
        let started = Instant::now();
        running.signal(signal)?;
        let end = running.end()?;
        ensure!(end.status.success(), "{} {}", end.status, end.stderr);
        ensure!(
            started.elapsed() < Duration::from_secs(3),
            "{:?}",
            started.elapsed()
        );
    }
    Ok(())
}
