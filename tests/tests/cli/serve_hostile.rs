//! `ctpulse serve` and clients that mean no good, or do not know better: scrapes go on, and memory does not grow.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Resource, Rlimit};

use crate::{
    serve::stream,
    serving::{Serving, allow_many_clients},
    tree::Tree,
};

/// The deadline of a scrape: Prometheus gives up after 10 s.
const SCRAPE: Duration = Duration::from_secs(10);

/// Resident memory that the program may have with all these clients: the manual promises 64 MiB beside what it takes without any.
const MOST_MEMORY: f64 = (64 << 20) as f64;

fn start(tree: &Tree) -> Result<Serving> {
    Serving::start(&tree.root().display().to_string(), &[])
}

/// A scrape within its deadline.
fn scrape(serving: &Serving) -> Result<()> {
    let start = Instant::now();
    ensure!(serving.metrics()?.contains("ctpulse_entries{"));
    ensure!(start.elapsed() < SCRAPE, "{:?}", start.elapsed());
    Ok(())
}

fn memory(serving: &Serving) -> Result<f64> {
    serving
        .metric("process_resident_memory_bytes")?
        .context("its memory is not known")
}

#[test]
fn malformed_requests_are_refused_and_scrapes_go_on() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let serving = start(&tree)?;
    let long = "x".repeat(100_000);
    let many: String = (0..1000).map(|i| format!("h{i}: x\r\n")).collect();
    for request in [
        "\r\n\r\n\r\n".to_owned(),
        "nonsense\r\n\r\n".to_owned(),
        "GET /metrics HTTP/9.9\r\n\r\n".to_owned(),
        "GET /metrics\0 HTTP/1.1\r\n\r\n".to_owned(),
        "GET /metrics HTTP/1.1\r\nContent-Length: -1\r\n\r\n".to_owned(),
        "GET /metrics HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_owned(),
        "GET /metrics HTTP/1.1\r\nTransfer-Encoding: x\r\n\r\n".to_owned(),
        format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: {long}\r\n\r\n"),
        format!("GET /metrics HTTP/1.1\r\nHost: x\r\n{many}\r\n"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}".to_owned(),
    ] {
        let mut stream = serving.connect()?;
        // The server may close before everything is sent.
        let _ = stream.write_all(request.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
        ensure!(refused, "{:?}: {answer}", &request[..request.len().min(60)]);
        scrape(&serving)?;
    }
    serving.stop()?;
    Ok(())
}

#[test]
fn a_thousand_slow_clients_hold_up_nothing() -> Result<()> {
    allow_many_clients()?;
    let tree = Tree::of("6.1/t0")?;
    let serving = start(&tree)?;
    let before = memory(&serving)?;
    // A scraper that keeps its connection, as Prometheus does.
    let mut clients: Vec<TcpStream> = Vec::new();
    for i in 0..1000 {
        let mut client = serving.connect()?;
        // One in three says nothing, one starts a request, one does not read the answer.
        let sent: &[u8] = match i % 3 {
            0 => b"",
            1 => b"GET /metrics HTTP/1.1\r\nHost: ",
            _ => b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
        };
        // It may have made room for another already.
        let _ = client.write_all(sent);
        clients.push(client);
        if i % 100 == 99 {
            scrape(&serving)?;
        }
    }
    scrape(&serving)?;
    let open = serving.metric("ctpulse_http_connections")?;
    ensure!(open.is_some_and(|open| open <= 512.0), "{open:?}");
    // What the system has accepted for it, it has not yet seen.
    serving.wait_until("end of the oldest", |serving| {
        let evicted = serving.metric("ctpulse_http_connections_evicted_total")?;
        Ok(evicted.is_some_and(|evicted| evicted >= 400.0))
    })?;
    let grown = memory(&serving)? - before;
    ensure!(grown < MOST_MEMORY, "{grown} bytes more");
    serving.stop()?;
    Ok(())
}

#[test]
fn a_request_that_never_ends_is_given_up() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let serving = start(&tree)?;
    let mut client = serving.connect()?;
    let start = Instant::now();
    client.write_all(b"GET /metrics HTTP/1.1\r\n")?;
    client.set_read_timeout(Some(Duration::from_millis(200)))?;
    let closed = loop {
        // A header now and then does not extend the time.
        let sent = client.write_all(b"X: y\r\n").is_ok();
        let mut answer = [0; 512];
        match client.read(&mut answer) {
            Ok(_) => break true,
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) => {}
            Err(_) => break true,
        }
        if !sent || start.elapsed() > Duration::from_secs(60) {
            break !sent;
        }
    };
    ensure!(
        closed && start.elapsed() > Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    scrape(&serving)?;
    serving.stop()?;
    Ok(())
}

#[test]
fn a_slow_reader_of_the_stream_is_dropped_with_its_loss() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let root = tree.root().display().to_string();
    let serving = Serving::listening(&["--proc-root", &root, "--interval", "10ms"])?;
    serving.wait_until("sample", |serving| {
        Ok(serving.get("/readyz", "")?.status == 200)
    })?;
    let before = memory(&serving)?;
    let stuck = stream(&serving, "/stream")?;
    let mut others = (0..31)
        .map(|_| stream(&serving, "/stream"))
        .collect::<Result<Vec<_>>>()?;
    // There is no room for another.
    ensure!(serving.get("/events", "")?.status == 503);
    let answer = serving.get("/stream", "")?;
    ensure!(
        answer.status == 503 && !answer.header("retry-after").is_empty(),
        "{}",
        answer.text()
    );
    // The others read on.
    let readers: Vec<_> = others
        .drain(..)
        .map(|mut reader| {
            thread::spawn(move || {
                let mut bytes = [0; 1 << 16];
                while let Ok(1..) = reader.read(&mut bytes) {}
            })
        })
        .collect();
    serving.wait_until("dropped reader", |serving| {
        Ok(serving
            .metric("ctpulse_stream_dropped_total")?
            .is_some_and(|n| n >= 1.0))
    })?;
    scrape(&serving)?;
    let text = serving.metrics()?;
    let lost = crate::serving::value(&text, "ctpulse_stream_lost_bytes_total")?;
    ensure!(lost.is_some_and(|bytes| bytes > 0.0), "{lost:?}");
    let left = crate::serving::value(&text, "ctpulse_stream_clients")?;
    ensure!(left == Some(31.0), "{left:?}");
    let grown = memory(&serving)? - before;
    ensure!(grown < MOST_MEMORY, "{grown} bytes more");
    let stderr = serving.program.stderr();
    ensure!(
        stderr.contains("was too slow and was dropped; it lacks"),
        "{stderr}"
    );
    serving.stop()?;
    drop(stuck);
    for reader in readers {
        ensure!(reader.join().is_ok());
    }
    Ok(())
}

#[test]
fn with_little_memory_and_few_descriptors_scrapes_go_on() -> Result<()> {
    allow_many_clients()?;
    let tree = Tree::of("6.1/t0")?;
    let serving = start(&tree)?;
    let pid = Pid::from_raw(serving.program.pid().cast_signed()).context("its id")?;
    // From here on it can neither take 256 MiB of addresses more nor open more than 100 files.
    let status = std::fs::read_to_string(format!("/proc/{}/status", serving.program.pid()))?;
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let size = size.context("VmSize")?.trim().trim_end_matches(" kB");
    let size = (size.parse::<u64>()? << 10) + (256 << 20);
    for (resource, limit) in [(Resource::As, size), (Resource::Nofile, 100)] {
        let limit = Rlimit {
            current: Some(limit),
            maximum: Some(limit),
        };
        rustix::process::prlimit(Some(pid), resource, limit)?;
    }
    let mut clients = Vec::new();
    for i in 0..1000 {
        let mut client = serving.connect()?;
        let sent: &[u8] = match i % 4 {
            0 => b"",
            1 => b"GET /metrics HTTP/1.1\r\nHost: ",
            2 => b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n",
            _ => b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n",
        };
        // It may have made room for another already.
        let _ = client.write_all(sent);
        clients.push(client);
        if i % 200 == 199 {
            scrape(&serving)?;
        }
    }
    let readers = serving.metric("ctpulse_stream_clients")?;
    ensure!(
        readers.is_some_and(|readers| readers <= 32.0),
        "{readers:?}"
    );
    drop(clients);
    serving.wait_until("end of the readers", |serving| {
        Ok(serving.metric("ctpulse_stream_clients")? == Some(0.0))
    })?;
    serving.stop()?;
    Ok(())
}
