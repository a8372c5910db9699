//! An experiment: something moves the kernel's counters during a stream, and three readings of each counter must agree: the
//! probes' count, the kernel's count as read by ctpulse, and our own reading of the kernel.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};
use serde_json::Value;

use crate::{
    ctpulse::{Ended, Stream},
    kernel::{gained, proc_columns, settle},
};

/// The probes that are hit per flow.
pub(super) const FLOW: &[&str] = &["--probes", "flow"];
/// Also those that are hit per packet.
pub(super) const ALL: &[&str] = &["--probes", "all"];
/// The same, with every event reported.
pub(super) const ALL_REPORTED: &[&str] = &["--probes", "all", "--event-rate", "100000"];

/// The columns of the proc file that a driver can leave unchanged. Lookups can be restarted at any time when an entry's memory is
/// reused.
const COLUMNS: [&str; 12] = [
    "clashres",
    "found",
    "invalid",
    "chainlength",
    "insert",
    "insert_failed",
    "drop",
    "early_drop",
    "icmp_error",
    "expect_new",
    "expect_create",
    "expect_delete",
];

/// The results of an experiment.
pub(super) struct Proof<T> {
    /// The run of ctpulse.
    pub(super) ended: Ended,
    /// What the driver returned.
    pub(super) driven: T,
    /// The increase of each column, by our own reading.
    columns: BTreeMap<String, u64>,
}

/// Drives the kernel during a stream, whose cross-check must not find a mismatch.
pub(super) fn prove<T>(args: &[&str], drive: impl FnOnce() -> Result<T>) -> Result<Proof<T>> {
    let proof = watch(args, drive)?;
    proof
        .ended
        .no_mismatch()
        .map_err(|mismatch| mismatch.context(format!("the kernel moved {}", proof.moved())))?;
    Ok(proof)
}

/// Drives the kernel during a stream; the caller checks the cross-check.
pub(super) fn watch<T>(args: &[&str], drive: impl FnOnce() -> Result<T>) -> Result<Proof<T>> {
    let before = proc_columns()?;
    let stream = Stream::start(args)?;
    stream.nothing_refused()?;
    let driven = drive()?;
    settle()?;
    let columns = gained(&before, &proc_columns()?)?;
    let ended = stream.stop()?;
    Ok(Proof {
        ended,
        driven,
        columns,
    })
}

impl<T> Proof<T> {
    /// Whether this kernel has a column for a counter.
    pub(super) fn has(&self, counter: &str) -> bool {
        self.columns.contains_key(column(counter))
    }

    /// The increase of a counter, by our own reading of the kernel; 0 if it has no column for the counter.
    pub(super) fn kernel(&self, counter: &str) -> u64 {
        self.moved_column(column(counter))
    }

    fn moved_column(&self, name: &str) -> u64 {
        self.columns.get(name).copied().unwrap_or_default()
    }

    /// Requires that the kernel moved these columns and no others, so that the experiment was as planned.
    pub(super) fn moves_only(&self, counters: &[&str]) -> Result<&Self> {
        for name in COLUMNS {
            let expected = counters.iter().any(|counter| column(counter) == name);
            ensure!(
                (self.moved_column(name) > 0) == expected,
                "the kernel should have moved {counters:?}, and moved {}",
                self.moved()
            );
        }
        Ok(self)
    }

    /// Requires that the kernel moved a counter by this much, and that the probes counted the same. A kernel that has no column
    /// for the counter can only be expected to move it by 0, and ctpulse must not report a value of the kernel's.
    pub(super) fn counted(&self, counter: &str, expected: u64) -> Result<&Self> {
        let kernel = self.kernel(counter);
        if !self.has(counter) {
            let totals = &self.ended.summary()?["totals"][counter];
            ensure!(
                expected == 0 && totals["kernel"].is_null(),
                "{counter}: this kernel has no column for it; {expected} expected, ctpulse {totals}"
            );
            return Ok(self);
        }
        ensure!(
            kernel == expected,
            "{counter}: the kernel counted {kernel} instead of {expected}; it moved {}",
            self.moved()
        );
        self.agrees(counter)
    }

    /// Requires that the probes counted the same as the kernel.
    pub(super) fn agrees(&self, counter: &str) -> Result<&Self> {
        let kernel = self.kernel(counter);
        let totals = &self.ended.summary()?["totals"][counter];
        ensure!(
            totals["kernel"] == kernel && totals["probe"] == kernel,
            "{counter}: the kernel counted {kernel}, ctpulse {totals}"
        );
        let check = self.ended.check(counter)?;
        ensure!(
            check["verdict"] == "exact" || check["verdict"] == "within_bracket",
            "{check}"
        );
        println!("{counter}: kernel {kernel}, probe {kernel}");
        Ok(self)
    }

    /// Requires that the probes counted this much, for a counter that the kernel does not have.
    pub(super) fn probed(&self, counter: &str, expected: u64) -> Result<&Self> {
        let probe = self.ended.probe(counter)?;
        ensure!(
            probe == expected,
            "{counter}: {probe} instead of {expected}; the kernel moved {}",
            self.moved()
        );
        println!("{counter}: probe {probe}");
        Ok(self)
    }

    /// Requires that this many events of a kind were reported or counted as not sent, and that those reported are about the right
    /// flows or packets.
    pub(super) fn events(
        &self,
        kind: &str,
        expected: u64,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<&Self> {
        let totals = &self.ended.last()?["events"][kind];
        let counts =
            ["sent", "suppressed", "lost"].map(|name| totals[name].as_u64().unwrap_or_default());
        let reported: Vec<_> = self.reported(kind).collect();
        ensure!(
            counts.iter().sum::<u64>() == expected && counts[0] == reported.len() as u64,
            "{kind}: {} events reported, {totals} of {expected}",
            reported.len()
        );
        if let Some(odd) = reported.iter().find(|event| !fits(event)) {
            bail!("{odd}");
        }
        println!("{kind}: {} of {expected} events reported", reported.len());
        Ok(self)
    }

    /// The events of a kind that were reported.
    pub(super) fn reported(&self, kind: &str) -> impl Iterator<Item = &Value> {
        let events = self.ended.of("event");
        events.filter(move |event| event["kind"] == kind)
    }

    /// Requires that entries changed by allocations minus frees.
    pub(super) fn balanced(&self) -> Result<&Self> {
        let balance = self.ended.check("entries_balance")?;
        ensure!(
            balance["residual"] == 0
                && (balance["verdict"] == "exact" || balance["verdict"] == "within_bracket"),
            "{balance}"
        );
        Ok(self)
    }

    /// The columns that moved, as text.
    fn moved(&self) -> String {
        let moved: Vec<_> = COLUMNS
            .iter()
            .filter(|name| self.moved_column(name) > 0)
            .map(|name| format!("{name} by {}", self.moved_column(name)))
            .collect();
        if moved.is_empty() {
            "nothing".to_owned()
        } else {
            moved.join(", ")
        }
    }
}

/// The name of a counter's column in the proc file (5.15 and later).
fn column(counter: &str) -> &str {
    match counter {
        "clash_resolve" => "clashres",
        "chaintoolong" => "chainlength",
        same => same,
    }
}

/// Whether an event is about a packet of a protocol to addresses with this prefix.
pub(super) fn about(protocol: &str, to: &str) -> impl Fn(&Value) -> bool {
    move |event| {
        let tuple = &event["tuple"];
        let destination = tuple["dst"].as_str().unwrap_or_default();
        tuple["proto"] == protocol && destination.starts_with(to)
    }
}
