//! A server that a test starts, and that ends with it.

use std::{
    env,
    ffi::OsString,
    fs::{self, OpenOptions},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tempfile::TempDir;

/// How long to wait for what must come. Long, because the machine may be busy; waiting ends as soon as it has come.
const PATIENCE: Duration = Duration::from_secs(120);

/// Time between two looks at what is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Attempts to start a server: another program may take its port before it does.
const ATTEMPTS: u32 = 5;

/// The last lines of a log that a failure shows.
const LOG_LINES: usize = 40;

/// A running server, with a directory of its own.
pub(crate) struct Server {
    name: &'static str,
    child: Child,
    dir: TempDir,
    port: u16,
}

/// A server that speaks HTTP on a port of 127.0.0.1.
#[derive(Clone, Copy)]
pub(crate) struct Http {
    port: u16,
}

/// The file that has what a server prints.
const LOG: &str = "output";

/// A program of the servers' packages, by its path in there. It is linked with the libraries of those packages.
pub(crate) fn command(program: &str) -> Result<Command> {
    let tree = env::var_os("CTPULSE_SERVERS").context(
        "CTPULSE_SERVERS does not name the directory of the servers: `cargo xtask test` fetches them and sets it; by hand, it is what \
         `cargo xtask servers` prints",
    )?;
    let tree = PathBuf::from(tree);
    let path = tree.join(program);
    if !path.is_file() {
        bail!("{} is missing: run `cargo xtask servers`", path.display());
    }
    let mut command = Command::new(path);
    command.env("LD_LIBRARY_PATH", libraries(&tree)?);
    Ok(command)
}

/// The directories of libraries in a tree of packages.
fn libraries(tree: &Path) -> Result<OsString> {
    let multiarch = format!("{}-linux-gnu", env::consts::ARCH);
    let dirs = ["usr/lib", "lib"].map(|lib| tree.join(lib).join(&multiarch));
    env::join_paths(dirs).context("the path of the servers has a colon")
}

impl Server {
    /// Starts a server, and waits until it accepts connections. `command` makes its configuration in the directory, and the command
    /// that lets it listen on the port of 127.0.0.1.
    pub(crate) fn start(
        name: &'static str,
        command: impl Fn(&Path, u16) -> Result<Command>,
    ) -> Result<Self> {
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let mut server = Self::spawn(name, &command)?;
            let port = server.port;
            match server.wait_for("port that accepts connections", || {
                Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok())
            }) {
                Ok(_) => return Ok(server),
                // It ended: somebody else may have taken its port.
                Err(error) if server.child.try_wait()?.is_some() => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.with_context(|| format!("{name} was never started"))?)
    }

    /// Ends it as an operator does. Its directory and its port are kept for [`Self::start_again`].
    pub(crate) fn stop(&mut self) -> Result<()> {
        kill_process_group(self.pid(), Signal::TERM)?;
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                bail!("{} does not end; {}", self.name, self.log());
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// Starts it again, and waits until it accepts connections.
    pub(crate) fn start_again(&mut self, command: Command) -> Result<()> {
        self.child = run(self.name, command, self.dir.path())?;
        let port = self.port;
        self.wait_for("port that accepts connections", || {
            Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok())
        })
        .map(drop)
    }

    fn spawn(name: &'static str, command: &impl Fn(&Path, u16) -> Result<Command>) -> Result<Self> {
        let dir = tempfile::tempdir().context("cannot make a temporary directory")?;
        let port = free_port()?;
        let child = run(name, command(dir.path(), port)?, dir.path())?;
        Ok(Self {
            name,
            child,
            dir,
            port,
        })
    }

    /// Its port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Asks it over HTTP.
    pub(crate) fn http(&self) -> Http {
        Http { port: self.port }
    }

    /// Its process, which leads the group of its children.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The directory that has its configuration and its data.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Waits until there is something, and returns it. A failure shows why there was nothing, and what the server said.
    pub(crate) fn wait_for<T>(
        &mut self,
        what: &str,
        mut find: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = find();
            // One that has ended may have left its port to another, which answers in its place.
            if let Some(status) = self.child.try_wait()? {
                bail!("{} before {what}; {}", self.ended(status), self.log());
            }
            match found {
                Ok(Some(found)) => return Ok(found),
                found if Instant::now() > deadline => {
                    let why = found.err().map(|error| format!(" ({error:#})"));
                    let why = why.unwrap_or_default();
                    bail!(
                        "{}: no {what} within {PATIENCE:?}{why}; {}",
                        self.name,
                        self.log()
                    );
                }
                _ => thread::sleep(LOOK_AGAIN),
            }
        }
    }

    fn ended(&self, status: ExitStatus) -> String {
        format!("{} ended ({status})", self.name)
    }

    /// The end of what it printed.
    pub(crate) fn log(&self) -> String {
        let log = fs::read(self.dir.path().join(LOG)).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(LOG_LINES)..];
        format!("its log ends with:\n{}", last.join("\n"))
    }
}

impl Http {
    /// The body of what the server answers at a path.
    pub(crate) fn get(self, path: &str) -> Result<String> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let mut answer = ureq::get(&url).call().with_context(|| url.clone())?;
        answer.body_mut().read_to_string().context(url)
    }

    /// The same as JSON.
    pub(crate) fn json(self, path: &str) -> Result<Value> {
        let body = self.get(path)?;
        serde_json::from_str(&body).with_context(|| format!("{path}: not JSON: {body}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already, and leave children in its group.
        let group = self.pid();
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.child.wait();
        let deadline = Instant::now() + PATIENCE;
        while is_alive(group) && Instant::now() < deadline {
            thread::sleep(LOOK_AGAIN);
        }
    }
}

/// Whether any process of a group runs. One that has ended and whose parent does not ask for its end does not.
pub(crate) fn is_alive(group: Pid) -> bool {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.into_iter().any(|process| {
        let stat = fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        // `PID (NAME) STATE PARENT GROUP`; a name may have anything in it.
        let mut fields = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace();
        let state = fields.next();
        let group_of = fields.nth(1).and_then(|group| group.parse().ok());
        group_of == Some(group.as_raw_nonzero().get()) && !matches!(state, Some("Z" | "X"))
    })
}

/// Runs a command, with what it prints in a file of the directory.
fn run(name: &'static str, mut command: Command, dir: &Path) -> Result<Child> {
    let log = OpenOptions::new()
        .append(true)
        .create(true)
        .open(dir.join(LOG))
        .context("cannot make the log")?;
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // Its children go with it.
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot run {name}"))
}

/// A port of 127.0.0.1 that nobody uses now.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}
