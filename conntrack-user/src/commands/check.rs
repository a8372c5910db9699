//! `ctpulse check`: one look, one line, one exit status.

use crate::engine::settings::NamespaceChoice;
use std::{
    io::{self, Write},
    process::{self, ExitCode},
    thread::sleep,
    time::Duration,
};

use crate::{
    cli::check::CheckArgs,
    clock::Clock,
    model::alert::check::{Limits, Status, judge},
    output::check::{line, unknown},
    source::{
        namespaces::Namespace,
        proc_fs::{PROC, ProcRoot, ReadOutcome},
    },
};

/// Time between two looks in a window.
const BETWEEN: Duration = Duration::from_millis(10);

/// Ends for a command line that is not understood: to a monitor that is UNKNOWN, and 2 would be CRITICAL.
pub(super) fn refuse(error: &clap::Error) -> ! {
    let command = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    if error.use_stderr() && command.as_deref() == Some("check") {
        // Neither output can be written to if this fails.
        let _ = error.print();
        let told = error.to_string();
        let first = told.lines().next().unwrap_or_default();
        let _ = writeln!(
            io::stdout(),
            "{}",
            unknown(first.trim_start_matches("error: "))
        );
        process::exit(Status::Unknown as i32);
    }
    error.exit()
}

/// Looks, prints the line, and gives the exit status.
#[must_use]
pub(super) fn run(args: &CheckArgs, clock: &impl Clock) -> ExitCode {
    let (status, line) = match look(args, clock) {
        Ok((status, line)) => (status, line),
        Err(reason) => (Status::Unknown, unknown(&reason)),
    };
    match writeln!(io::stdout(), "{line}") {
        Ok(()) => ExitCode::from(status as u8),
        // Whoever does not read the line knows nothing.
        Err(_) => ExitCode::from(Status::Unknown as u8),
    }
}

fn look(args: &CheckArgs, clock: &impl Clock) -> Result<(Status, String), String> {
    let limits = Limits {
        warn: args.warn,
        crit: args.crit,
    };
    if limits.warn > limits.crit {
        return Err(format!(
            "--warn {} is above --crit {}: CRITICAL would come first",
            limits.warn, limits.crit
        ));
    }
    let namespace = match &args.netns {
        NamespaceChoice::Own => None,
        NamespaceChoice::All => return Err("--netns all: one check is of one namespace".to_owned()),
        NamespaceChoice::Named(name) => Some(Namespace::named(name).map_err(|e| e.to_string())?),
    };
    let proc = ProcRoot::new(args.proc_root.clone().unwrap_or_else(|| PROC.into()));
    let read = || match &namespace {
        Some(namespace) => namespace
            .within(|| proc.read())
            .map_err(|error| error.to_string()),
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
    let verdict = judge(&readings, limits).map_err(|what| because(what, &first))?;
    Ok((verdict.status, line(&verdict)))
}

/// What cannot be told, and what reading said.
fn because(what: &str, reading: &ReadOutcome) -> String {
    let errors: Vec<String> = reading.errors.iter().map(ToString::to_string).collect();
    let gone = !errors.is_empty() && reading.errors.iter().all(|error| error.is_not_found());
    let hint = if gone {
        " (nf_conntrack is not loaded, or this is not its host)"
    } else {
        ""
    };
    match errors.is_empty() {
        true => what.to_owned(),
        false => format!("{what}: {}{hint}", errors.join("; ")),
    }
}
