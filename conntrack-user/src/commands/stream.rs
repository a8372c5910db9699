//! `ctpulse stream`.

use std::io::{self, Write};

use rustix::process::{Signal, getpid, kill_process};

use crate::{
    cli::{Format, StreamArgs},
    clock::SystemClock,
    commands::{
        Failure, configuration,
        from::{self, Followed},
    },
    config::Config,
    engine::{
        diagnostics::Diagnostics,
        drive::{to_end, until_signalled},
        outlet::Outlet,
        run::Run,
        worker,
    },
    model::record::{Hello, Record},
    output::{Sink, csv::Csv, json::Json, terminal, text::TextSink},
    text::Text,
};

/// Streams until the duration is over or a signal comes, then writes the summary.
pub(super) fn run(args: &StreamArgs, diagnostics: &Diagnostics) -> Result<(), Failure> {
    let config = configuration(args.alerts.config.as_deref())?;
    if args.from.is_given() {
        return from_others(args, config, diagnostics);
    }
    let settings = args.settings(config);
    let mut probes_off = ProbesOff::new(!args.format.reports_probes() && settings.wants_probes());
    until_signalled(
        SystemClock,
        diagnostics,
        || {},
        async |shutdown| {
            if args.until_stdin_ends {
                end_with_stdin()?;
            }
            let outlet = Outlet::stdout()?;
            let mut sink = sink(args, outlet.clone());
            let (run, start) = Run::start(settings, SystemClock, diagnostics.clone())?;
            to_end(run, start, Some(&outlet), shutdown, |records| {
                probes_off.look_for(&records, diagnostics);
                write(&mut *sink, &records)
            })
            .await?;
            Ok(())
        },
    )?
}

/// Ends the run as a signal does when standard input ends.
fn end_with_stdin() -> Result<(), Failure> {
    worker::start("stdin", "waits for the end of standard input", || {
        // Nobody writes to it. What cannot be read has ended, too.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        // It cannot fail: the signal is ours.
        let _ = kill_process(getpid(), Signal::TERM);
    })?;
    Ok(())
}

/// The same with the records of other hosts.
fn from_others(
    args: &StreamArgs,
    config: Config,
    diagnostics: &Diagnostics,
) -> Result<(), Failure> {
    let settings = from::settings(args)?;
    let hook = args.settings(config).hook;
    until_signalled(
        SystemClock,
        diagnostics,
        || {},
        async |shutdown| {
            let outlet = Outlet::stdout()?;
            let mut sink = sink(args, outlet.clone());
            let followed = Followed::start(settings, hook, diagnostics)?;
            from::to_end(followed, Some(&outlet), shutdown, |records| {
                write(&mut *sink, &records)
            })
            .await
        },
    )?
}

/// Writes records, and flushes.
pub(super) fn write(sink: &mut dyn Sink, records: &[Record]) -> io::Result<()> {
    for record in records {
        sink.write(record)?;
    }
    sink.flush()
}

/// The sink of the requested format, on standard output.
pub(super) fn sink(args: &StreamArgs, out: impl Write + 'static) -> Box<dyn Sink> {
    match args.format {
        Format::Json => Box::new(Json::new(out)),
        Format::Csv => Box::new(Csv::new(out)),
        Format::Text => {
            let view = args.view.view(terminal::has_colours);
            Box::new(TextSink::new(out, terminal::Stdout, view))
        }
    }
}

/// Reports that there are no probes, for formats that do not.
pub(super) struct ProbesOff {
    wanted: bool,
    reported: Option<Text>,
}

impl ProbesOff {
    /// `wanted`: whether probes were requested.
    pub(super) fn new(wanted: bool) -> Self {
        Self {
            wanted,
            reported: None,
        }
    }

    pub(super) fn look_for(&mut self, records: &[Record], diagnostics: &Diagnostics) {
        for record in records {
            if let Record::Hello(hello) = record {
                self.hello(hello, diagnostics);
            }
        }
    }

    fn hello(&mut self, hello: &Hello, diagnostics: &Diagnostics) {
        let reason = hello.probes.reason.as_ref();
        if let Some(reason) = reason.filter(|_| self.wanted)
            && self.reported.as_ref() != Some(reason)
        {
            diagnostics.notify(format_args!("probes: off, {reason}"));
            self.reported = Some(reason.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
        time::Duration,
    };

    use jiff::Timestamp;

    use super::*;
    use crate::{
        cli::{ProbeArgs, ProbesArg},
        clock::{Clock, Instant},
    };

    const INTERVAL: Duration = Duration::from_millis(100);

    /// A clock that only tests move.
    #[derive(Clone, Default)]
    struct MovedClock(Arc<AtomicU64>);

    impl MovedClock {
        fn pass(&self, time: Duration) {
            let millis = u64::try_from(time.as_millis()).expect("a short time");
            self.0.fetch_add(millis, Ordering::Relaxed);
        }
    }

    impl Clock for MovedClock {
        fn now(&self) -> Instant {
            let since = Duration::from_millis(self.0.load(Ordering::Relaxed));
            Instant {
                monotonic: since,
                realtime: Timestamp::UNIX_EPOCH + since,
            }
        }

        fn thread_cpu_time(&self) -> Duration {
            Duration::ZERO
        }

        fn process_cpu_time(&self) -> Duration {
            Duration::ZERO
        }
    }

    /// From reading to a line of JSON, without probes. What is left are the parts of records, which are made anew.
    #[test]
    fn a_tick_takes_little_memory_and_gives_it_back() {
        const TICKS: u64 = 200;
        let args = StreamArgs {
            interval: INTERVAL,
            probing: ProbeArgs::of(ProbesArg::Off),
            ..StreamArgs::default()
        };
        let clock = MovedClock::default();
        let settings = args.settings(Config::default());
        let started = Run::start(settings, clock.clone(), Diagnostics::new());
        let (mut run, _) = started.unwrap_or_else(|error| panic!("{error}"));
        let mut json = Json::new(io::sink());
        let mut ticks = |n| {
            for _ in 0..n {
                clock.pass(INTERVAL);
                let records = run.tick().unwrap_or_else(|error| panic!("{error}"));
                write(&mut json, &records).expect("written");
            }
        };
        // The forecast looks back 32 seconds.
        ticks(400);
        let taken = allocation_counter::measure(|| ticks(TICKS));
        let each = (taken.count_total / TICKS, taken.bytes_total / TICKS);
        assert!(each.0 <= 40 && each.1 <= 12 << 10, "{each:?} a tick");
        // Asking whether anything tracks takes 32 KiB, every ten seconds.
        assert!(taken.bytes_max <= 64 << 10, "{taken:?}");
        assert!(taken.bytes_current <= 4 << 10, "{taken:?}");
    }
}
