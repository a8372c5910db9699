//! What one instance has counted since the start, by the kernel's columns and by the probes, over every time the probes
//! were attached; and the comparison of the two.

use conntrack_ebpf::{COUNTER_SLOTS, ProbeCounter};

use crate::{
    model::{
        kernel::{
            counters::{Counter, CounterSpec},
            era::Era,
            origin::{Origin, Origins, live_column, probed},
            per_counter::PerCounter,
        },
        rates::delta::Accumulator,
        record::Check,
        verify::{
            crosscheck::{Bracket, Comparison},
            grace::Grace,
        },
    },
    reading::{
        InstanceReading,
        coverage::Coverage,
        kernel::KernelReading,
        probes::{ProbeReading, ProbeTotals},
        proc_stat::ProcStat,
        selector::Selector,
    },
};

/// Totals since the start.
#[derive(Debug)]
pub(super) struct Totals {
    kernel: Accumulator,
    attachment: Option<Attachment>,
    /// What the counters are made from that are probed now.
    probed: PerCounter<Selector>,
    /// What earlier attachments counted.
    carried: ProbeTotals,
    /// The counters that some attachment has counted.
    counted: PerCounter<Selector>,
    /// Hits the kernel missed since the start; `None` without probes, or where it does not tell.
    pub(super) missed: Option<u64>,
    /// Events lost since the start because kernel memory could not be read; `None` without probes.
    pub(super) faults: Option<u64>,
}

/// The probes as they were first read, for differences since.
#[derive(Debug)]
struct Attachment {
    base: Bracket,
    entries: Option<u64>,
    columns: PerCounter<u64>,
    last: ProbeTotals,
    /// Missed and lost in earlier attachments: the kernel counts anew for each.
    missed_before: Option<u64>,
    faults_before: u64,
}

impl Totals {
    /// Nothing yet.
    pub(super) fn new(coverage: &Coverage) -> Self {
        Self {
            kernel: Accumulator::default(),
            attachment: None,
            probed: probed(coverage),
            carried: [0; COUNTER_SLOTS],
            counted: PerCounter::default(),
            missed: None,
            faults: None,
        }
    }

    /// Takes in the kernel's columns.
    pub(super) fn add_kernel(&mut self, stat: &ProcStat) {
        self.kernel.add(stat);
    }

    /// Takes in the probes' counts. The first reading of an attachment is what its differences start from.
    pub(super) fn add_probes(&mut self, reading: &ProbeReading, kernel: &KernelReading) {
        let columns = &self.kernel;
        let attachment = self.attachment.get_or_insert_with(|| {
            for (counter, selector) in self.probed.iter() {
                self.counted.set(counter, Some(*selector));
            }
            Attachment {
                base: Bracket::from(reading),
                entries: kernel.entries(),
                columns: PerCounter::from_fn(|spec| columns.total(spec.column?)),
                last: reading.after,
                missed_before: match self.faults {
                    Some(_) => self.missed,
                    None => Some(0),
                },
                faults_before: self.faults.unwrap_or_default(),
            }
        });
        attachment.last = reading.after;
        self.missed = attachment
            .missed_before
            .zip(reading.missed)
            .map(|(before, now)| before + now);
        self.faults = Some(attachment.faults_before + reading.faults);
    }

    /// Probes were attached anew, or lost: what was counted until now is kept.
    pub(super) fn set_coverage(&mut self, coverage: &Coverage) {
        if let Some(attachment) = self.attachment.take() {
            let counts = attachment.last.iter().zip(&attachment.base.after);
            for (carried, (last, base)) in self.carried.iter_mut().zip(counts) {
                *carried += last.saturating_sub(*base);
            }
        }
        self.probed = probed(coverage);
    }

    /// What the counters are made from that are probed now.
    pub(super) fn probed(&self) -> &PerCounter<Selector> {
        &self.probed
    }

    /// A counter's total, from its origin.
    pub(super) fn total(&self, spec: &CounterSpec, origins: &Origins) -> Option<u64> {
        match origins.get(spec.id)? {
            Origin::Kernel(column) => self.kernel.total(column),
            Origin::Probe(_) => self.of_probes(spec),
            Origin::Unavailable(_) => None,
        }
    }

    /// A counter's total from the kernel's column, where the kernel counts it.
    pub(super) fn of_kernel(&self, spec: &CounterSpec, origins: &Origins) -> Option<u64> {
        match origins.get(spec.id)? {
            Origin::Kernel(column) => self.kernel.total(column),
            Origin::Probe(_) | Origin::Unavailable(_) => None,
        }
    }

    /// A counter's total from the probes, whatever its origin, and even when they are gone.
    pub(super) fn of_probes(&self, spec: &CounterSpec) -> Option<u64> {
        let selector = *self.counted.get(spec.id)?;
        let of = |counter: &ProbeCounter| {
            let i = counter.index();
            let since_attached = |a: &Attachment| a.last[i].saturating_sub(a.base.after[i]);
            self.carried[i] + self.attachment.as_ref().map_or(0, since_attached)
        };
        let sum = |counters: &[ProbeCounter]| -> u64 { counters.iter().map(of).sum() };
        Some(sum(selector.plus).saturating_sub(sum(selector.minus)))
    }

    /// The checks of a reading that was taken in already; none without probes.
    pub(super) fn checks(
        &self,
        reading: &InstanceReading,
        era: Option<Era>,
        coverage: &Coverage,
        grace: &Grace,
    ) -> Vec<Check> {
        self.compare(reading, era, coverage, grace, &self.kernel)
    }

    /// The checks of a reading that was not taken in yet.
    pub(super) fn checks_ahead(
        &self,
        reading: &InstanceReading,
        era: Option<Era>,
        coverage: &Coverage,
        grace: &Grace,
    ) -> Vec<Check> {
        let mut kernel = self.kernel.clone();
        if let Some(stat) = &reading.kernel.stat {
            kernel.add(stat);
        }
        self.compare(reading, era, coverage, grace, &kernel)
    }

    fn compare(
        &self,
        reading: &InstanceReading,
        era: Option<Era>,
        coverage: &Coverage,
        grace: &Grace,
        kernel: &Accumulator,
    ) -> Vec<Check> {
        let Some((attachment, probes)) = self.attachment.as_ref().zip(reading.probes.as_ref())
        else {
            return Vec::new();
        };
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let stat = reading.kernel.stat.as_ref().zip(era);
        Comparison {
            base: &attachment.base,
            now: &Bracket::from(probes),
            entries: reading
                .kernel
                .entries()
                .zip(attachment.entries)
                .map(|(now, base)| signed(now) - signed(base)),
            column: &|spec| {
                let column = live_column(spec, stat)?;
                let risen = kernel
                    .total(column)
                    .zip(attachment.columns.get(spec.id).copied())
                    .map(|(now, base)| signed(now) - signed(base));
                risen.ok_or_else(|| format!("column {column} was not there from the start").into())
            },
            coverage,
            missed: probes.missed,
            unexplained_drops: unexplained_drops(attachment, probes, kernel),
            grace,
        }
        .checks()
    }
}

/// Drops that the kernel counted since the probes were attached, less those the probes know the reason of.
fn unexplained_drops(attachment: &Attachment, probes: &ProbeReading, kernel: &Accumulator) -> u64 {
    let spec = Counter::Drop.spec();
    let dropped = spec
        .column
        .and_then(|column| kernel.total(column))
        .zip(attachment.columns.get(spec.id))
        .map_or(0, |(now, base)| now.saturating_sub(*base));
    let explained: u64 = [ProbeCounter::TableFullPacket, ProbeCounter::ClashFailed]
        .map(|counter| {
            let i = counter.index();
            probes.after[i].saturating_sub(attachment.base.after[i])
        })
        .iter()
        .sum();
    dropped.saturating_sub(explained)
}
