//! One experiment: something moves the kernel's counters under a stream, and three readings of each
//! must agree: what the probes counted, what ctpulse read of the kernel, and what we read of it.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};
use serde_json::Value;

use crate::{
    ctpulse::{Ended, Stream},
    kernel::{gained, proc_columns, settle},
};

/// The probes that cost something per flow.
pub(super) const FLOW: &[&str] = &["--probes", "flow"];
/// Those that cost something per packet as well.
pub(super) const ALL: &[&str] = &["--probes", "all"];
/// The same, and every event is reported.
pub(super) const ALL_REPORTED: &[&str] = &["--probes", "all", "--event-rate", "100000"];

/// The columns of the proc file that count something that a driver can leave unmoved. A lookup may
/// be restarted whenever an entry's memory is used again meanwhile.
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

/// What came of an experiment.
pub(super) struct Proof<T> {
    /// The run of ctpulse.
    pub(super) ended: Ended,
    /// What the driver returned.
    pub(super) driven: T,
    /// How far each column rose, by our own reading.
    columns: BTreeMap<String, u64>,
}

/// Drives the kernel under a stream, whose cross-check must find no mismatch.
pub(super) fn prove<T>(args: &[&str], drive: impl FnOnce() -> Result<T>) -> Result<Proof<T>> {
    let proof = watch(args, drive)?;
    proof
        .ended
        .no_mismatch()
        .map_err(|mismatch| mismatch.context(format!("the kernel moved {}", proof.moved())))?;
    Ok(proof)
}

/// Drives the kernel under a stream; the caller judges the cross-check.
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

    /// By how much the kernel moved a counter, by our own reading; not at all where it has no column for it.
    pub(super) fn kernel(&self, counter: &str) -> u64 {
        self.moved_column(column(counter))
    }

    fn moved_column(&self, name: &str) -> u64 {
        self.columns.get(name).copied().unwrap_or_default()
    }

    /// That the kernel moved these columns and no others: the experiment was what it should be.
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

    /// That the kernel moved a counter by this much, and that the probes counted exactly that. Where it has no
    /// column for it, that it could not be expected to, and that ctpulse does not say it did.
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

    /// That the probes counted what the kernel counted.
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

    /// That the probes counted this much of what the kernel has no column for.
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

    /// That ctpulse reported or counted as not reported this many events of a kind, and that those
    /// reported are about the right flows or packets.
    pub(super) fn events(
        &self,
        kind: &str,
        expected: u64,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<&Self> {
        let totals = &self.ended.last()?["events"][kind];
        let counts =
            ["sent", "suppressed", "lost"].map(|name| totals[name].as_u64().unwrap_or_default());
        let reported: Vec<_> = self
            .ended
            .of("event")
            .filter(|event| event["kind"] == kind)
            .collect();
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

    /// That entries changed by what was allocated less what was freed.
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

/// The column of the proc file (5.15 and later) that counts the same.
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
