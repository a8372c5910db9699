//! `ctpulse check`: one evaluation, one line, one exit status.

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

/// Time between two readings of a window.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(10);

/// Reports a usage error with the status UNKNOWN: to Nagios the usual exit status 2 is CRITICAL.
pub(super) fn report_usage_error(error: &clap::Error) -> ExitCode {
    let message = error.to_string();
    let first = message.lines().next().unwrap_or_default();
    // If both outputs fail there is nowhere to report it.
    let _ = writeln!(stdout(), "{}", unknown(first.trim_start_matches("error: ")));
    ExitCode::from(Status::Unknown as u8)
}

/// Why a check is UNKNOWN.
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
        /// Errors of the readings.
        errors: Vec<SourceError>,
    },
}

/// The errors of the readings, with a hint.
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

/// Takes the readings, prints the line, and returns the exit status.
#[must_use]
pub(super) fn run(args: &CheckArgs, clock: &impl Clock) -> ExitCode {
    let (status, line) = match evaluate(args, clock) {
        Ok((status, line)) => (status, line),
        Err(reason) => (Status::Unknown, unknown(&reason.to_string())),
    };
    match writeln!(stdout(), "{line}") {
        Ok(()) => ExitCode::from(status as u8),
        // The line was not written, so the result must not count as OK.
        Err(_) => ExitCode::from(Status::Unknown as u8),
    }
}

fn evaluate(args: &CheckArgs, clock: &impl Clock) -> Result<(Status, String), CheckError> {
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
        let start = clock.now().monotonic;
        move || clock.now().monotonic.saturating_sub(start)
    };
    let mut first: ReadOutcome = read()?;
    let mut readings = vec![std::mem::take(&mut first.kernel)];
    while args
        .window
        .is_some_and(|window| elapsed() + SAMPLE_INTERVAL <= window)
    {
        sleep(SAMPLE_INTERVAL);
        readings.push(read()?.kernel);
    }
    let verdict = judge(&readings, limits).map_err(|reason| CheckError::NoVerdict {
        reason,
        errors: first.errors,
    })?;
    Ok((verdict.status, line(&verdict)))
}
