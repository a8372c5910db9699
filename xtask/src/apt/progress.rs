//! How far apt-get is, while it downloads or installs.

use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read as _};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result, bail};

use crate::process::say;

/// Runs apt-get to its end. On a terminal a line says what it does and how far it is; else the line only says
/// what it does.
///
/// # Errors
/// When it cannot be started or does not succeed, with the last error that it reported.
pub(super) fn run(apt_get: &mut Command, what: &str) -> Result<()> {
    let mut shown = Shown::start(what);
    apt_get
        .args(["-qq", "-o", "APT::Status-Fd=1"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = apt_get.spawn().context("cannot run apt-get")?;
    let stderr = child.stderr.take();
    let errors = thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(mut stderr) = stderr {
            // What was read until an error is all there is to show.
            let _ = stderr.read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    });
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            if let Some(percent) = percent(&String::from_utf8_lossy(&line)) {
                shown.update(percent);
            }
        }
    }
    let status = child.wait().context("cannot wait for apt-get")?;
    let errors = errors.join().unwrap_or_default();
    shown.end();
    if !status.success() {
        bail!("{what}: apt-get failed ({status}): {}", last_error(&errors));
    }
    Ok(())
}

/// The percentage in a line that apt reports its progress with:
///
/// ```text
/// dlstatus:2:56.8652:Retrieving file 2 of 3
/// pmstatus:bpftrace:40.0000:Unpacking bpftrace (amd64)
/// ```
fn percent(line: &str) -> Option<u8> {
    let mut fields = line.splitn(4, ':');
    let kind = fields.next()?;
    if !matches!(kind, "dlstatus" | "pmstatus") {
        return None;
    }
    let percent: f64 = fields.nth(1)?.trim().parse().ok()?;
    // In range, so nothing is lost but the fraction.
    (0.0..=100.0).contains(&percent).then_some(percent as u8)
}

/// The last error in what apt-get wrote to standard error: notes may follow it.
fn last_error(stderr: &str) -> &str {
    let lines = || stderr.lines().map(str::trim).rev();
    let error = lines().find(|line| line.starts_with("E: "));
    error
        .or_else(|| lines().next())
        .unwrap_or("no reason given")
}

/// The line on standard error.
#[derive(Debug)]
struct Shown<'a> {
    what: &'a str,
    terminal: bool,
    percent: Option<u8>,
}

impl<'a> Shown<'a> {
    fn start(what: &'a str) -> Self {
        let terminal = io::stderr().is_terminal();
        if terminal {
            eprint!("xtask: {what}");
        } else {
            say(what);
        }
        Self {
            what,
            terminal,
            percent: None,
        }
    }

    fn update(&mut self, percent: u8) {
        let changed = self.percent.replace(percent) != Some(percent);
        if self.terminal && changed {
            eprint!("\rxtask: {}: {percent} %", self.what);
        }
    }

    fn end(&self) {
        if self.terminal {
            eprintln!();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_that_of_downloads_and_of_dpkg() {
        assert_eq!(
            percent("dlstatus:2:56.8652:Retrieving file 2 of 3"),
            Some(56)
        );
        assert_eq!(percent("pmstatus:x:100.0000:Installed x"), Some(100));
        for other in [
            "",
            "Unpacking dlstatus:1:2:3",
            "pmerror:x:50:failed",
            "dlstatus:1:-3:",
            "dlstatus:1:nan:",
            "dlstatus:1:101:",
            "dlstatus:1",
        ] {
            assert_eq!(percent(other), None, "{other}");
        }
    }

    #[test]
    fn the_last_error_is_the_reason() {
        let stderr = "W: some warning\nE: Unable to locate package x\nN: See apt-secure(8)\n";
        assert_eq!(last_error(stderr), "E: Unable to locate package x");
        assert_eq!(last_error("dpkg: no\n"), "dpkg: no");
        assert_eq!(last_error(""), "no reason given");
    }

    #[test]
    fn a_failure_says_what_failed_and_why() {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "echo dlstatus:1:50:x; echo E: gone >&2; exit 100",
            "sh",
        ]);
        let error = run(&mut command, "trying").map_err(|error| error.to_string());
        assert_eq!(
            error,
            Err("trying: apt-get failed (exit status: 100): E: gone".to_owned())
        );
    }
}
