//! `ctpulse check`: one evaluation, one line, one exit status.

use std::{
    io::Write,
    path::Path,
    process::ExitCode,
    sync::mpsc::{RecvTimeoutError, channel},
    thread::sleep,
    time::Duration,
};

use thiserror::Error;

use super::stdout;
use crate::{
    cli::check::CheckArgs,
    clock::{Clock, format_duration},
    engine::{
        error::EngineError,
        settings::NamespaceChoice,
        worker::{self, Holds},
    },
    model::{
        alert::check::{
            CheckReading, CheckRules, CheckThresholds, JUDGED_COUNTERS, NoVerdict, Status, judge,
        },
        rates::delta::delta,
    },
    output::check::{line, status_line, unknown},
    reading::kernel::KernelReading,
    remote::RemoteError,
    source::{
        foreign_proc::{self, ForeignProc, ProcKind},
        hooks,
        kernel::{KernelCounters, KernelSource},
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
pub(super) enum CheckError {
    #[error("--warn{subject} {warn} is above --crit{subject} {crit}: CRITICAL would come first")]
    Limits {
        /// What the options are called after `--warn` and `--crit`.
        subject: &'static str,
        warn: f64,
        crit: f64,
    },
    #[error("--netns all: one check is of one namespace")]
    AllNamespaces,
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    #[error(transparent)]
    ForeignProc(#[from] ForeignProc),
    #[error("nf_conntrack is not loaded; with --not-loaded-ok that is OK")]
    NotLoaded,
    #[error("{reason}{}", details(errors))]
    NoVerdict {
        reason: NoVerdict,
        /// Errors of the readings.
        errors: Vec<SourceError>,
    },
    #[error(transparent)]
    Thread(#[from] EngineError),
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error("{0}")]
    Token(String),
    #[error("interrupted before there was an answer")]
    Interrupted,
    #[error("no answer within {}", format_duration(*.0))]
    Timeout(Duration),
    #[error("the check ended without a result")]
    NoResult,
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

/// What a check prints.
pub(super) struct CheckAnswer {
    pub(super) status: Status,
    pub(super) line: String,
    /// How it was measured.
    pub(super) details: Vec<String>,
}

/// Takes the readings, prints the line, and returns the exit status.
#[must_use]
pub(super) fn run(args: &CheckArgs, verbose: bool, clock: impl Clock + Send + 'static) -> ExitCode {
    print(in_time(args.clone(), clock), verbose)
}

/// Prints the answer, or why there is none; returns the exit status.
pub(super) fn print(answer: Result<CheckAnswer, CheckError>, verbose: bool) -> ExitCode {
    let answer = answer.unwrap_or_else(|reason| CheckAnswer {
        status: Status::Unknown,
        line: unknown(&reason.to_string()),
        details: Vec::new(),
    });
    let mut lines = vec![answer.line];
    if verbose {
        lines.extend(answer.details);
    }
    match writeln!(stdout(), "{}", lines.join("\n")) {
        Ok(()) => ExitCode::from(answer.status as u8),
        // The line was not written, so the result must not count as OK.
        Err(_) => ExitCode::from(Status::Unknown as u8),
    }
}

/// The answer, or the reason why there is none in time. A kernel that does not answer holds up the thread, and not the monitor.
fn in_time(args: CheckArgs, clock: impl Clock + Send + 'static) -> Result<CheckAnswer, CheckError> {
    let patience = args.gives_up_after();
    let (sender, receiver) = channel();
    worker::start_holding(Holds::AsStarter, "check", "reads the counters", move || {
        // The receiver is gone when time is up.
        let _ = sender.send(evaluate(&args, &clock));
    })?;
    receiver
        .recv_timeout(patience)
        .unwrap_or_else(|error| match error {
            RecvTimeoutError::Timeout => Err(CheckError::Timeout(patience)),
            RecvTimeoutError::Disconnected => Err(CheckError::NoResult),
        })
}

fn evaluate(args: &CheckArgs, clock: &impl Clock) -> Result<CheckAnswer, CheckError> {
    let rules = rules(args)?;
    let mut place = CheckedPlace::of(args)?;
    let measured = place.measure(args.measured_for(), clock)?;
    if measured.reading.readings.iter().all(is_nothing) && place.lacks_conntrack(&measured.errors) {
        return if args.not_loaded_ok {
            Ok(CheckAnswer {
                status: Status::Ok,
                line: status_line(Status::Ok, "nf_conntrack is not loaded: nothing is tracked"),
                details: Vec::new(),
            })
        } else {
            Err(CheckError::NotLoaded)
        };
    }
    let verdict = match judge(&measured.reading, &rules) {
        Ok(verdict) => verdict,
        Err(reason) => {
            return Err(CheckError::NoVerdict {
                reason,
                errors: measured.errors,
            });
        }
    };
    let errors: Vec<String> = measured.errors.iter().map(ToString::to_string).collect();
    Ok(CheckAnswer {
        status: verdict.status,
        line: line(&verdict, &errors),
        details: measured.details,
    })
}

/// The thresholds, if they make sense.
pub(super) fn rules(args: &CheckArgs) -> Result<CheckRules, CheckError> {
    let rules = args.rules();
    let limits = &rules.limits;
    in_order("", limits.utilization)?;
    in_order("-entries", limits.entries)?;
    in_order("-expect", limits.expectations)?;
    for (thresholds, subject) in
        limits
            .rates
            .into_iter()
            .zip(["-drop", "-early-drop", "-insert-failed"])
    {
        in_order(subject, thresholds)?;
    }
    Ok(rules)
}

fn in_order(subject: &'static str, thresholds: CheckThresholds) -> Result<(), CheckError> {
    match (thresholds.warn, thresholds.crit) {
        (Some(warn), Some(crit)) if !thresholds.are_in_order() => Err(CheckError::Limits {
            subject,
            warn,
            crit,
        }),
        _ => Ok(()),
    }
}

fn is_nothing(reading: &KernelReading) -> bool {
    reading.entries().is_none() && reading.max.is_none()
}

/// Where a check looks.
struct CheckedPlace {
    counters: KernelCounters,
    /// The namespace to enter; `None`: our own, or what the directory is of.
    namespace: Option<Namespace>,
    /// Whether it is a namespace of this kernel in which we are, or which we enter.
    is_here: bool,
}

/// What a check has measured, and how.
struct Measured {
    reading: CheckReading,
    /// Of the first reading.
    errors: Vec<SourceError>,
    details: Vec<String>,
}

impl CheckedPlace {
    fn of(args: &CheckArgs) -> Result<Self, CheckError> {
        let namespace = match &args.netns {
            NamespaceChoice::Own => None,
            NamespaceChoice::All => return Err(CheckError::AllNamespaces),
            NamespaceChoice::Named(name) => Some(Namespace::named(name)?),
        };
        let (root, source, is_here) = match &args.proc_root {
            Some(root) if root != Path::new(PROC) => {
                let is_here = foreign_proc::kind(root)? == ProcKind::Own;
                (root.as_path(), KernelSource::Procfs, is_here)
            }
            _ => (Path::new(PROC), args.source.into(), true),
        };
        Ok(Self {
            counters: KernelCounters::new(ProcRoot::new(root), source),
            namespace,
            is_here,
        })
    }

    fn measure(
        &mut self,
        window: Option<Duration>,
        clock: &impl Clock,
    ) -> Result<Measured, CheckError> {
        let now = || clock.now().monotonic;
        let start = now();
        let ReadOutcome {
            kernel,
            errors,
            via_ctnetlink,
        } = self.within(KernelCounters::read)?;
        let mut readings = vec![kernel];
        let mut last = start;
        if let Some(window) = window {
            // The last reading is at the end of the window.
            loop {
                let left = window.saturating_sub(now().saturating_sub(start));
                sleep(left.min(SAMPLE_INTERVAL));
                last = now();
                readings.push(self.within(KernelCounters::read)?.kernel);
                if left <= SAMPLE_INTERVAL {
                    break;
                }
            }
        }
        let lasted = last.saturating_sub(start);
        let entries = readings.iter().filter_map(KernelReading::entries).max();
        let hooks = match entries {
            Some(0) if self.is_here => Some(self.within(|_| hooks::read())?),
            _ => None,
        };
        let expectations = match entries {
            Some(_) => self.within(KernelCounters::expectations)?.ok(),
            None => None,
        };
        let source = if via_ctnetlink {
            "ctnetlink".to_owned()
        } else {
            self.counters.proc().stat_path().display().to_string()
        };
        let name = self.namespace.as_ref().map(|namespace| &namespace.name);
        let details = vec![
            format!("counters of: {source}"),
            format!(
                "network namespace: {}",
                name.map_or_else(|| "self".to_owned(), ToString::to_string)
            ),
            format!("readings: {} in {} ms", readings.len(), lasted.as_millis()),
        ];
        Ok(Measured {
            reading: CheckReading {
                rates: rates(&readings, lasted),
                readings,
                expectations,
                hooks,
            },
            errors,
            details,
        })
    }

    fn within<T>(&mut self, work: impl FnOnce(&mut KernelCounters) -> T) -> Result<T, CheckError> {
        let counters = &mut self.counters;
        Ok(match &self.namespace {
            Some(namespace) => namespace.within(|| work(counters))?,
            None => work(counters),
        })
    }

    /// Whether nf_conntrack is known not to be there, which is more than that its files are missing.
    fn lacks_conntrack(&self, errors: &[SourceError]) -> bool {
        let missing = |error: &SourceError| {
            matches!(error, SourceError::NotFound(_) | SourceError::NotLoaded)
        };
        errors.iter().all(missing) && self.counters.lacks_conntrack()
    }
}

/// Events per second from the first of the readings to the last.
fn rates(readings: &[KernelReading], lasted: Duration) -> [Option<f64>; JUDGED_COUNTERS.len()] {
    let mut stats = readings.iter().map(|reading| reading.stat.as_ref());
    let (first, last) = (stats.next().flatten(), stats.next_back().flatten());
    // What was counted before a counter was set back is not known.
    let delta = first
        .zip(last)
        .map(|(first, last)| delta(first, last))
        .filter(|delta| delta.resets == 0 && delta.rows_vanished == 0 && !lasted.is_zero());
    JUDGED_COUNTERS.map(|counter| {
        let column = counter.spec().column?;
        let mut columns = delta.as_ref()?.iter();
        let (_, events) = columns.find(|(name, _)| *name == column)?;
        Some(events as f64 / lasted.as_secs_f64())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::proc_stat::{ProcStat, kernel_text};

    fn reading(drop: u32, insert_failed: u32) -> KernelReading {
        let columns = ["entries", "drop", "insert_failed"];
        let text = kernel_text(&columns, &[[7, drop, insert_failed], [7, 0, 0]]);
        KernelReading {
            stat: ProcStat::parse(&text).ok(),
            count: None,
            max: Some(10),
        }
    }

    #[test]
    fn rates_are_of_the_time_between_the_first_and_the_last() {
        let two = Duration::from_secs(2);
        let readings = [reading(u32::MAX, 5), reading(0, 5), reading(3, 5)];
        // A counter that passes 2^32 goes on; one that is not there is not 0.
        assert_eq!(rates(&readings, two), [Some(2.0), None, Some(0.0)]);
        assert_eq!(rates(&readings[..1], two), [None; 3]);
        assert_eq!(rates(&readings, Duration::ZERO), [None; 3]);
        let reset = [reading(100, 5), reading(3, 5)];
        assert_eq!(rates(&reset, two), [None; 3]);
        let gone = [reading(1, 5), KernelReading::default()];
        assert_eq!(rates(&gone, two), [None; 3]);
    }
}
