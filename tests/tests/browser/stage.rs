//! Where the live page is shown: by a server of ctpulse, or by one of the test's own that sends what it is told to.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// `ctpulse serve`, until it is dropped.
pub(crate) struct Served {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Served {
    /// Of the counters below a directory.
    pub(crate) fn of(root: &str, interval: &str) -> Result<Self> {
        Self::at("127.0.0.1:0", root, interval)
    }

    pub(crate) fn at(listen: &str, root: &str, interval: &str) -> Result<Self> {
        let path = std::env::var_os("CTPULSE_BIN").context("CTPULSE_BIN")?;
        let mut child = Command::new(path)
            .args(["serve", "--listen", listen, "--proc-root", root])
            .args(["--interval", interval])
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().context("stderr is piped")?;
        let mut line = String::new();
        let mut stderr = BufReader::new(stderr);
        stderr.read_line(&mut line)?;
        let address = line.trim().trim_end_matches('/').rsplit('/').next();
        let address = address.and_then(|address| address.parse().ok());
        // Nothing waits for room in the pipe.
        thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Ok(Self {
            address: address.context(line)?,
            child,
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/live", self.address)
    }

    /// The head and the body of a page.
    pub(crate) fn get(&self, path: &str) -> Result<(String, String)> {
        let mut stream = TcpStream::connect(self.address)?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
        Ok((head.to_owned(), body.to_owned()))
    }

    /// The lines of the stream, as they come.
    pub(crate) fn stream(&self) -> Result<impl Iterator<Item = Value> + use<>> {
        let mut stream = TcpStream::connect(self.address)?;
        write!(stream, "GET /stream HTTP/1.0\r\nHost: x\r\n\r\n")?;
        let lines = BufReader::new(stream).lines().map_while(|line| line.ok());
        Ok(lines.filter_map(|line| serde_json::from_str(&line).ok()))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that has the page of ctpulse, and sends the records that it is given.
pub(crate) struct Stage {
    pub(crate) address: SocketAddr,
    script: Arc<Script>,
}

#[derive(Default)]
struct Script {
    page: String,
    policy: String,
    records: Mutex<Vec<String>>,
    /// Connections that are older are cut.
    act: AtomicU64,
    /// Whether none is served any more.
    closed: Mutex<bool>,
}

impl Script {
    fn records(&self) -> MutexGuard<'_, Vec<String>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn closed(&self) -> MutexGuard<'_, bool> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stage {
    pub(crate) fn open(records: &[Value]) -> Result<Self> {
        let served = Served::of("/nonexistent", "1s")?;
        let (head, page) = served.get("/live")?;
        let policy = head
            .lines()
            .find_map(|line| line.strip_prefix("content-security-policy: "));
        let script = Arc::new(Script {
            page,
            policy: policy.context("no policy")?.to_owned(),
            records: Mutex::new(records.iter().map(Value::to_string).collect()),
            ..Script::default()
        });
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::clone(&script);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let script = Arc::clone(&shared);
                // A client that is gone is none of the test's business.
                thread::spawn(move || drop(serve(stream, &script)));
            }
        });
        Ok(Self { address, script })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/live", self.address)
    }

    pub(crate) fn send(&self, records: &[Value]) {
        let mut all = self.script.records();
        all.extend(records.iter().map(Value::to_string));
    }

    /// Cuts all connections, and serves none until it is opened again.
    pub(crate) fn cut(&self, closed: bool) {
        *self.script.closed() = closed;
        self.script.act.fetch_add(1, Ordering::SeqCst);
    }
}

fn serve(mut stream: TcpStream, script: &Script) -> Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().context("no request")??;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).context("no path")?;
    if path == "/live" {
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Security-Policy: {}\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{}",
            script.policy,
            script.page.len(),
            script.page
        )?;
        return Ok(());
    }
    ensure!(path == "/events" && !*script.closed());
    let act = script.act.load(Ordering::SeqCst);
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\nretry: 1000\n\n")?;
    let mut sent = 0;
    while script.act.load(Ordering::SeqCst) == act {
        let records: Vec<String> = script.records()[sent..].to_vec();
        sent += records.len();
        for record in records {
            write!(stream, "data: {record}\n\n")?;
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
