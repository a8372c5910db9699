//! The six charts, with the names, dimensions and units that Netdata's conntrack collector documents. The counters' rows say
//! which counter is which dimension.

use crate::model::kernel::counters::{COUNTERS, ChartId, Colour, Counter};

/// The value of a dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// The number of entries in the table: a gauge.
    Entries,
    /// A counter's events per second.
    Rate(Counter),
}

/// A dimension of a chart.
#[derive(Clone, Copy, Debug)]
pub struct Dimension {
    /// Its documented name.
    pub name: &'static str,
    /// The quantity that it shows.
    pub quantity: Quantity,
    /// Whether it is drawn below zero.
    pub below: bool,
    pub colour: Colour,
}

#[derive(Clone, Copy, Debug)]
pub struct Chart {
    /// Identifies it in the counters' rows.
    pub id: ChartId,
    /// Its documented name, such as `netfilter.conntrack_new`.
    pub name: &'static str,
    pub unit: &'static str,
    /// Its title in reports.
    pub title: &'static str,
    /// Its title on the terminal.
    pub label: &'static str,
    /// Its title in three characters.
    pub tag: &'static str,
    /// The heading above its columns of text.
    pub heading: &'static str,
    /// Its dimensions in their documented order.
    pub dimensions: &'static [Dimension],
}

impl Chart {
    /// Its documented name without the common prefix: `new`.
    #[must_use]
    pub fn short_name(&self) -> &'static str {
        self.name.trim_start_matches(PREFIX)
    }
}

/// The common prefix of the charts' documented names.
pub const PREFIX: &str = "netfilter.conntrack_";

const ENTRIES: Dimension = Dimension {
    name: "connections",
    quantity: Quantity::Entries,
    below: false,
    colour: Colour::Green,
};

/// The dimensions of a chart, from the counters' rows. Compilation fails when two counters have the same place, or none has it.
const fn dimensions<const N: usize>(chart: ChartId) -> [Dimension; N] {
    let mut dimensions = [ENTRIES; N];
    let mut found = 0;
    let mut i = 0;
    while i < COUNTERS.len() {
        if let Some(place) = COUNTERS[i].place
            && place.chart as usize == chart as usize
        {
            assert!(
                matches!(dimensions[place.order].quantity, Quantity::Entries),
                "two counters at one place"
            );
            dimensions[place.order] = Dimension {
                name: place.dimension,
                quantity: Quantity::Rate(COUNTERS[i].id),
                below: place.below,
                colour: place.colour,
            };
            found += 1;
        }
        i += 1;
    }
    assert!(
        found == N,
        "a chart has more or fewer dimensions than it says"
    );
    dimensions
}

const NEW: [Dimension; 3] = dimensions(ChartId::New);
const CHANGES: [Dimension; 3] = dimensions(ChartId::Changes);
const EXPECT: [Dimension; 3] = dimensions(ChartId::Expect);
const SEARCH: [Dimension; 3] = dimensions(ChartId::Search);
const ERRORS: [Dimension; 4] = dimensions(ChartId::Errors);

/// The charts in their documented order.
pub const CHARTS: [Chart; 6] = [
    Chart {
        id: ChartId::Sockets,
        name: "netfilter.conntrack_sockets",
        unit: "active connections",
        title: "Entries in the table",
        label: "Connections",
        tag: "tab",
        heading: "table",
        dimensions: &[ENTRIES],
    },
    Chart {
        id: ChartId::New,
        name: "netfilter.conntrack_new",
        unit: "connections/s",
        title: "New connections",
        label: "New",
        tag: "new",
        heading: "new/s",
        dimensions: &NEW,
    },
    Chart {
        id: ChartId::Changes,
        name: "netfilter.conntrack_changes",
        unit: "changes/s",
        title: "Changes of the table",
        label: "Changes",
        tag: "chg",
        heading: "changes/s",
        dimensions: &CHANGES,
    },
    Chart {
        id: ChartId::Expect,
        name: "netfilter.conntrack_expect",
        unit: "expectations/s",
        title: "Expectations",
        label: "Expectations",
        tag: "exp",
        heading: "expectations/s",
        dimensions: &EXPECT,
    },
    Chart {
        id: ChartId::Search,
        name: "netfilter.conntrack_search",
        unit: "searches/s",
        title: "Searches",
        label: "Searches",
        tag: "sea",
        heading: "searches/s",
        dimensions: &SEARCH,
    },
    Chart {
        id: ChartId::Errors,
        name: "netfilter.conntrack_errors",
        unit: "events/s",
        title: "Errors",
        label: "Errors",
        tag: "err",
        heading: "errors/s",
        dimensions: &ERRORS,
    },
];

const _: () = {
    let mut i = 0;
    while i < CHARTS.len() {
        assert!(
            CHARTS[i].id as usize == i,
            "CHARTS and ChartId differ in order"
        );
        i += 1;
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    /// As Netdata documents them: dashboards and alerts that were made for it ask for these.
    const DOCUMENTED: [(&str, &str, &[&str]); 6] = [
        ("sockets", "active connections", &["connections"]),
        ("new", "connections/s", &["new", "ignore", "invalid"]),
        (
            "changes",
            "changes/s",
            &["inserted", "deleted", "delete_list"],
        ),
        ("expect", "expectations/s", &["created", "deleted", "new"]),
        ("search", "searches/s", &["searched", "restarted", "found"]),
        (
            "errors",
            "events/s",
            &["icmp_error", "error_failed", "drop", "early_drop"],
        ),
    ];

    #[test]
    fn charts_have_their_documented_names_in_order() {
        for (chart, (name, unit, dimensions)) in CHARTS.iter().zip(DOCUMENTED) {
            assert_eq!((chart.short_name(), chart.unit), (name, unit));
            assert_eq!(chart.name, format!("{PREFIX}{name}"));
            let names: Vec<&str> = chart.dimensions.iter().map(|d| d.name).collect();
            assert_eq!(names, dimensions, "{name}");
        }
    }

    #[test]
    fn each_counter_is_shown_at_most_once_and_entries_are_no_rate() {
        let mut shown: Vec<Counter> = Vec::new();
        for dimension in CHARTS.iter().flat_map(|chart| chart.dimensions) {
            match dimension.quantity {
                Quantity::Entries => assert_eq!(dimension.name, "connections"),
                Quantity::Rate(counter) => {
                    assert!(!shown.contains(&counter), "{counter:?}");
                    let place = counter.spec().place.map(|place| place.dimension);
                    assert_eq!(place, Some(dimension.name));
                    shown.push(counter);
                }
            }
        }
        assert_eq!(shown.len(), 16);
    }
}
