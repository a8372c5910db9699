//! The public API for programs that read a kernel's counters themselves, possibly on another machine, and want ctpulse's rates,
//! alerts and forecast for them.

use std::{rc::Rc, time::Duration};

use crate::{
    clock::Instant,
    model::{
        alert::AlertSettings,
        burst,
        monitor::{Monitor, MonitorSettings},
        record::Record,
    },
    reading::{
        InstanceInfo, InstanceReading, Purpose, Reading,
        coverage::Coverage,
        kernel::KernelReading,
        probes::{ProbeStatus, Probes},
        proc_stat::{ParseError, ProcStat},
    },
};

/// Why every counter of the probes is unavailable.
const NO_PROBES: &str = "only the kernel's own counters were given";

/// The contents of a kernel's files at one time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Snapshot<'a> {
    /// The text of `/proc/net/stat/nf_conntrack`, of any kernel since 2.6.12; `None` if there is no such file.
    pub stat: Option<&'a str>,
    /// `nf_conntrack_count`, the number of entries; needed if `stat` is `None`.
    pub count: Option<u64>,
    /// `nf_conntrack_max`, the limit on entries.
    pub max: Option<u64>,
}

/// Computes records from a kernel's own counters: rates, alerts and the forecast of when the table is full, as `ctpulse stream`
/// does without probes.
///
/// ```
/// use std::time::Duration;
///
/// use conntrack_user::{Instant, KernelMonitor, Snapshot, record::Record};
///
/// let at = |seconds| Instant {
///     monotonic: Duration::from_secs(seconds),
///     realtime: jiff::Timestamp::from_second(1_700_000_000 + seconds as i64).unwrap(),
/// };
/// let of = |text| Snapshot { stat: Some(text), max: Some(1024), ..Snapshot::default() };
///
/// let mut monitor = KernelMonitor::new("router", None, Duration::from_secs(1));
/// monitor.observe(at(0), &of("entries found\n00000200 00000001\n"))?;
/// let records = monitor.observe(at(1), &of("entries found\n00000200 0000001a\n"))?;
/// let Some(Record::Sample(sample)) = records.into_iter().find(|r| matches!(r, Record::Sample(_))) else {
///     panic!("an interval gives a sample")
/// };
/// assert_eq!((sample.entries, sample.utilization), (Some(512), Some(50.0)));
/// # Ok::<(), conntrack_user::ParseError>(())
/// ```
pub struct KernelMonitor {
    monitor: Monitor,
    probes: Rc<ProbeStatus>,
    instance: Rc<InstanceInfo>,
    kernel_release: Option<String>,
    started: bool,
}

impl KernelMonitor {
    /// A monitor of the kernel of `host`, to be read about every `interval`. `kernel_release` is what `uname -r` prints there; it
    /// decides the meaning of columns where their names are ambiguous.
    #[must_use]
    pub fn new(host: &str, kernel_release: Option<&str>, interval: Duration) -> Self {
        let probes = Rc::new(ProbeStatus {
            number: 0,
            report: Probes::off(NO_PROBES),
            coverage: Coverage::none(NO_PROBES),
        });
        let settings = MonitorSettings {
            hostname: host.to_owned().into(),
            interval,
            buckets: false,
            bursts: burst::BurstSettings::default(),
            alerts: AlertSettings::default(),
            top: None,
            lifetimes: false,
            latency: false,
        };
        Self {
            monitor: Monitor::new(settings, Rc::clone(&probes)),
            probes,
            instance: Rc::new(InstanceInfo {
                id: 0,
                name: host.to_owned().into(),
                netns: None,
                slot: None,
            }),
            kernel_release: kernel_release.map(str::to_owned),
            started: false,
        }
    }

    /// Adds a snapshot and returns the records that follow from it. The first one returns the `hello`, and is the baseline; each
    /// later one returns a `sample`, and records of anything else that has happened.
    ///
    /// # Errors
    ///
    /// When the text is not in the kernel's format. The snapshot is then ignored.
    pub fn observe(
        &mut self,
        at: Instant,
        snapshot: &Snapshot<'_>,
    ) -> Result<Vec<Record>, ParseError> {
        let purpose = match self.started {
            false => Purpose::Baseline,
            true => Purpose::Interval,
        };
        let records = self.take(at, snapshot, purpose)?;
        self.started = true;
        Ok(records)
    }

    /// Adds the last snapshot; returns its records, and the `summary` of all snapshots.
    ///
    /// # Errors
    ///
    /// Those of [`Self::observe`].
    pub fn finish(
        mut self,
        at: Instant,
        snapshot: &Snapshot<'_>,
    ) -> Result<Vec<Record>, ParseError> {
        self.take(at, snapshot, Purpose::Last)
    }

    fn take(
        &mut self,
        at: Instant,
        snapshot: &Snapshot<'_>,
        purpose: Purpose,
    ) -> Result<Vec<Record>, ParseError> {
        let kernel = KernelReading {
            stat: snapshot.stat.map(ProcStat::parse).transpose()?,
            count: snapshot.count,
            max: snapshot.max,
        };
        let instance = InstanceReading {
            at,
            kernel,
            probes: None,
            cpus: None,
            hooks: None,
            durations: None,
        };
        let reading = Reading {
            at,
            purpose,
            kernel_release: self.kernel_release.clone().map(Into::into),
            probes: Rc::clone(&self.probes),
            instances: vec![(Rc::clone(&self.instance), instance)],
            gone: Vec::new(),
            events: Vec::new(),
            event_counts: None,
            top: None,
            workloads: None,
            own: None,
        };
        Ok(self.monitor.observe(&reading).records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kernel::counters::Counter;

    fn at(seconds: u32) -> Instant {
        Instant {
            monotonic: Duration::from_secs(seconds.into()),
            realtime: jiff::Timestamp::from_second(i64::from(seconds)).unwrap(),
        }
    }

    fn of(stat: &str) -> Snapshot<'_> {
        Snapshot {
            stat: Some(stat),
            count: None,
            max: Some(100),
        }
    }

    #[test]
    fn snapshots_become_records_from_hello_to_summary() -> Result<(), ParseError> {
        let mut monitor = KernelMonitor::new("a", Some("6.1.0"), Duration::from_secs(1));
        let start = monitor.observe(at(10), &of("entries drop\n00000001 00000005\n"))?;
        assert!(matches!(&start[..], [Record::Hello(hello)] if hello.kernel == "6.1.0"));
        // A snapshot that cannot be parsed changes nothing.
        assert!(monitor.observe(at(11), &of("entries drop\n1\n")).is_err());
        let records = monitor.observe(at(12), &of("entries drop\n00000064 00000009\n"))?;
        let sample = records.iter().find_map(|record| match record {
            Record::Sample(sample) => Some(sample),
            _ => None,
        });
        let sample = sample.expect("an interval gives a sample");
        assert_eq!(sample.interval_s, 2.0);
        assert_eq!(sample.counters.get(Counter::Drop), Some(&4));
        let end = monitor.finish(at(13), &of("entries drop\n00000064 0000000a\n"))?;
        let Some(Record::Summary(summary)) = end.last() else {
            panic!("the end is a summary: {end:?}")
        };
        assert_eq!((summary.duration_s, summary.events.is_none()), (3.0, true));
        Ok(())
    }
}
