//! `ctpulse serve`: its pages, its streams, and its end. What it says in metrics: [`crate::serve_metrics`].

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::net::UnixDatagram,
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    program::{PATIENCE, run},
    serving::Serving,
    spawned,
    tree::Tree,
};

pub(crate) fn root(tree: &Tree) -> String {
    tree.root().display().to_string()
}

#[test]
fn pages_that_are_there_and_those_that_are_not() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let serving = Serving::start(&root(&tree), &[])?;
    for (path, status, text) in [
        ("/", 200, "/metrics"),
        ("/healthz", 200, "alive"),
        ("/readyz", 200, "ready"),
        ("/live", 200, "EventSource"),
        ("/metrics/", 404, "no such page"),
        ("/..%2f..%2fetc/passwd", 404, "no such page"),
        ("/%00", 404, "no such page"),
    ] {
        let answer = serving.get(path, "")?;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.text().contains(text), "{path}: {}", answer.text());
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    assert_eq!(
        serving.get("/", "")?.header("content-type"),
        "text/html; charset=utf-8"
    );
    for (request, status) in [
        (
            "HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            200,
        ),
        (
            "HEAD /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            200,
        ),
        (
            "POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            405,
        ),
        (
            "DELETE /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            405,
        ),
        (
            "GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
            413,
        ),
        (
            "GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
            413,
        ),
    ] {
        let answer = serving.ask(request)?;
        assert_eq!(answer.status, status, "{request}");
        assert_eq!(
            status == 405,
            !answer.header("allow").is_empty(),
            "{request}"
        );
        assert!(!request.starts_with("HEAD") || answer.body.is_empty());
    }
    serving.stop()?;
    Ok(())
}

#[test]
fn it_is_ready_once_there_is_a_sample() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let root = root(&tree);
    let serving = Serving::listening(&["--proc-root", &root, "--interval", "1h"])?;
    let answer = serving.get("/readyz", "")?;
    assert_eq!(answer.status, 503, "{}", answer.text());
    let answer = serving.get("/healthz", "")?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    serving.wait_until("start of the run", |serving| {
        Ok(serving
            .get("/readyz", "")?
            .text()
            .contains("no sample yet of self"))
    })?;
    assert!(!serving.metrics()?.contains("ctpulse_entries{"));
    serving.stop()?;
    Ok(())
}

/// The stream: a reader of lines behind the head of the answer.
pub(crate) fn stream(serving: &Serving, path: &str) -> Result<BufReader<TcpStream>> {
    let mut stream = serving.connect()?;
    // HTTP/1.0: the body is not in chunks, and ends with the connection.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: x\r\n\r\n")?;
    let mut lines = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        ensure!(lines.read_line(&mut head)? > 0, "no answer: {head}");
    }
    ensure!(head.starts_with("HTTP/1.0 200"), "{head}");
    ensure!(head.contains("application/x-ndjson"), "{head}");
    Ok(lines)
}

fn record(lines: &mut impl BufRead) -> Result<Value> {
    let mut line = String::new();
    lines.read_line(&mut line)?;
    serde_json::from_str(&line).context(line)
}

#[test]
fn every_reader_of_the_stream_starts_with_hello_and_ends_with_the_summary() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let serving = Serving::start(&root(&tree), &[])?;
    let mut readers = Vec::new();
    for path in ["/stream", "/stream?buckets", "/stream"] {
        let mut reader = stream(&serving, path)?;
        assert_eq!(record(&mut reader)?["type"], "hello");
        let sample = record(&mut reader)?;
        assert_eq!(
            (&sample["type"], &sample["entries"]),
            (&"sample".into(), &242_000.into())
        );
        readers.push(reader);
    }
    serving.wait_until("three readers", |serving| {
        Ok(serving.metric("ctpulse_stream_clients")? == Some(3.0))
    })?;
    drop(readers.pop());
    serving.wait_until("two readers", |serving| {
        Ok(serving.metric("ctpulse_stream_clients")? == Some(2.0))
    })?;
    let ended = serving.stop()?;
    assert!(ended.lines.is_empty());
    for mut reader in readers {
        let mut rest = String::new();
        reader.read_to_string(&mut rest)?;
        let last = rest.lines().last().context("nothing more")?;
        let last: Value = serde_json::from_str(last)?;
        assert_eq!(last["type"], "summary");
    }
    Ok(())
}

#[test]
fn the_live_page_may_do_nothing_but_read_events() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let serving = Serving::start(&root(&tree), &[])?;
    let answer = serving.get("/live", "")?;
    let policy = answer.header("content-security-policy");
    for part in [
        "default-src 'none'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "script-src 'sha256-",
        "style-src 'sha256-",
    ] {
        ensure!(policy.contains(part), "no {part} in {policy}");
    }
    ensure!(
        !policy.contains("unsafe") && !policy.contains('*'),
        "{policy}"
    );
    let page = answer.text();
    for outside in [
        "http://",
        "https://",
        "@import",
        " src=",
        " onload=",
        " onclick=",
    ] {
        let without = page.replace("http://www.w3.org/2000/svg", "");
        ensure!(!without.contains(outside), "{outside}");
    }
    serving.stop()?;
    Ok(())
}

#[test]
fn events_are_the_records_and_start_with_what_is_said_only_when_it_changes() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let serving = Serving::start(&root(&tree), &[])?;
    let answer = |stream: &mut BufReader<TcpStream>| -> Result<String> {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    };
    let mut stream = serving.connect()?;
    write!(stream, "GET /events HTTP/1.0\r\nHost: x\r\n\r\n")?;
    let mut stream = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        match answer(&mut stream)? {
            line if line.is_empty() => break,
            line => head.push(line),
        }
    }
    ensure!(
        head.contains(&"content-type: text/event-stream".to_owned()),
        "{head:?}"
    );
    ensure!(answer(&mut stream)?.starts_with("retry: ") && answer(&mut stream)?.is_empty());
    let mut kinds = Vec::new();
    while kinds.len() < 3 {
        let line = answer(&mut stream)?;
        let record = line.strip_prefix("data: ").with_context(|| line.clone())?;
        let record: Value = serde_json::from_str(record)?;
        kinds.push(record["type"].as_str().context("type")?.to_owned());
        ensure!(answer(&mut stream)?.is_empty());
    }
    // Nothing has changed since long before, and the verdict is known all the same.
    assert_eq!(kinds, ["hello", "verdict", "sample"]);
    serving.stop()?;
    Ok(())
}

#[test]
fn a_signal_ends_it_with_clients_of_every_kind() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let serving = Serving::start(&root(&tree), &[])?;
    let idle = serving.connect()?;
    let mut half = serving.connect()?;
    half.write_all(b"GET /metrics HT")?;
    let mut stuck = serving.connect()?;
    stuck.write_all(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")?;
    let reader = stream(&serving, "/stream")?;
    let start = Instant::now();
    serving.stop()?;
    // The limit of every command, with room for a busy machine.
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    drop((idle, half, stuck, reader));
    Ok(())
}

#[test]
fn an_address_that_cannot_be_had_is_an_error_that_says_what_to_do() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let serving = Serving::start(&root(&tree), &[])?;
    let taken = serving.address.to_string();
    let failed = run(&["serve", "--listen", &taken])?.code(1);
    let stderr = String::from_utf8(failed.get_output().stderr.clone())?;
    assert!(
        stderr.contains(&format!("cannot listen on {taken}")) && stderr.contains("--listen"),
        "{stderr}"
    );
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    // An address of documentation (RFC 5737), which no host has.
    let failed = run(&["serve", "--listen", "192.0.2.1:9466", "--insecure"])?.code(1);
    let stderr = String::from_utf8(failed.get_output().stderr.clone())?;
    assert!(stderr.contains("does not have that address"), "{stderr}");
    for open in ["0.0.0.0:0", "[::]:0", "192.0.2.1:9466"] {
        let refused = run(&["serve", "--listen", open])?.code(2);
        let stderr = String::from_utf8(refused.get_output().stderr.clone())?;
        assert!(stderr.contains("--insecure"), "{stderr}");
    }
    for args in [
        &["serve", "--format", "json"][..],
        &["serve", "--listen", "localhost"],
        &["serve", "--compat", "telegraf"],
    ] {
        run(args)?.code(2);
    }
    serving.stop()?;
    Ok(())
}

#[test]
fn a_service_manager_is_told_of_the_start_of_life_and_of_the_end() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let root = root(&tree);
    let args = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--proc-root",
        &root,
        "--interval",
        "20ms",
    ];
    let mut command = spawned::ctpulse(&args)?;
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "300000");
    let program = spawned::start(&mut command)?;
    let mut told = Vec::new();
    let mut wait_for = |what: &str| -> Result<()> {
        while !told.iter().any(|line: &String| line == what) {
            let mut bytes = [0; 256];
            let length = socket
                .recv(&mut bytes)
                .with_context(|| format!("no {what}: {told:?}"))?;
            let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
            told.extend(text.lines().map(str::to_owned));
        }
        told.clear();
        Ok(())
    };
    wait_for("READY=1")?;
    wait_for("WATCHDOG=1")?;
    wait_for("WATCHDOG=1")?;
    program.signal(rustix::process::Signal::TERM)?;
    wait_for("STOPPING=1")?;
    let end = program.end()?;
    ensure!(end.status.success(), "{}: {}", end.status, end.stderr);
    Ok(())
}
