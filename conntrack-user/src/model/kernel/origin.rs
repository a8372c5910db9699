//! Where each counter comes from on this host: a column of the kernel, a probe, or nowhere, with the reason.

use thiserror::Error;

use crate::{
    model::kernel::{
        counters::{COUNTERS, Counter, CounterSpec},
        era::{ColumnState, Era},
        per_counter::PerCounter,
    },
    reading::{
        coverage::Coverage, proc_stat::ProcStat, selector::Selector, unavailable::Unavailable,
    },
};

/// Where a counter comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A column of the kernel that is live and counts the same. Preferred: it costs nothing and misses nothing.
    Kernel(&'static str),
    Probe(Selector),
    /// Nowhere, for this reason.
    Unavailable(Unavailable),
}

/// The origin of each counter.
pub type Origins = PerCounter<Origin>;

/// Decides the origin of each counter from the kernel's columns (`None`: there is no stat file) and from the probes' coverage.
#[must_use]
pub fn origins(stat: Option<(&ProcStat, Era)>, coverage: &Coverage) -> Origins {
    PerCounter::from_fn(|spec| Some(origin(spec, stat, coverage)))
}

fn origin(spec: &CounterSpec, stat: Option<(&ProcStat, Era)>, coverage: &Coverage) -> Origin {
    let kernel = live_column(spec, stat);
    if let Ok(column) = kernel {
        return Origin::Kernel(column);
    }
    let probe = spec.probe.map(|source| match coverage.missing(source) {
        None => Ok(source),
        Some(reason) => Err(format!("no probe: {reason}")),
    });
    match (kernel, probe) {
        (_, Some(Ok(source))) => Origin::Probe(source),
        // Never counted by any kernel.
        (_, Some(Err(reason))) if spec.column.is_none() => Origin::Unavailable(reason.into()),
        (Err(kernel), Some(Err(probe))) => Origin::Unavailable(format!("{kernel}; {probe}").into()),
        (Err(kernel), None) => Origin::Unavailable(kernel.into()),
        (Ok(column), _) => Origin::Kernel(column),
    }
}

/// Why the kernel's statistics do not have a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoColumn {
    /// No kernel has such a column.
    #[error("no kernel has a counter of its own for it")]
    Never,
    /// They cannot be read.
    #[error("the kernel's counters cannot be read")]
    Unreadable,
    /// The kernel stopped counting it in this release.
    #[error("not counted by the kernel since {0}")]
    Since(&'static str),
    /// This kernel does not have the column.
    #[error("this kernel has no column {0}")]
    Absent(&'static str),
}

impl From<NoColumn> for Unavailable {
    fn from(reason: NoColumn) -> Self {
        reason.to_string().into()
    }
}

/// The column in which this kernel counts a counter.
///
/// # Errors
///
/// When there is none.
pub fn live_column(
    spec: &CounterSpec,
    stat: Option<(&ProcStat, Era)>,
) -> Result<&'static str, NoColumn> {
    let column = spec.column.ok_or(NoColumn::Never)?;
    let (stat, era) = stat.ok_or(NoColumn::Unreadable)?;
    let state = match stat.column_index(column) {
        Some(_) => era.column_state(column),
        None => ColumnState::Absent,
    };
    match state {
        ColumnState::Live => Ok(column),
        ColumnState::LiveNarrow(_) if spec.narrow_column => Ok(column),
        _ => Err(match spec.gone {
            Some(release) => NoColumn::Since(release),
            None => NoColumn::Absent(column),
        }),
    }
}

/// How the probes count each counter that they cover, whether or not the kernel counts it too.
#[must_use]
pub fn probed(coverage: &Coverage) -> PerCounter<Selector> {
    PerCounter::from_fn(|spec| {
        spec.probe
            .filter(|&source| coverage.missing(source).is_none())
    })
}

/// The unavailable counters with their reasons, in table order.
pub fn unavailable(origins: &Origins) -> impl Iterator<Item = (Counter, &Unavailable)> {
    COUNTERS
        .iter()
        .filter_map(|spec| match origins.get(spec.id) {
            Some(Origin::Unavailable(reason)) => Some((spec.id, reason)),
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use conntrack_ebpf::ProbeCounter;

    const V5_15: &str = "entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart\n\
        00000000  00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000  00000000 00000000 00000000 00000000\n";
    const V4_4: &str = "entries  searched found new invalid ignore delete delete_list insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart\n\
        00000000  00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000  00000000 00000000 00000000 00000000\n";

    fn check(text: &str, era: Era, coverage: &Coverage, counter: Counter) -> Origin {
        let stat = ProcStat::parse(text).unwrap();
        origins(Some((&stat, era)), coverage)
            .get(counter)
            .cloned()
            .unwrap()
    }

    #[test]
    fn a_dead_column_is_replaced_by_its_probe() {
        let all = Coverage::except(Vec::new());
        assert!(matches!(
            check(V5_15, Era::From5_15, &all, Counter::New),
            Origin::Probe(_)
        ));
        assert!(matches!(
            check(V5_15, Era::From5_15, &all, Counter::Inserted),
            Origin::Probe(_)
        ));
        assert!(matches!(
            check(V5_15, Era::From5_15, &all, Counter::DeleteList),
            Origin::Probe(_)
        ));
    }

    #[test]
    fn a_dead_column_without_a_probe_is_unavailable_for_both_reasons() {
        let none = Coverage::none("this kernel has no kprobes");
        let Origin::Unavailable(reason) = check(V5_15, Era::From5_15, &none, Counter::New) else {
            panic!("expected it to be unavailable")
        };
        let reason = reason.to_string();
        assert!(reason.contains("4.9"), "{reason}");
        assert!(reason.contains("no kprobes"), "{reason}");
        assert!(matches!(
            check(V5_15, Era::From5_15, &none, Counter::Searched),
            Origin::Unavailable(_)
        ));
    }

    #[test]
    fn what_no_kernel_counts_is_unavailable_for_want_of_a_probe() {
        let none = Coverage::none("this kernel has no kprobes");
        assert_eq!(
            check(V5_15, Era::From5_15, &none, Counter::Alloc),
            Origin::Unavailable("no probe: this kernel has no kprobes".into())
        );
    }

    #[test]
    fn what_is_unavailable_is_listed_with_its_reason() {
        let stat = ProcStat::parse(V5_15).unwrap();
        let missing = vec![(ProbeCounter::Free, "it is inlined".into())];
        let origins = origins(Some((&stat, Era::From5_15)), &Coverage::except(missing));
        let listed: Vec<(Counter, String)> = unavailable(&origins)
            .map(|(counter, reason)| (counter, reason.to_string()))
            .collect();
        let expected = [
            (Counter::Free, "no probe: it is inlined"),
            (Counter::Searched, "not counted by the kernel since 4.9"),
        ];
        assert_eq!(
            listed,
            expected.map(|(counter, why)| (counter, why.to_owned()))
        );
    }

    #[test]
    fn a_live_column_is_preferred() {
        let all = Coverage::except(Vec::new());
        assert_eq!(
            check(V4_4, Era::UpTo4_8, &all, Counter::New),
            Origin::Kernel("new")
        );
        assert_eq!(
            check(V4_4, Era::UpTo4_8, &all, Counter::Inserted),
            Origin::Kernel("insert")
        );
        assert_eq!(
            check(V5_15, Era::From5_15, &all, Counter::ExpectNew),
            Origin::Kernel("expect_new")
        );
        assert_eq!(
            check(V5_15, Era::From5_15, &all, Counter::Insert),
            Origin::Kernel("insert")
        );
        assert_eq!(
            check(V5_15, Era::From5_15, &all, Counter::Found),
            Origin::Kernel("found")
        );
    }

    #[test]
    fn one_missing_probe_costs_only_what_it_feeds() {
        let no_expect =
            Coverage::except(vec![(ProbeCounter::ExpectNew, "no such function".into())]);
        assert!(matches!(
            check(V5_15, Era::From5_15, &no_expect, Counter::New),
            Origin::Unavailable(_)
        ));
        assert!(matches!(
            check(V5_15, Era::From5_15, &no_expect, Counter::Inserted),
            Origin::Probe(_)
        ));
    }

    #[test]
    fn without_the_stat_file_probes_still_count() {
        let all = Coverage::except(Vec::new());
        let origins = origins(None, &all);
        assert!(matches!(origins.get(Counter::New), Some(Origin::Probe(_))));
        assert!(matches!(
            origins.get(Counter::SearchRestart),
            Some(Origin::Unavailable(_))
        ));
    }
}
