//! The totals of one instance since the start of the run, from the kernel's columns and from all attachments of the probes; and
//! their comparison.

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
            bracket::Bracket,
            conservation::{Conservation, LawInputs},
            crosscheck::Comparison,
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

/// Totals since the start of the run.
#[derive(Debug)]
pub(super) struct Totals {
    kernel: Accumulator,
    attachment: Option<Attachment>,
    /// How each counter that is probed now is counted.
    probed: PerCounter<Selector>,
    /// The totals of earlier attachments.
    carried: ProbeTotals,
    /// How each counter that was ever probed is counted.
    counted: PerCounter<Selector>,
    /// Probe hits that the kernel missed since the start; `None` without probes, or if it does not count them.
    pub(super) missed: Option<u64>,
    /// Events lost since the start because kernel memory could not be read; `None` without probes.
    pub(super) faults: Option<u64>,
}

/// The current attachment of the probes, with its first reading as the baseline.
#[derive(Debug)]
struct Attachment {
    base: Bracket,
    entries: Option<u64>,
    conservation: Conservation,
    columns: PerCounter<u64>,
    last: ProbeTotals,
    /// Hits missed in earlier attachments: the kernel counts from 0 for each.
    missed_before: Option<u64>,
    faults_before: u64,
}

impl Totals {
    /// Starts at 0.
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

    /// Adds a snapshot of the kernel's columns.
    pub(super) fn add_kernel(&mut self, stat: &ProcStat) {
        self.kernel.add(stat);
    }

    /// Adds the probes' counts. The first reading of an attachment is its baseline.
    pub(super) fn add_probes(&mut self, reading: &ProbeReading, kernel: &KernelReading) {
        let columns = &self.kernel;
        let attachment = self.attachment.get_or_insert_with(|| {
            for (counter, selector) in self.probed.iter() {
                self.counted.set(counter, Some(*selector));
            }
            Attachment {
                base: Bracket::from(reading),
                entries: kernel.entries(),
                conservation: Conservation::new(kernel.entries(), reading.in_flight),
                columns: PerCounter::from_fn(|spec| columns.total(spec.column?)),
                last: reading.after,
                missed_before: match self.faults {
                    Some(_) => self.missed,
                    None => Some(0),
                },
                faults_before: self.faults.unwrap_or_default(),
            }
        });
        self.missed = attachment
            .missed_before
            .zip(reading.missed)
            .map(|(before, now)| before + now);
        self.faults = Some(attachment.faults_before + reading.faults);
        attachment.last = reading.after;
    }

    /// Adds the probes' counts after the last reading.
    pub(super) fn add_last(&mut self, reading: &ProbeReading) {
        if let Some(attachment) = &mut self.attachment {
            attachment.last = reading.after;
        }
    }

    /// Starts a new attachment of the probes, or ends the last one. The totals so far are kept.
    pub(super) fn set_coverage(&mut self, coverage: &Coverage) {
        if let Some(attachment) = self.attachment.take() {
            let counts = attachment.last.iter().zip(&attachment.base.after);
            for (carried, (last, base)) in self.carried.iter_mut().zip(counts) {
                *carried += last.saturating_sub(*base);
            }
        }
        self.probed = probed(coverage);
    }

    /// How each counter that is probed now is counted.
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

    /// A counter's total from the kernel's column, if it is live.
    pub(super) fn of_kernel(&self, spec: &CounterSpec, origins: &Origins) -> Option<u64> {
        match origins.get(spec.id)? {
            Origin::Kernel(column) => self.kernel.total(column),
            Origin::Probe(_) | Origin::Unavailable(_) => None,
        }
    }

    /// A counter's total from the probes, whatever its origin, and even after they are gone.
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

    /// The checks of a reading that was added; none without probes.
    pub(super) fn checks(
        &mut self,
        reading: &InstanceReading,
        era: Option<Era>,
        coverage: &Coverage,
        grace: &Grace,
    ) -> Vec<Check> {
        let checks = self.compare(reading, era, coverage, grace, &self.kernel);
        if let Some((attachment, probes)) = self.attachment.as_mut().zip(reading.probes.as_ref()) {
            let now = Bracket::from(probes);
            let mut conservation = attachment.conservation;
            conservation.narrow(&numbers(
                attachment,
                &now,
                reading,
                probes,
                coverage,
                &self.kernel,
            ));
            attachment.conservation = conservation;
        }
        checks
    }

    /// The checks of a reading that was not added.
    pub(super) fn preview_checks(
        &self,
        reading: &InstanceReading,
        era: Option<Era>,
        coverage: &Coverage,
        grace: &Grace,
    ) -> Vec<Check> {
        if self.attachment.is_none() {
            return Vec::new();
        }
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
        let now = Bracket::from(probes);
        Comparison {
            numbers: numbers(attachment, &now, reading, probes, coverage, kernel),
            entries_before: attachment.entries,
            conservation: &attachment.conservation,
            column: &|spec| {
                let column = live_column(spec, stat)?;
                let risen = kernel
                    .total(column)
                    .zip(attachment.columns.get(spec.id).copied())
                    .map(|(now, base)| signed(now) - signed(base));
                risen.ok_or_else(|| format!("column {column} was not there from the start").into())
            },
            missed: probes.missed,
            grace,
        }
        .checks()
    }
}

/// The numbers that the laws of conservation are about.
fn numbers<'a>(
    attachment: &'a Attachment,
    now: &'a Bracket,
    reading: &InstanceReading,
    probes: &ProbeReading,
    coverage: &'a Coverage,
    kernel: &Accumulator,
) -> LawInputs<'a> {
    LawInputs {
        base: &attachment.base,
        now,
        entries: reading.kernel.entries(),
        unseen_drops: unexplained_drops(attachment, probes, kernel),
        in_flight: probes.in_flight,
        coverage,
    }
}

/// Drops that the kernel has counted since the probes were attached, except those for which the probes saw a reason.
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
