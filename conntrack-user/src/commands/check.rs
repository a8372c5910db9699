//! `ctpulse check`: one look, one line, one exit status.

use std::{io::Write, process::ExitCode, thread::sleep, time::Duration};

use thiserror::Error;

use super::stdout;
use crate::{
    cli::check::CheckArgs,
    clock::Clock,
    engine::settings::NamespaceChoice,
    model::alert::check::{CheckLimits, NoVerdict, Status, judge},
    output::check::{line, unknown},
    source::{
        namespaces::{Namespace, NamespaceError},
        proc_fs::{PROC, ProcRoot, ReadOutcome, SourceError},
    },
};

/// Time between two looks in a window.
const BETWEEN: Duration = Duration::from_millis(10);

/// The exit status for a command line that is not understood: to a monitor that is UNKNOWN, and 2 would be CRITICAL.
pub(super) fn refuse(error: &clap::Error) -> ExitCode {
    let message = error.to_string();
    let first = message.lines().next().unwrap_or_default();
    // Neither output can be written to if this fails.
    let _ = writeln!(stdout(), "{}", unknown(first.trim_start_matches("error: ")));
    ExitCode::from(Status::Unknown as u8)
}

/// Why nothing can be told.
#[derive(Debug, Error)]
enum CheckError {
    #[error("--warn {warn} is above --crit {crit}: CRITICAL would come first", warn = .0.warn, crit = .0.crit)]
    Limits(CheckLimits),
    #[error("--netns all: one check is of one namespace")]
    AllNamespaces,
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    #[error("{reason}{}", details(errors))]
    NoVerdict {
        reason: NoVerdict,
        /// What went wrong with reading.
        errors: Vec<SourceError>,
    },
}

/// What reading said.
fn details(errors: &[SourceError]) -> String {
    if errors.is_empty() {
        return String::new();
    }
    let hint = if errors.iter().all(SourceError::is_not_found) {
        " (nf_conntrack is not loaded, or this is not its host)"
    } else {
        ""
    };
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    format!(": {}{hint}", errors.join("; "))
}

/// Looks, prints the line, and gives the exit status.
#[must_use]
pub(super) fn run(args: &CheckArgs, clock: &impl Clock) -> ExitCode {
    let (status, line) = match look(args, clock) {
        Ok((status, line)) => (status, line),
        Err(reason) => (Status::Unknown, unknown(&reason.to_string())),
    };
    match writeln!(stdout(), "{line}") {
        Ok(()) => ExitCode::from(status as u8),
        // Whoever does not read the line knows nothing.
        Err(_) => ExitCode::from(Status::Unknown as u8),
    }
}

fn look(args: &CheckArgs, clock: &impl Clock) -> Result<(Status, String), CheckError> {
    let limits = CheckLimits {
        warn: args.warn,
        crit: args.crit,
    };
    if limits.warn > limits.crit {
        return Err(CheckError::Limits(limits));
    }
    let namespace = match &args.netns {
        NamespaceChoice::Own => None,
        NamespaceChoice::All => return Err(CheckError::AllNamespaces),
        NamespaceChoice::Named(name) => Some(Namespace::named(name)?),
    };
    let proc = ProcRoot::new(args.proc_root.clone().unwrap_or_else(|| PROC.into()));
    let read = || match &namespace {
        Some(namespace) => namespace.within(|| proc.read()),
        None => Ok(proc.read()),
    };
    let elapsed = {
        let begin = clock.now().monotonic;
        move || clock.now().monotonic.saturating_sub(begin)
    };
    let mut first: ReadOutcome = read()?;
    let mut readings = vec![std::mem::take(&mut first.kernel)];
    while args
        .window
        .is_some_and(|window| elapsed() + BETWEEN <= window)
    {
        sleep(BETWEEN);
        readings.push(read()?.kernel);
    }
    let verdict = judge(&readings, limits).map_err(|reason| CheckError::NoVerdict {
        reason,
        errors: first.errors,
    })?;
    Ok((verdict.status, line(&verdict)))
}
