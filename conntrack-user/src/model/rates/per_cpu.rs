//! Counters by CPU, which sums hide.
//!
//! The kernel's rows are in the order of the ids of possible CPUs, but without the ids; the probes' cells are indexed by id. Both
//! are mapped to the order of the possible CPUs.

use conntrack_ebpf::{COUNTER_SLOTS, ProbeCounter};

use crate::{
    model::{
        kernel::{
            origin::{Origin, Origins},
            per_counter::PerCounter,
        },
        rates::delta::RowDelta,
        record::{PerCpu, Skew},
    },
    reading::{
        cpus::CpuReading, probes::ProbeTotals, proc_stat::ProcStat, selector::Selector,
        unavailable::Unavailable,
    },
};

/// The counts of each CPU over time.
#[derive(Clone, Debug, Default)]
pub struct Cpus {
    stat: Option<ProcStat>,
    /// By row, since the start.
    columns: PerCounter<Vec<u64>>,
    cells: Option<Vec<ProbeTotals>>,
    /// By CPU id, since the start.
    probed: Vec<ProbeTotals>,
    previous: PerCounter<(Origin, Vec<u64>)>,
}

impl Cpus {
    /// Adds a reading without computing rates, as when probes were attached.
    pub fn add(&mut self, reading: &CpuReading, stat: Option<&ProcStat>) {
        if let Some(stat) = stat {
            self.add_rows(stat);
        }
        if let Some(cells) = &reading.probes {
            self.add_cells(cells);
        }
    }

    /// Probes were detached: new ones count from 0.
    pub fn detach(&mut self) {
        self.cells = None;
    }

    /// Adds the reading that ends an interval of `seconds`; returns the rates of each CPU.
    pub fn observe(
        &mut self,
        reading: &CpuReading,
        stat: Option<&ProcStat>,
        origins: &Origins,
        interval_s: f64,
    ) -> PerCpu {
        self.add(reading, stat);
        let mut unknown = reading.ids.as_ref().err().cloned();
        let totals: PerCounter<(Origin, Vec<u64>)> = PerCounter::from_fn(|spec| {
            let origin = origins.get(spec.id)?;
            let totals = match origin {
                Origin::Kernel(_) => {
                    let rows = self.columns.get(spec.id)?;
                    let possible = reading
                        .ids
                        .as_ref()
                        .map_or(rows.len(), |ids| ids.possible.len());
                    if rows.len() != possible {
                        unknown = Some(Unavailable::from(format!(
                            "the kernel's statistics have {} rows for {possible} possible CPUs",
                            rows.len()
                        )));
                        return None;
                    }
                    rows.clone()
                }
                Origin::Probe(source) => {
                    let ids = reading.ids.as_ref().ok()?;
                    let total = |&id: &u32| self.probed.get(id as usize).map(|t| made(source, t));
                    ids.possible.iter().map(total).collect::<Option<_>>()?
                }
                Origin::Unavailable(_) => return None,
            };
            Some((origin.clone(), totals))
        });
        let moved: PerCounter<Vec<u64>> = PerCounter::from_fn(|spec| {
            let (origin, now) = totals.get(spec.id)?;
            let (same, before) = self.previous.get(spec.id)?;
            if same != origin || before.len() != now.len() || interval_s <= 0.0 {
                return None;
            }
            let moved: Vec<u64> = now
                .iter()
                .zip(before)
                .map(|(now, before)| now.saturating_sub(*before))
                .collect();
            moved.iter().any(|&n| n > 0).then_some(moved)
        });
        let rate = |&events: &u64| events as f64 / interval_s;
        let online = reading.ids.as_ref().map(|ids| ids.online.len()).ok();
        let shown = PerCpu {
            cpus: reading.ids.as_ref().ok().map(|ids| ids.possible.clone()),
            unknown: unknown.map(Unavailable::into_reason),
            skew: PerCounter::from_fn(|spec| skew(moved.get(spec.id)?, online)),
            rates: PerCounter::from_fn(|spec| Some(moved.get(spec.id)?.iter().map(rate).collect())),
            totals: PerCounter::from_fn(|spec| {
                let (_, totals) = totals.get(spec.id)?;
                totals.iter().any(|&n| n > 0).then(|| totals.clone())
            }),
        };
        self.previous = totals;
        shown
    }

    fn add_rows(&mut self, stat: &ProcStat) {
        let rows = stat.row_count();
        if self
            .stat
            .as_ref()
            .is_none_or(|last| last.row_count() != rows)
        {
            self.columns = PerCounter::default();
        }
        let moved = self.stat.as_ref().map(|last| RowDelta::new(last, stat));
        for spec in &crate::model::kernel::counters::COUNTERS {
            let Some(column) = spec.column.filter(|name| stat.column_index(name).is_some()) else {
                continue;
            };
            let totals = self.columns.get_or_insert_with(spec.id, || vec![0; rows]);
            let moved = moved.as_ref().and_then(|moved| moved.get(column));
            for (total, moved) in totals.iter_mut().zip(moved.unwrap_or_default()) {
                *total += moved;
            }
        }
        self.stat = Some(stat.clone());
    }

    fn add_cells(&mut self, cells: &[ProbeTotals]) {
        self.probed
            .resize(self.probed.len().max(cells.len()), [0; COUNTER_SLOTS]);
        if let Some(last) = &self.cells {
            for (total, (now, before)) in self.probed.iter_mut().zip(cells.iter().zip(last)) {
                for (total, (now, before)) in total.iter_mut().zip(now.iter().zip(before)) {
                    *total += now.saturating_sub(*before);
                }
            }
        }
        self.cells = Some(cells.to_vec());
    }
}

/// The count of a counter on one CPU. The count that is subtracted may have been made on another CPU, when the call has migrated;
/// so the result is clamped to 0.
fn made(source: &Selector, totals: &ProbeTotals) -> u64 {
    let sum =
        |counters: &[ProbeCounter]| -> u64 { counters.iter().map(|c| totals[c.index()]).sum() };
    sum(source.plus).saturating_sub(sum(source.minus))
}

/// How unevenly these events were spread; there is at least one of them. `online`: the number of CPUs that run, if known; else all
/// count.
fn skew(moved: &[u64], online: Option<usize>) -> Option<Skew> {
    let (busiest, most) = moved
        .iter()
        .copied()
        .enumerate()
        .rev()
        .max_by_key(|&(_, events)| events)?;
    let (most, sum) = (most as f64, moved.iter().sum::<u64>() as f64);
    let cpus = online.filter(|&n| n > 0).unwrap_or(moved.len());
    Some(Skew {
        busiest,
        share: most * 100.0 / sum,
        ratio: most * cpus as f64 / sum,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        model::kernel::counters::Counter,
        reading::{coverage::Coverage, cpus::CpuIds, proc_stat::kernel_text},
    };

    fn ids(possible: &[u32], online: &[u32]) -> Result<CpuIds, Unavailable> {
        Ok(CpuIds {
            possible: possible.to_vec(),
            online: online.to_vec(),
        })
    }

    /// `found` of each row.
    fn stat(found: &[u32]) -> ProcStat {
        let rows: Vec<[u32; 2]> = found.iter().map(|&n| [7, n]).collect();
        ProcStat::parse(&kernel_text(&["entries", "found"], &rows)).unwrap()
    }

    /// `inserted` of each CPU id.
    fn cells(inserted: &[u64]) -> Option<Vec<ProbeTotals>> {
        let cell = |&n: &u64| {
            let mut totals = [0; COUNTER_SLOTS];
            totals[ProbeCounter::Inserted.index()] = n;
            totals
        };
        Some(inserted.iter().map(cell).collect())
    }

    fn origins() -> Origins {
        let coverage = Coverage::except(Vec::new());
        let mut origins = crate::model::kernel::origin::origins(None, &coverage);
        origins.set(Counter::Found, Some(Origin::Kernel("found")));
        origins
    }

    #[test]
    fn rows_and_cells_are_matched_by_cpu_id() {
        let mut cpus = Cpus::default();
        let reading = |inserted: &[u64]| CpuReading {
            ids: ids(&[0, 1, 4], &[0, 4]),
            probes: cells(inserted),
        };
        let origins = origins();
        // Cell 4 belongs to CPU 4, which has the third row.
        let first = cpus.observe(
            &reading(&[100, 0, 0, 0, 5]),
            Some(&stat(&[u32::MAX, 0, 9])),
            &origins,
            0.0,
        );
        assert_eq!(first.cpus, Some(vec![0, 1, 4]));
        assert_eq!(
            (first.rates.iter().count(), first.totals.iter().count()),
            (0, 0)
        );

        let second = cpus.observe(
            &reading(&[100, 0, 0, 0, 65]),
            Some(&stat(&[9, 0, 39])),
            &origins,
            0.5,
        );
        assert_eq!(second.unknown, None);
        assert_eq!(
            second.totals.iter().collect::<Vec<_>>(),
            [
                (Counter::Inserted, &vec![0, 0, 60]),
                (Counter::Found, &vec![10, 0, 30])
            ]
        );
        assert_eq!(
            second.rates.get(Counter::Found),
            Some(&vec![20.0, 0.0, 60.0])
        );
        let skew = |busiest, share, ratio| Skew {
            busiest,
            share,
            ratio,
        };
        assert_eq!(second.skew.get(Counter::Found), Some(&skew(2, 75.0, 1.5)));
        assert_eq!(
            second.skew.get(Counter::Inserted),
            Some(&skew(2, 100.0, 2.0))
        );

        let third = cpus.observe(
            &reading(&[100, 0, 0, 0, 65]),
            Some(&stat(&[9, 0, 39])),
            &origins,
            0.5,
        );
        assert_eq!(third.rates.iter().count(), 0, "nothing moved");
        assert_eq!(third.totals, second.totals);
    }

    #[test]
    fn new_probes_count_from_0() {
        let mut cpus = Cpus::default();
        let reading = |inserted: &[u64]| CpuReading {
            ids: ids(&[0], &[0]),
            probes: cells(inserted),
        };
        let origins = origins();
        for inserted in [3, 10] {
            cpus.observe(&reading(&[inserted]), None, &origins, 1.0);
        }
        cpus.detach();
        cpus.add(&reading(&[2]), None);
        let shown = cpus.observe(&reading(&[3]), None, &origins, 1.0);
        assert_eq!(shown.totals.get(Counter::Inserted), Some(&vec![8]));
        assert_eq!(shown.rates.get(Counter::Inserted), Some(&vec![1.0]));
        // Also if they have counted more than the ones before.
        cpus.detach();
        cpus.add(&reading(&[50]), None);
        let shown = cpus.observe(&reading(&[52]), None, &origins, 1.0);
        assert_eq!(shown.totals.get(Counter::Inserted), Some(&vec![10]));
    }

    #[test]
    fn a_rate_needs_an_interval_in_which_nothing_changed_but_the_counts() {
        let reading = CpuReading {
            ids: Err("not this machine".into()),
            probes: None,
        };
        let rates = |second: &[u32], column, interval_s| {
            let mut cpus = Cpus::default();
            let stat = |found: &[u32]| {
                let rows: Vec<_> = found.iter().map(|&n| [7, n, n]).collect();
                let text = kernel_text(&["entries", "found", "insert"], &rows);
                ProcStat::parse(&text).unwrap()
            };
            cpus.observe(&reading, Some(&stat(&[1, 2])), &origins(), 1.0);
            let mut origins = origins();
            origins.set(Counter::Found, Some(Origin::Kernel(column)));
            let shown = cpus.observe(&reading, Some(&stat(second)), &origins, interval_s);
            shown.rates.get(Counter::Found).cloned()
        };
        assert_eq!(rates(&[1, 6], "found", 0.5), Some(vec![0.0, 8.0]));
        assert_eq!(rates(&[1, 6], "found", 0.0), None);
        assert_eq!(rates(&[1, 6], "insert", 0.5), None);
        assert_eq!(rates(&[1, 6, 3], "found", 0.5), None);
    }

    #[test]
    fn without_ids_rows_are_numbered() {
        let mut cpus = Cpus::default();
        let reading = CpuReading {
            ids: Err("not this machine".into()),
            probes: None,
        };
        cpus.observe(&reading, Some(&stat(&[1, 2])), &origins(), 1.0);
        let shown = cpus.observe(&reading, Some(&stat(&[1, 6])), &origins(), 1.0);
        assert_eq!(shown.cpus, None);
        assert_eq!(
            shown.unknown.as_ref().map(|t| t.raw()),
            Some("not this machine")
        );
        assert_eq!(shown.rates.get(Counter::Found), Some(&vec![0.0, 4.0]));
        assert_eq!(shown.skew.get(Counter::Found).unwrap().ratio, 2.0);
    }

    #[test]
    fn the_busiest_is_compared_with_those_that_run_if_any_are_known_to() {
        let ratio = |online| skew(&[3, 0, 0, 1], online).map(|skew| skew.ratio);
        assert_eq!(ratio(Some(2)), Some(1.5));
        assert_eq!(ratio(Some(0)), Some(3.0));
        assert_eq!(ratio(None), Some(3.0));
    }

    #[test]
    fn rows_that_do_not_match_the_ids_are_not_used() {
        let mut cpus = Cpus::default();
        let reading = CpuReading {
            ids: ids(&[0, 1, 2], &[0, 1, 2]),
            probes: cells(&[1, 1, 1]),
        };
        let shown = cpus.observe(&reading, Some(&stat(&[1, 2])), &origins(), 1.0);
        assert_eq!(
            shown.unknown.as_ref().map(|t| t.raw()),
            Some("the kernel's statistics have 2 rows for 3 possible CPUs")
        );
        assert_eq!(shown.totals.get(Counter::Found), None);
    }

    proptest! {
        /// The CPUs add up to the total, wraps included, and the busiest one has at least the mean.
        #[test]
        fn cpus_add_up(
            steps in prop::collection::vec(prop::collection::vec(0_u32..100_000, 4), 2..20),
            start in prop::collection::vec(any::<u32>(), 4),
        ) {
            let reading = CpuReading { ids: ids(&[0, 1, 2, 3], &[0, 1, 2, 3]), probes: None };
            let origins = origins();
            let mut cpus = Cpus::default();
            let mut now = start;
            cpus.observe(&reading, Some(&stat(&now)), &origins, 1.0);
            let mut sum = 0;
            for step in steps {
                now.iter_mut().zip(&step).for_each(|(now, n)| *now = now.wrapping_add(*n));
                let moved: u64 = step.iter().map(|&n| u64::from(n)).sum();
                sum += moved;
                let shown = cpus.observe(&reading, Some(&stat(&now)), &origins, 1.0);
                let rates: f64 = shown.rates.get(Counter::Found).iter().flat_map(|r| r.iter()).sum();
                let totals: u64 = shown.totals.get(Counter::Found).iter().flat_map(|t| t.iter()).sum();
                prop_assert_eq!(rates, moved as f64);
                prop_assert_eq!(totals, sum);
                if let Some(skew) = shown.skew.get(Counter::Found) {
                    prop_assert!(skew.ratio >= 1.0 - 1e-9 && skew.ratio <= 4.0 + 1e-9);
                    prop_assert!((skew.share - 25.0 * skew.ratio).abs() < 1e-9);
                    prop_assert!(step.iter().all(|n| *n <= step[skew.busiest]));
                }
            }
        }
    }
}
