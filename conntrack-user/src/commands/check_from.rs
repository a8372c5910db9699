//! `ctpulse check --from`: other hosts, judged by their samples, in one line and one exit status.

use std::{
    collections::{BTreeMap, VecDeque},
    future::pending,
    process::ExitCode,
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::sleep;

use crate::{
    cli::check::CheckArgs,
    clock::{SystemClock, format_duration},
    commands::{
        check::{self, CheckAnswer, CheckError},
        from,
    },
    engine::{diagnostics::Diagnostics, drive::until_signalled, signals::Shutdown},
    model::{
        alert::check::{CheckReading, CheckRules, JUDGED_COUNTERS, TableVerdict, judge},
        fleet::StateOfHost,
        record::{HostState, Record, Sample},
    },
    output::check::{JudgedInstance, NotJudged, several},
    reading::{hooks::Hooks, kernel::KernelReading},
    remote::RemoteRun,
    text::Text,
};

/// The most samples of an instance that a window keeps.
const SAMPLES: usize = 100_000;

/// How long the hosts' ends are waited for.
const END: Duration = Duration::from_millis(300);

/// Reads samples of all hosts, prints the line, and returns the exit status.
pub(super) fn run(args: &CheckArgs, diagnostics: &Diagnostics) -> ExitCode {
    let answer = until_signalled(
        SystemClock,
        diagnostics,
        || {},
        async |shutdown| evaluate(args, shutdown, diagnostics).await,
    );
    check::print(answer.map_err(CheckError::from).flatten(), false)
}

async fn evaluate(
    args: &CheckArgs,
    mut shutdown: Shutdown,
    diagnostics: &Diagnostics,
) -> Result<CheckAnswer, CheckError> {
    let rules = check::rules(args)?;
    let settings = from::settings(&args.measured());
    let settings = settings.map_err(|failure| CheckError::Token(failure.to_string()))?;
    // What is said of hosts is in the line.
    diagnostics.keep();
    let mut run = RemoteRun::start(settings, SystemClock, diagnostics.clone())?;
    let mut samples = Samples::new(args.measured_for());
    let time_out = sleep(args.gives_up_after());
    tokio::pin!(time_out);
    let in_time = loop {
        tokio::select! {
            () = shutdown.requested() => return Err(CheckError::Interrupted),
            () = &mut time_out => break false,
            () = run.ready() => {}
        }
        for record in run.take() {
            samples.take(record);
        }
        let mut states = run.states();
        if states.all(|host| samples.suffice(&host)) {
            break true;
        }
    };
    let without = match in_time {
        true => None,
        false => Some(args.gives_up_after()),
    };
    for host in run.states().filter(is_half_read) {
        samples.hosts.remove(host.name);
    }
    let mut judged = samples.judge(&rules);
    judged.extend(not_judged(&run, &samples, without));
    run.finish(END, pending()).await;
    let (status, line) = several(judged);
    Ok(CheckAnswer {
        status,
        line,
        details: Vec::new(),
    })
}

/// The hosts without a sample, each with why.
fn not_judged(
    run: &RemoteRun<SystemClock>,
    samples: &Samples,
    waited: Option<Duration>,
) -> Vec<JudgedInstance> {
    let missing = run.states().filter(|host| {
        matches!(host.state, HostState::Lost | HostState::Refused) || !samples.knows(host.name)
    });
    let missing = missing.map(|host| {
        let reason = host.reason.map(|reason| format!(": {}", reason.raw()));
        let reason = reason.unwrap_or_default();
        let why = match (host.state, waited) {
            (HostState::Lost, _) => format!("lost{reason}"),
            (HostState::Refused, _) => format!("refused{reason}"),
            (_, Some(waited)) if is_half_read(&host) => {
                format!("not read to its end within {}", format_duration(waited))
            }
            (_, Some(waited)) => format!("no sample within {}", format_duration(waited)),
            (_, None) => "there is no sample in it".to_owned(),
        };
        JudgedInstance {
            name: host.name.clone(),
            verdict: Err(NotJudged(why.into())),
        }
    });
    missing.collect()
}

/// Whether there are later samples in its file than those that were read.
fn is_half_read(host: &StateOfHost<'_>) -> bool {
    host.is_recorded && matches!(host.state, HostState::Connecting | HostState::Connected)
}

/// The samples that are judged, by host and instance.
struct Samples {
    window: Option<Duration>,
    hosts: BTreeMap<Text, HostSamples>,
}

#[derive(Default)]
struct HostSamples {
    is_lost: bool,
    instances: BTreeMap<Text, VecDeque<JudgedSample>>,
}

/// What is judged of a sample.
struct JudgedSample {
    end: Timestamp,
    reading: KernelReading,
    totals: [Option<u64>; JUDGED_COUNTERS.len()],
    untracked: Option<Text>,
}

impl Samples {
    fn new(window: Option<Duration>) -> Self {
        Self {
            window,
            hosts: BTreeMap::new(),
        }
    }

    fn take(&mut self, record: Record) {
        match record {
            Record::Host(status) => {
                let host = self.hosts.entry(status.name).or_default();
                host.is_lost = status.state == HostState::Lost;
                if host.is_lost {
                    // What it was is no longer so.
                    host.instances.clear();
                }
                for instance in status.hello.into_iter().flat_map(|hello| hello.instances) {
                    host.instances.entry(instance.name).or_default();
                }
            }
            Record::Sample(sample) => self.take_sample(&sample),
            _ => {}
        }
    }

    fn take_sample(&mut self, sample: &Sample) {
        // While a host is lost, its samples say no more than that.
        let mut hosts = self.hosts.values_mut().filter(|host| !host.is_lost);
        let samples = hosts.find_map(|host| host.instances.get_mut(&sample.instance));
        let Some(samples) = samples else {
            return;
        };
        samples.push_back(JudgedSample {
            end: sample.time.0,
            reading: KernelReading {
                stat: None,
                count: sample.entries,
                max: sample.max,
            },
            totals: JUDGED_COUNTERS.map(|counter| sample.counters.get(counter).copied()),
            untracked: sample.untracked.clone(),
        });
        let window = self.window.unwrap_or_default();
        // One from before the window stays, so that the rest spans it.
        while samples.len() > SAMPLES
            || samples
                .get(1)
                .is_some_and(|one| lasts(one, sample) >= window)
        {
            samples.pop_front();
        }
    }

    /// Whether all instances of a host have been seen for long enough, or nothing more comes from it.
    fn suffice(&self, host: &StateOfHost<'_>) -> bool {
        let window = self.window.unwrap_or_default();
        let spans = |samples: &VecDeque<JudgedSample>| match (samples.front(), samples.back()) {
            (Some(first), Some(last)) => between(first.end, last.end) >= window,
            _ => false,
        };
        match host.state {
            HostState::Lost | HostState::Ended | HostState::Refused => true,
            _ if is_half_read(host) => false,
            HostState::Connecting => false,
            HostState::Connected => self
                .hosts
                .get(host.name)
                .map(|host| &host.instances)
                .is_some_and(|instances| !instances.is_empty() && instances.values().all(spans)),
        }
    }

    fn knows(&self, host: &Text) -> bool {
        let host = self.hosts.get(host);
        host.is_some_and(|host| host.instances.values().any(|samples| !samples.is_empty()))
    }

    fn judge(&self, rules: &CheckRules) -> Vec<JudgedInstance> {
        let instances = self.hosts.values().flat_map(|host| &host.instances);
        let seen = instances.filter(|(_, samples)| !samples.is_empty());
        let judged = seen.map(|(name, samples)| JudgedInstance {
            name: name.clone(),
            verdict: judge_one(samples, rules),
        });
        judged.collect()
    }
}

fn judge_one(
    samples: &VecDeque<JudgedSample>,
    rules: &CheckRules,
) -> Result<TableVerdict, NotJudged> {
    let untracked = samples.back().and_then(|last| last.untracked.clone());
    let reading = CheckReading {
        readings: samples.iter().map(|one| one.reading.clone()).collect(),
        rates: rates(samples),
        expectations: None,
        // A sample says so where nothing tracks.
        hooks: untracked.is_none().then_some(Hooks::Registered),
    };
    let verdict = judge(&reading, rules);
    let mut verdict = verdict.map_err(|why| NotJudged(why.to_string().into()))?;
    // Their totals are of a run, not since boot; where they are judged, their rates are known.
    verdict.counters.retain(|counter| counter.rate.is_some());
    verdict.untracked = untracked.map(|why| why.raw().to_owned());
    Ok(verdict)
}

/// Events per second from the first of the samples to the last.
fn rates(samples: &VecDeque<JudgedSample>) -> [Option<f64>; JUDGED_COUNTERS.len()] {
    std::array::from_fn(|counter| {
        let (first, last) = (samples.front()?, samples.back()?);
        let seconds = between(first.end, last.end).as_secs_f64();
        // A run that was started again counts from 0.
        let events = last.totals[counter]?.checked_sub(first.totals[counter]?)?;
        (seconds > 0.0).then(|| events as f64 / seconds)
    })
}

fn lasts(first: &JudgedSample, last: &Sample) -> Duration {
    between(first.end, last.time.0)
}

fn between(first: Timestamp, last: Timestamp) -> Duration {
    Duration::try_from(last.duration_since(first)).unwrap_or_default()
}
