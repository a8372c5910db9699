//! `ctpulse serve`, running, and requests to it.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::program::{Ended, PATIENCE, Running};

/// Time between two looks at what is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A server, and where it listens.
pub(crate) struct Serving {
    pub(crate) program: Running,
    pub(crate) address: SocketAddr,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in small letters, and values.
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Lets this process, and what it starts, open files enough for a thousand clients in each of several tests that run
/// at once: many systems' limit is 1,024, and what one test takes all others miss.
pub(crate) fn allow_many_clients() -> Result<()> {
    const FILES: u64 = 8192;
    let limit = getrlimit(Resource::Nofile);
    // No limit is `None`.
    if limit.current.is_some_and(|current| current < FILES) {
        let raised = Rlimit {
            current: Some(FILES),
            maximum: limit.maximum.map(|maximum| maximum.max(FILES)),
        };
        setrlimit(Resource::Nofile, raised)
            .context("for its thousand clients this test needs `ulimit -n 8192`")?;
    }
    Ok(())
}

impl Serving {
    /// Starts it on a port of the system's choice, with the counters below `root` read every 20 ms, and waits until there is a
    /// sample.
    pub(crate) fn start(root: &str, more: &[&str]) -> Result<Self> {
        let interval = ["--interval", "20ms"];
        let serving = Self::listening(&[&["--proc-root", root], &interval[..], more].concat())?;
        serving.wait_until("sample", |serving| {
            Ok(serving.get("/readyz", "")?.status == 200)
        })?;
        Ok(serving)
    }

    /// Starts it with these arguments, and waits until it listens.
    pub(crate) fn listening(args: &[&str]) -> Result<Self> {
        let program = Running::start(&[&["serve", "--listen", "127.0.0.1:0"], args].concat())?;
        let deadline = Instant::now() + PATIENCE;
        let address = loop {
            let stderr = program.stderr();
            let rest = stderr.split_once("serving http");
            let rest = rest.and_then(|(_, rest)| rest.split_once("://"));
            if let Some((address, _)) = rest.and_then(|(_, rest)| rest.split_once('/')) {
                break address.parse()?;
            }
            ensure!(Instant::now() < deadline, "it does not listen: {stderr}");
            thread::sleep(LOOK_AGAIN);
        };
        Ok(Self { program, address })
    }

    /// Waits until something is so.
    pub(crate) fn wait_until(
        &self,
        what: &str,
        mut is: impl FnMut(&Self) -> Result<bool>,
    ) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !is(self)? {
            if Instant::now() > deadline {
                bail!("no {what}; stderr: {}", self.program.stderr());
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// A connection whose reads do not wait for ever.
    pub(crate) fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// The answer to a request for a page, with this value of `Accept`.
    pub(crate) fn get(&self, path: &str, accept: &str) -> Result<Answer> {
        let accept = match accept {
            "" => String::new(),
            accept => format!("Accept: {accept}\r\n"),
        };
        self.ask(&format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\n{accept}Connection: close\r\n\r\n"
        ))
    }

    /// The answer to these bytes, after which the server closes the connection.
    pub(crate) fn ask(&self, request: &str) -> Result<Answer> {
        let mut stream = self.connect()?;
        stream.write_all(request.as_bytes())?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        Answer::parse(&bytes)
    }

    /// The metrics as classic text.
    pub(crate) fn metrics(&self) -> Result<String> {
        let answer = self.get("/metrics", "")?;
        ensure!(answer.status == 200, "{}", answer.text());
        Ok(answer.text())
    }

    /// The value of a metric, by its name and labels as they are written.
    pub(crate) fn metric(&self, name: &str) -> Result<Option<f64>> {
        value(&self.metrics()?, name)
    }

    pub(crate) fn stop(self) -> Result<Ended> {
        self.program.stop()
    }
}

/// The value of a metric in a text.
pub(crate) fn value(text: &str, name: &str) -> Result<Option<f64>> {
    let mut lines = text.lines();
    let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found
        .map(|value| value.parse().with_context(|| format!("{name} is {value}")))
        .transpose()
}

impl Answer {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.with_context(|| format!("no answer: {}", String::from_utf8_lossy(bytes)))?;
        let head = std::str::from_utf8(&bytes[..end])?;
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let headers = lines.filter_map(|line| line.split_once(": "));
        Ok(Self {
            status: status.context("no status")?.parse()?,
            headers: headers
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect(),
            body: bytes[end + 4..].to_vec(),
        })
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let mut headers = self.headers.iter();
        headers
            .find(|(other, _)| other == name)
            .map_or("", |(_, value)| value)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
