//! Programs that serve HTTP on loopback, and requests to them: `ctpulse serve`, and what it is used with.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::ctpulse::{NO_FENTRY, PATIENCE, is_without_fentry};

/// Time between two looks at what is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How many of the last lines on standard error an error shows.
const LAST_LINES: usize = 20;

/// What precedes the address in what ctpulse says first.
const SERVING: &str = "serving http://";

/// A running program, and where it answers.
pub struct Server {
    name: &'static str,
    child: Child,
    address: SocketAddr,
    /// The last lines on its standard error.
    said: Arc<Mutex<VecDeque<String>>>,
}

/// An answer whose status was 200.
#[derive(Debug)]
pub struct Answer {
    /// Its format.
    pub content_type: String,
    /// All that follows its head.
    pub body: Vec<u8>,
}

impl Server {
    /// Starts `ctpulse serve` with more arguments on a port of the system's choice, and waits until there is a sample of every
    /// instance.
    pub fn ctpulse(program: &str, args: &[&str]) -> Result<Self> {
        let mut command = Command::new(program);
        command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(args);
        if is_without_fentry() {
            command.arg(NO_FENTRY);
        }
        let unknown = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut server = Self::spawn("ctpulse", &mut command, unknown)?;
        server.address = server.until("address", |server| {
            let said = server.said();
            let address = said.iter().find_map(|line| line.split_once(SERVING));
            let address = address.map(|(_, address)| address.trim_end_matches('/').parse());
            Ok(address.transpose()?)
        })?;
        server.until("sample", |server| Ok(server.get("/readyz", "").ok()))?;
        Ok(server)
    }

    /// Starts another program, which listens on a port of 127.0.0.1 that was free, and waits until it accepts connections.
    pub fn start(name: &'static str, command: impl FnOnce(u16) -> Command) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
        let address = listener.local_addr()?;
        drop(listener);
        let mut server = Self::spawn(name, &mut command(address.port()), address)?;
        server.until("port that accepts connections", |server| {
            Ok(TcpStream::connect(server.address).ok())
        })?;
        Ok(server)
    }

    fn spawn(name: &'static str, command: &mut Command, address: SocketAddr) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("run {name}"))?;
        let stderr = child.stderr.take().context("stderr is piped")?;
        let said = Arc::new(Mutex::new(VecDeque::new()));
        let lines = Arc::clone(&said);
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                if lines.len() == LAST_LINES {
                    lines.pop_front();
                }
                lines.push_back(line);
            }
        });
        Ok(Self {
            name,
            child,
            address,
            said,
        })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The last lines on its standard error.
    pub fn said(&self) -> Vec<String> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.iter().cloned().collect()
    }

    /// Waits until there is something, and returns it.
    pub fn until<T>(
        &mut self,
        what: &str,
        mut find: impl FnMut(&Self) -> Result<Option<T>>,
    ) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // One that has ended may have left its port to another, which answers in its place.
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "{} ended ({status}) before {what}: {:?}",
                    self.name,
                    self.said()
                );
            }
            match find(self) {
                Ok(Some(found)) => return Ok(found),
                found if Instant::now() > deadline => {
                    let why = found.err().map(|error| format!(" ({error:#})"));
                    bail!(
                        "{}: no {what} within {PATIENCE:?}{}; it said {:?}",
                        self.name,
                        why.unwrap_or_default(),
                        self.said()
                    );
                }
                _ => thread::sleep(LOOK_AGAIN),
            }
        }
    }

    /// Asks for a page in the formats of `accept`, or in any.
    pub fn get(&self, path: &str, accept: &str) -> Result<Answer> {
        self.ask(path, accept)
            .with_context(|| format!("{} at {path}", self.name))
    }

    fn ask(&self, path: &str, accept: &str) -> Result<Answer> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let accept = match accept {
            "" => String::new(),
            formats => format!("Accept: {formats}\r\n"),
        };
        // With 1.0 the answer is whole, and the connection ends with it.
        write!(
            stream,
            "GET {path} HTTP/1.0\r\nHost: {}\r\n{accept}\r\n",
            self.address
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let head = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let head = head.context("an answer without an end of its head")?;
        let mut body = answer.split_off(head);
        body.drain(..4);
        let head = String::from_utf8(answer)?;
        let status = head.split(' ').nth(1).unwrap_or_default();
        ensure!(
            status == "200",
            "status {status}: {}",
            String::from_utf8_lossy(&body)
        );
        let kind = head.lines().filter_map(|line| line.split_once(": "));
        let mut kind = kind.filter(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        Ok(Answer {
            content_type: kind
                .next()
                .map(|(_, kind)| kind.to_owned())
                .unwrap_or_default(),
            body,
        })
    }

    /// A page as text.
    pub fn text(&self, path: &str) -> Result<String> {
        Ok(String::from_utf8(self.get(path, "")?.body)?)
    }

    /// A page as JSON.
    pub fn json(&self, path: &str) -> Result<Value> {
        let body = self.get(path, "")?.body;
        serde_json::from_slice(&body).with_context(|| format!("{path} is not JSON"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The samples of a classic exposition: names with their labels as they are written, and their values.
pub fn samples(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit_once(' '))
}
