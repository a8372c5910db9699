//! A server that answers as a test wants it to, and never as one should.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result};

/// A server on a port of 127.0.0.1. Its threads end with the test's process.
pub(crate) struct HttpServer {
    port: u16,
    connections: Arc<AtomicUsize>,
}

/// What it answers.
pub(crate) struct Answer {
    bytes: Vec<u8>,
    /// Bytes of a line that goes on after that.
    endless: usize,
    /// Whether the connection stays open.
    stays: bool,
}

/// The start of an answer with lines.
const START: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n";

impl Answer {
    /// Lines, each a chunk, and then nothing more.
    pub(crate) fn open(lines: &[&str]) -> Self {
        let chunks = lines
            .iter()
            .map(|line| format!("{:x}\r\n{line}\n\r\n", line.len() + 1));
        Self {
            bytes: (START.to_owned() + &chunks.collect::<String>()).into_bytes(),
            endless: 0,
            stays: true,
        }
    }

    /// The same, and the connection is cut.
    pub(crate) fn cut(lines: &[&str]) -> Self {
        Self {
            stays: false,
            ..Self::open(lines)
        }
    }

    /// Lines, and then one that goes on for so long.
    pub(crate) fn endless(lines: &[&str], bytes: usize) -> Self {
        Self {
            endless: bytes,
            ..Self::open(lines)
        }
    }

    /// No answer; the connection is closed.
    pub(crate) fn nothing() -> Self {
        Self {
            bytes: Vec::new(),
            endless: 0,
            stays: false,
        }
    }

    /// No answer; the connection stays.
    pub(crate) fn silence() -> Self {
        Self {
            stays: true,
            ..Self::nothing()
        }
    }

    /// Another status.
    pub(crate) fn status(status: &str) -> Self {
        Self {
            bytes: format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").into_bytes(),
            ..Self::nothing()
        }
    }

    fn send(self, mut stream: TcpStream) {
        // Whoever asked may be gone.
        if stream.write_all(&self.bytes).is_err() {
            return;
        }
        let chunk = [&b"10000\r\n"[..], &[b'x'; 0x10000], b"\r\n"].concat();
        for _ in 0..self.endless / 0x10000 {
            if stream.write_all(&chunk).is_err() {
                return;
            }
        }
        while self.stays && stream.read(&mut [0; 64]).is_ok_and(|read| read > 0) {}
    }
}

impl HttpServer {
    /// Starts one. `answer` gets the request and the number of the connection, from 0.
    pub(crate) fn start(
        answer: impl Fn(&str, usize) -> Answer + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
        let port = listener.local_addr()?.port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(std::result::Result::ok) {
                let number = counted.fetch_add(1, Ordering::Relaxed);
                let answer = Arc::clone(&answer);
                thread::spawn(move || {
                    if let Some(request) = request(&stream) {
                        answer(&request, number).send(stream);
                    }
                });
            }
        });
        Ok(Self { port, connections })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The next connection is the first again.
    pub(crate) fn forget(&self) {
        self.connections.store(0, Ordering::Relaxed);
    }
}

/// The head of a request.
fn request(mut stream: &TcpStream) -> Option<String> {
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .ok()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    stream.set_read_timeout(None).ok()?;
    String::from_utf8(head).ok()
}
