//! Runs other programs; errors name the command.
//!
//! xtask's own standard output is for its result (the path of a binary, the output of a guest's command). Other output of
//! programs goes to standard error.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Prints a message for the user, on standard error.
pub(crate) fn say(message: impl fmt::Display) {
    eprintln!("xtask: {message}");
}

/// Runs a command to its end, its output on our standard error.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let stderr = io::stderr()
        .as_fd()
        .try_clone_to_owned()
        .context("cannot duplicate standard error")?;
    pass(command.stdout(Stdio::from(stderr)))
}

/// Runs a command whose output is our result: it goes to our standard output.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub(crate) fn pass(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", program(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", line(command));
    }
    Ok(())
}

/// Runs a command to its end and returns what it wrote on standard output.
///
/// # Errors
/// When it cannot be started, does not succeed (with the end of its standard error), or writes something
/// that is not UTF-8.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {}", program(command)))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let last = stderr.trim().lines().next_back().unwrap_or_default();
        bail!("`{}` failed ({}): {last}", line(command), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("output of `{}`", line(command)))
}

/// Finds a program in `PATH`, or in the system directories that are not in every user's `PATH`.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|candidate| candidate.is_file())
}

/// Whether we are root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Quotes one argument for a POSIX shell; plain words stay as they are.
pub(crate) fn quote(arg: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%^".contains(c);
    if !arg.is_empty() && arg.chars().all(plain) {
        arg.to_owned()
    } else {
        format!("'{}'", arg.replace('\'', r"'\''"))
    }
}

/// A command as a user would type it.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| quote(&word.to_string_lossy()))
        .collect::<Vec<_>>()
        .join(" ")
}

fn program(command: &Command) -> String {
    let program: &OsStr = command.get_program();
    program.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_need_no_quotes() {
        assert_eq!(
            quote("linux-image-6.12.117+deb12-cloud-amd64"),
            "linux-image-6.12.117+deb12-cloud-amd64"
        );
        assert_eq!(quote("--format=json"), "--format=json");
    }

    #[test]
    fn everything_else_is_quoted_for_the_shell() -> Result<()> {
        for arg in [
            "",
            " ",
            "a b",
            "$HOME",
            "it's",
            "''",
            "a\nb",
            "\\",
            "*",
            "uname -r; exit 7",
            "ü",
            "~",
            "#",
            "a\tb",
            "!",
        ] {
            let script = format!("printf %s {}", quote(arg));
            assert_eq!(capture(Command::new("sh").args(["-c", &script]))?, arg);
        }
        Ok(())
    }

    #[test]
    fn a_failure_names_the_command_and_the_end_of_its_stderr() {
        let error =
            capture(Command::new("sh").args(["-c", "echo first >&2; echo last >&2; exit 3"]));
        let error = error.map_err(|e| e.to_string());
        assert_eq!(
            error,
            Err(
                "`sh -c 'echo first >&2; echo last >&2; exit 3'` failed (exit status: 3): last"
                    .to_owned()
            )
        );
    }
}
