//! The charts that Netdata gets: the six of the manual, and beside them what happens within their seconds.

use crate::model::{
    kernel::{
        charts::{CHARTS, Chart, Dimension, Quantity},
        counters::{COUNTERS, Counter},
    },
    record::{Percentiles, Sample},
};

/// Which ids the six charts have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// Our own, which collide with no other collector's.
    Own,
    /// Those of Netdata's own collector, for dashboards and alerts made for it. That collector must be off.
    Netdata,
}

impl Ids {
    /// The context of the chart of entries in the table, which an alert is about.
    #[must_use]
    pub fn entries_context(self) -> String {
        ChartKind::Table(0).context(self)
    }
}

/// A chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ChartKind {
    /// One of the six, by its index in [`CHARTS`].
    Table(usize),
    /// The rates of its busiest buckets.
    Peak(usize),
    /// The rates that one bucket in a hundred exceeds.
    Percentile(usize),
    Utilization,
    Limit,
    TimeToFull,
    Bursts,
}

/// A value of a chart at one time; without one there is a gap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct DimensionValue {
    pub(super) dimension: &'static str,
    pub(super) below: bool,
    pub(super) value: Option<f64>,
}

/// What the ids of our own charts start with: their type, and what they are about.
const OWN_PREFIX: &str = "ctpulse.conntrack_";

/// The dimensions of charts that have a single one.
const USED: &str = "used";
const MAX: &str = "max";
const ESTIMATE: &str = "estimate";

/// The chart of entries.
const ENTRIES: usize = 0;

/// What Netdata's own collector draws: title and place in the list, in the order of [`CHARTS`].
const REFERENCE: [(&str, u32); CHARTS.len()] = [
    ("Connection Tracker Connections", 8700),
    ("Connection Tracker New Connections", 8701),
    ("Connection Tracker Changes", 8702),
    ("Connection Tracker Expectations", 8703),
    ("Connection Tracker Searches", 8710),
    ("Connection Tracker Errors", 8705),
];

/// The place in the list of our first chart; those of each of the six have ten.
const FIRST: u32 = 8720;

impl ChartKind {
    /// Every chart, in the order of their places.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let table = [Self::Utilization, Self::Limit, Self::TimeToFull];
        let rates = (ENTRIES + 1..CHARTS.len()).flat_map(|chart| {
            [
                Self::Table(chart),
                Self::Peak(chart),
                Self::Percentile(chart),
            ]
        });
        [Self::Table(ENTRIES)]
            .into_iter()
            .chain(table)
            .chain(rates)
            .chain([Self::Bursts])
    }

    /// Its id, without that of a namespace; and what Netdata groups the charts of all namespaces by.
    pub(super) fn context(self, ids: Ids) -> String {
        match self {
            Self::Table(chart) if ids == Ids::Netdata => CHARTS[chart].name.to_owned(),
            Self::Table(chart) => format!("{OWN_PREFIX}{}", CHARTS[chart].short_name()),
            Self::Peak(chart) => format!("{OWN_PREFIX}{}_peak", CHARTS[chart].short_name()),
            Self::Percentile(chart) => format!("{OWN_PREFIX}{}_p99", CHARTS[chart].short_name()),
            Self::Utilization => format!("{OWN_PREFIX}utilization"),
            Self::Limit => format!("{OWN_PREFIX}max"),
            Self::TimeToFull => format!("{OWN_PREFIX}time_to_full"),
            Self::Bursts => format!("{OWN_PREFIX}bursts"),
        }
    }

    pub(super) fn title(self, ids: Ids) -> String {
        match self {
            Self::Table(chart) if ids == Ids::Netdata => REFERENCE[chart].0.to_owned(),
            Self::Table(chart) => CHARTS[chart].title.to_owned(),
            Self::Peak(chart) => format!("{}, busiest millisecond", CHARTS[chart].title),
            Self::Percentile(chart) => {
                format!("{}, 99th percentile of milliseconds", CHARTS[chart].title)
            }
            Self::Utilization => "Utilization of the table".to_owned(),
            Self::Limit => "nf_conntrack_max".to_owned(),
            Self::TimeToFull => "Time until the table is full".to_owned(),
            Self::Bursts => "Bursts".to_owned(),
        }
    }

    pub(super) fn unit(self) -> &'static str {
        match self {
            Self::Table(chart) | Self::Peak(chart) | Self::Percentile(chart) => CHARTS[chart].unit,
            Self::Utilization => "%",
            Self::Limit => "connections",
            Self::TimeToFull => "seconds",
            Self::Bursts => "bursts",
        }
    }

    pub(super) fn priority(self, ids: Ids) -> u32 {
        let place = |chart: usize, more: u32| FIRST + 10 * index(chart) + more;
        match self {
            Self::Table(chart) if ids == Ids::Netdata => REFERENCE[chart].1,
            Self::Table(chart) => place(chart, 0),
            Self::Peak(chart) => place(chart, 1),
            Self::Percentile(chart) => place(chart, 2),
            Self::Utilization => place(ENTRIES, 1),
            Self::Limit => place(ENTRIES, 2),
            Self::TimeToFull => place(ENTRIES, 3),
            Self::Bursts => place(CHARTS.len(), 0),
        }
    }

    /// Its dimensions as the manual shows them.
    fn dimensions(self) -> Vec<String> {
        match self {
            Self::Table(chart) | Self::Peak(chart) | Self::Percentile(chart) => {
                let dimensions = CHARTS[chart].dimensions.iter();
                let shown = dimensions.map(|dimension| match dimension.below {
                    true => format!("*{}*", name(dimension)),
                    false => name(dimension).to_owned(),
                });
                shown.collect()
            }
            Self::Utilization => vec![USED.to_owned()],
            Self::Limit => vec![MAX.to_owned()],
            Self::TimeToFull => vec![ESTIMATE.to_owned()],
            Self::Bursts => vec!["each counter that probes count".to_owned()],
        }
    }

    /// Its values in a sample, and in the bursts that ended meanwhile.
    pub(super) fn points(
        self,
        sample: &Sample,
        bursts: &dyn Fn(Counter) -> f64,
    ) -> Vec<DimensionValue> {
        let single = |dimension, value| {
            vec![DimensionValue {
                dimension,
                below: false,
                value,
            }]
        };
        match self {
            Self::Table(chart) => of_dimensions(chart, |order, _| {
                let value = sample.value(chart, order);
                value.filter(|_| !sample.is_wrong(chart, order))
            }),
            Self::Peak(chart) => {
                of_dimensions(chart, |_, counter| Some(peak(sample, counter?)?.rate))
            }
            Self::Percentile(chart) => {
                of_dimensions(chart, |_, counter| percentile(sample, counter?))
            }
            Self::Utilization => single(USED, sample.utilization),
            // As exact as a floating-point number: the kernel's limit has 32 bits.
            Self::Limit => single(MAX, sample.max.map(|max| max as f64)),
            Self::TimeToFull => single(ESTIMATE, sample.time_to_full_s.map(|time| time.estimate)),
            Self::Bursts => {
                let counters = COUNTERS.iter().map(|spec| DimensionValue {
                    dimension: spec.name,
                    below: false,
                    value: peak(sample, spec.id).map(|_| bursts(spec.id)),
                });
                counters.collect()
            }
        }
    }
}

/// The manual's table of all charts.
#[must_use]
pub fn table() -> String {
    let mut table = "| chart | with `--ids netdata` | title | unit | dimensions; those in italics are drawn below zero |\n\
         |---|---|---|---|---|\n"
        .to_owned();
    for kind in ChartKind::all() {
        let [own, theirs] = [Ids::Own, Ids::Netdata].map(|ids| kind.context(ids));
        let renamed = if own == theirs {
            String::new()
        } else {
            format!("`{theirs}`")
        };
        table += &format!(
            "| `{own}` | {renamed} | {} | {} | {} |\n",
            kind.title(Ids::Own),
            kind.unit(),
            kind.dimensions().join(", ")
        );
    }
    table
}

/// The busiest bucket of a counter, where one counts it in buckets and no check proves that wrong.
fn peak(sample: &Sample, counter: Counter) -> Option<&crate::model::record::Peak> {
    let peak = sample.peaks.get(counter);
    peak.filter(|_| sample.wrong.get(counter).is_none())
}

/// The rate that one bucket in a hundred exceeds. A counter that did not rise has no distribution: all its buckets were empty.
fn percentile(sample: &Sample, counter: Counter) -> Option<f64> {
    peak(sample, counter)?;
    let of = sample.histograms.as_ref()?.get(counter);
    Some(of.map_or(0.0, |percentiles: &Percentiles| percentiles.p99))
}

/// The values of one of the six charts.
fn of_dimensions(
    chart: usize,
    value: impl Fn(usize, Option<Counter>) -> Option<f64>,
) -> Vec<DimensionValue> {
    let Chart { dimensions, .. } = &CHARTS[chart];
    let points = dimensions.iter().enumerate().map(|(order, dimension)| {
        let counter = match dimension.quantity {
            Quantity::Entries => None,
            Quantity::Rate(counter) => Some(counter),
        };
        DimensionValue {
            dimension: name(dimension),
            below: dimension.below,
            value: value(order, counter),
        }
    });
    points.collect()
}

/// What Netdata's own collector calls a dimension. Its documentation, whose names the other formats have, calls one differently.
fn name(dimension: &Dimension) -> &'static str {
    match dimension.quantity {
        Quantity::Rate(counter @ Counter::InsertFailed) => counter.spec().name,
        _ => dimension.name,
    }
}

fn index(chart: usize) -> u32 {
    u32::try_from(chart).unwrap_or(u32::MAX / 100)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use crate::model::kernel::charts::PREFIX;

    use super::*;

    #[test]
    fn ids_and_places_are_different() {
        for ids in [Ids::Own, Ids::Netdata] {
            let (mut contexts, mut places) = (HashSet::new(), HashSet::new());
            for kind in ChartKind::all() {
                assert!(contexts.insert(kind.context(ids)), "{kind:?}");
                assert!(places.insert(kind.priority(ids)), "{kind:?}");
            }
        }
    }

    #[test]
    fn own_ids_are_all_of_one_type() {
        for kind in ChartKind::all() {
            assert!(kind.context(Ids::Own).starts_with(OWN_PREFIX), "{kind:?}");
        }
        let theirs = ChartKind::all().filter(|kind| {
            let context = kind.context(Ids::Netdata);
            context.starts_with(PREFIX)
        });
        assert_eq!(theirs.count(), CHARTS.len());
    }
}
