//! The one table of metrics. What is exposed, and the table in the manual, are made from it.

use crate::model::alert::AlertStatus;
use FamilyKind::{Counter, Gauge, Histogram, Info};

/// A metric, or one for each counter: then `<counter>` in its name and help stands for the counter's name and meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricFamily {
    /// Its name, without `_total` and unit.
    pub name: &'static str,
    pub kind: FamilyKind,
    pub unit: Option<BaseUnit>,
    pub labels: &'static [&'static str],
    /// A description of it.
    pub help: &'static str,
}

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyKind {
    Counter,
    Gauge,
    Histogram,
    /// A gauge that is always 1, for its labels.
    Info,
}

/// A unit that is part of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseUnit {
    Seconds,
    Bytes,
}

/// What stands for a counter's name or meaning.
pub const COUNTER: &str = "<counter>";

impl MetricFamily {
    const fn new(kind: FamilyKind, name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            kind,
            unit: None,
            labels: &["netns"],
            help,
        }
    }

    const fn unit(self, unit: BaseUnit) -> Self {
        Self {
            unit: Some(unit),
            ..self
        }
    }

    const fn labels(self, labels: &'static [&'static str]) -> Self {
        Self { labels, ..self }
    }

    /// Its name as it is scraped, with unit and suffix.
    #[must_use]
    pub fn full_name(&self) -> String {
        let unit = match self.unit {
            None => "",
            Some(BaseUnit::Seconds) => "_seconds",
            Some(BaseUnit::Bytes) => "_bytes",
        };
        let suffix = match self.kind {
            FamilyKind::Counter => "_total",
            FamilyKind::Info => "_info",
            FamilyKind::Gauge | FamilyKind::Histogram => "",
        };
        format!("{}{unit}{suffix}", self.name)
    }
}

/// The number that stands for a status.
#[must_use]
pub const fn status_number(status: AlertStatus) -> u64 {
    match status {
        AlertStatus::Clear => 0,
        AlertStatus::Warning => 1,
        AlertStatus::Critical => 2,
    }
}

/// Defines the metrics, and [`FAMILIES`], which has all of them in the order of an exposition.
macro_rules! families {
    ($($id:ident = $row:expr;)*) => {
        $(pub const $id: MetricFamily = $row;)*

        /// Every metric, in the order of an exposition.
        pub const FAMILIES: &[MetricFamily] = &[$($id,)*];
    };
}

families! {
    BUILD = MetricFamily::new(Info, "ctpulse_build", "Version of ctpulse, release of the kernel, and how the probes are attached")
        .labels(&["version", "kernel", "probes", "group"]);
    NETNS = MetricFamily::new(Info, "ctpulse_netns", "What each network namespace belongs to, where that is known")
        .labels(&["netns", "pod_namespace", "pod", "container", "unit"]);
    PROBED = MetricFamily::new(Gauge, "ctpulse_probed_functions", "Kernel functions with a probe on them")
        .labels(&[]);
    UNPROBED = MetricFamily::new(Gauge, "ctpulse_missing_functions", "Kernel functions that should have a probe and have none")
        .labels(&[]);
    LAST_SAMPLE = MetricFamily::new(Gauge, "ctpulse_last_sample_timestamp", "When the counters were last read, since 1970")
        .unit(BaseUnit::Seconds);
    ENTRIES = MetricFamily::new(Gauge, "ctpulse_entries", "Entries in the table");
    ENTRIES_LIMIT = MetricFamily::new(Gauge, "ctpulse_entries_limit", "The most entries that the table may have, nf_conntrack_max; absent where there is no limit");
    MOST_ENTRIES = MetricFamily::new(Gauge, "ctpulse_entries_peak", "The most entries at any reading in the last complete window of the clock")
        .labels(&["netns", "window"]);
    TIME_TO_FULL = MetricFamily::new(Gauge, "ctpulse_time_to_full", "Time until the table is full at the present rate; absent while it does not fill")
        .unit(BaseUnit::Seconds);
    TOTAL = MetricFamily::new(Counter, "ctpulse_<counter>", "<counter>")
        .labels(&["netns", "source"]);
    PEAK = MetricFamily::new(Gauge, "ctpulse_<counter>_peak_per_second", "Rate in the busiest 1.05 ms of the last complete window of the clock: <counter>")
        .labels(&["netns", "window"]);
    P99 = MetricFamily::new(Gauge, "ctpulse_<counter>_p99_per_second", "Rate that 99 % of the buckets of 1.05 ms in the last complete window do not exceed: <counter>")
        .labels(&["netns", "window"]);
    PER_BUCKET = MetricFamily::new(Histogram, "ctpulse_<counter>_per_bucket", "Buckets of 1.05 ms by the number of events in them: <counter>");
    BURSTS = MetricFamily::new(Counter, "ctpulse_bursts", "Bursts that have ended: short times with far more events than usual")
        .labels(&["netns", "counter"]);
    BURST_EVENTS = MetricFamily::new(Counter, "ctpulse_burst_events", "Events in bursts that have ended")
        .labels(&["netns", "counter"]);
    BUCKETS_LOST = MetricFamily::new(Counter, "ctpulse_buckets_lost", "Time of which the buckets were overwritten before they were read")
        .unit(BaseUnit::Seconds);
    CHECK_VERDICT = MetricFamily::new(Gauge, "ctpulse_check_verdict", "1 for the verdict of each check of the probes: exact, within_bracket, undercount, mismatch or not_comparable")
        .labels(&["netns", "check", "verdict"]);
    CHECK_RESIDUAL = MetricFamily::new(Gauge, "ctpulse_check_residual", "How far the probes' number is outside the range that the kernel's allows; negative if it is too low")
        .labels(&["netns", "check"]);
    ALERT_STATUS = MetricFamily::new(Gauge, "ctpulse_alert_status", "Status of each alert: 0 clear, 1 warning, 2 critical")
        .labels(&["netns", "alert"]);
    ALERT_NOTIFIED = MetricFamily::new(Gauge, "ctpulse_alert_notified", "Status of each alert as it was notified last: a recovery counts after its delay, so that a scrape a minute misses nothing")
        .labels(&["netns", "alert"]);
    ALERT_VALUE = MetricFamily::new(Gauge, "ctpulse_alert_value", "The value that each alert judges, in the alert's own unit")
        .labels(&["netns", "alert"]);
    SEVERITY = MetricFamily::new(Gauge, "ctpulse_verdict_severity", "1 for the severity of the verdict: ok, unknown, warning or critical")
        .labels(&["netns", "severity"]);
    TOP = MetricFamily::new(Gauge, "ctpulse_top", "Top talkers, with --top: events in the last window, or entries held, by what is counted and by kind of key; what the key belongs to, where that is known")
        .labels(&["netns", "by", "of", "key", "pod_namespace", "pod", "container", "unit"]);
    HELD = MetricFamily::new(Gauge, "ctpulse_held_entries", "With --top: entries by protocol and state, by the last listing; estimates where it is a sample")
        .labels(&["netns", "proto", "state"]);
    MARKED = MetricFamily::new(Gauge, "ctpulse_marked_entries", "With --top: entries by mark: assured, unreplied, neither, offload, hw_offload, helper, expected, snat or dnat; an entry may have several")
        .labels(&["netns", "mark"]);
    EVICTABLE = MetricFamily::new(Gauge, "ctpulse_evictable_entries", "With --top: entries that the kernel could remove for new flows, when the table is full (early_drop) or nearly full (nearly_full)")
        .labels(&["netns", "when"]);
    LISTED = MetricFamily::new(Gauge, "ctpulse_listed_entries", "With --top: entries that were listed, of a large table a random sample");
    LISTING_ERROR = MetricFamily::new(Gauge, "ctpulse_listing_error_ratio", "With --top: the most that any share of the entries can be wrong because only a sample was listed, with a confidence of 99.7 %");
    EXPECTATIONS = MetricFamily::new(Gauge, "ctpulse_expectations", "With --top: expectations of helpers that are held");
    EXPECTATIONS_LIMIT = MetricFamily::new(Gauge, "ctpulse_expectations_limit", "With --top: nf_conntrack_expect_max");
    BUCKETS = MetricFamily::new(Gauge, "ctpulse_hash_buckets", "With --top: nf_conntrack_buckets");
    TABLE_MEMORY = MetricFamily::new(Gauge, "ctpulse_table_memory", "With --top: memory of the entries (entries), of the buckets (buckets), and of both when the table is full (full)")
        .unit(BaseUnit::Bytes)
        .labels(&["netns", "of"]);
    TIMEOUT = MetricFamily::new(Gauge, "ctpulse_timeout", "With --top: the timeouts in force, by setting")
        .unit(BaseUnit::Seconds)
        .labels(&["netns", "setting"]);
    CPU = MetricFamily::new(Counter, "process_cpu", "CPU time that ctpulse itself has taken, in the kernel too")
        .unit(BaseUnit::Seconds)
        .labels(&[]);
    MEMORY = MetricFamily::new(Gauge, "process_resident_memory", "Memory that ctpulse itself occupies")
        .unit(BaseUnit::Bytes)
        .labels(&[]);
    CONNECTIONS = MetricFamily::new(Gauge, "ctpulse_http_connections", "Open connections to this server")
        .labels(&[]);
    EVICTED = MetricFamily::new(Counter, "ctpulse_http_connections_evicted", "Connections closed to make room for others")
        .labels(&[]);
    STREAM_CLIENTS = MetricFamily::new(Gauge, "ctpulse_stream_clients", "Readers of /stream")
        .labels(&[]);
    STREAM_DROPPED = MetricFamily::new(Counter, "ctpulse_stream_dropped", "Readers of /stream that were dropped because they were too slow")
        .labels(&[]);
    STREAM_LOST = MetricFamily::new(Counter, "ctpulse_stream_lost", "What dropped readers of /stream did not get")
        .unit(BaseUnit::Bytes)
        .labels(&[]);
    RW_QUEUE = MetricFamily::new(Gauge, "ctpulse_remote_write_queue", "Size of the queue of remote write")
        .unit(BaseUnit::Bytes)
        .labels(&[]);
    RW_WAITING = MetricFamily::new(Gauge, "ctpulse_remote_write_waiting_samples", "Samples that the receiver has not taken yet")
        .labels(&[]);
    RW_OLDEST = MetricFamily::new(Gauge, "ctpulse_remote_write_oldest_age", "Age of the oldest sample that the receiver has not taken yet; absent if there is none")
        .unit(BaseUnit::Seconds)
        .labels(&[]);
    RW_SENT = MetricFamily::new(Counter, "ctpulse_remote_write_sent_samples", "Samples that the receiver has taken")
        .labels(&[]);
    RW_FAILED = MetricFamily::new(Counter, "ctpulse_remote_write_failed_requests", "Requests that the receiver did not answer, or did not take")
        .labels(&[]);
    RW_DROPPED = MetricFamily::new(Counter, "ctpulse_remote_write_dropped_samples", "Samples that were dropped: the queue was full, the receiver refused them, or they could not be stored")
        .labels(&["reason"]);
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_name_is_there_once() {
        let mut names = HashSet::new();
        for family in FAMILIES {
            assert!(names.insert(family.full_name()), "{}", family.name);
            assert_eq!(family.name.contains(COUNTER), family.help.contains(COUNTER));
        }
    }
}
