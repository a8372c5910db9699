//! The columns of text, and the selection of those that are shown.

use std::{fmt, str::FromStr};

use crate::{
    model::{
        kernel::{
            charts::{CHARTS, PREFIX, Quantity},
            counters::Counter,
        },
        record::Hello,
    },
    output::terminal::Size,
};

/// The field of a sample that a column shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColumnField {
    Time,
    Instance,
    Entries,
    Max,
    /// Net change of entries.
    Net,
    Utilization,
    TimeToFull,
    TimeToFullRange,
    /// A dimension of a chart, by indices in [`CHARTS`].
    Rate(usize, usize),
    Peak(Counter),
    Verdict,
}

/// A column, with its heading and width.
#[derive(Clone, Debug)]
pub(super) struct TextColumn {
    /// The group heading, shared by adjacent columns.
    pub(super) group: &'static str,
    pub(super) title: &'static str,
    /// The width in characters.
    pub(super) width: usize,
    /// Priority on a narrow terminal: the highest is dropped first.
    rank: u8,
    pub(super) field: ColumnField,
}

/// The columns that a user selects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// All columns, of which those with the lowest priority are dropped on a narrow terminal.
    #[default]
    Fitting,
    /// The columns of these charts, with the same rule.
    Charts(Vec<ChartName>),
    /// These columns in this order, however wide.
    Columns(Vec<ColumnName>),
}

/// The name of a chart without its prefix: `errors` is netfilter.conntrack_errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChartName(usize);

/// The name of a column, as in CSV: `entries`, `errors.drop`; `new.new.peak` is the busiest bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnName(ColumnField);

/// The format of numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Numbers {
    /// Three significant digits and a unit prefix.
    #[default]
    Human,
    /// All digits.
    Exact,
}

impl Numbers {
    fn width(self) -> usize {
        match self {
            Self::Human => "1.23k".len(),
            // Up to a hundred million per second, with two decimals.
            Self::Exact => "123456789.12".len(),
        }
    }
}

/// The most characters of an instance's name that are shown.
pub(super) const INSTANCE: usize = 14;

/// The width of a compact time.
const TIME: usize = 5;

/// The width of a range of compact times.
const RANGE: usize = 11;

/// Priority of what is unavailable: it is dropped first.
const LAST: u8 = u8::MAX;

/// Which optional columns are available.
#[derive(Clone, Debug, Default)]
pub(super) struct ColumnChoice {
    /// There are several instances.
    instances: bool,
    /// There are probes, and with them peaks.
    peaks: bool,
    /// Counters that are unavailable.
    unavailable: Vec<Counter>,
}

impl From<&Hello> for ColumnChoice {
    fn from(hello: &Hello) -> Self {
        Self {
            instances: hello.instances.len() > 1,
            peaks: hello.probes.is_attached(),
            unavailable: hello
                .unavailable
                .iter()
                .map(|(counter, _)| counter)
                .collect(),
        }
    }
}

/// All columns in order.
fn all(numbers: Numbers) -> Vec<TextColumn> {
    let column = |group, title: &'static str, width: usize, rank, field| TextColumn {
        group,
        title,
        width: width.max(title.len()),
        rank,
        field,
    };
    let mut columns = vec![
        column("UTC", "time", "00:00:00.000".len(), 0, ColumnField::Time),
        column("netns", "instance", INSTANCE, 0, ColumnField::Instance),
        column("table", "entries", 7, 0, ColumnField::Entries),
        column("table", "max", 7, 2, ColumnField::Max),
        column("table", "net/s", numbers.width() + 1, 2, ColumnField::Net),
        column("table", "used", "100.0%".len(), 0, ColumnField::Utilization),
        column("table", "full", TIME, 1, ColumnField::TimeToFull),
        column("table", "between", RANGE, 6, ColumnField::TimeToFullRange),
    ];
    for (c, chart) in CHARTS.iter().enumerate() {
        for (d, dimension) in chart.dimensions.iter().enumerate() {
            let Quantity::Rate(counter) = dimension.quantity else {
                continue;
            };
            let Some(place) = counter.spec().place else {
                continue;
            };
            let (group, width) = (chart.heading, numbers.width());
            columns.push(column(
                group,
                place.heading,
                width,
                place.rank,
                ColumnField::Rate(c, d),
            ));
            if let Some(rank) = place.peak_rank {
                columns.push(column(
                    group,
                    "peak",
                    width,
                    rank,
                    ColumnField::Peak(counter),
                ));
            }
        }
    }
    columns.push(column(
        "probes",
        "check",
        "within".len(),
        0,
        ColumnField::Verdict,
    ));
    columns
}

impl ColumnField {
    /// The counter that it shows.
    fn counter(self) -> Option<Counter> {
        match self {
            Self::Rate(chart, dimension) => {
                match CHARTS.get(chart)?.dimensions.get(dimension)?.quantity {
                    Quantity::Rate(counter) => Some(counter),
                    Quantity::Entries => None,
                }
            }
            Self::Peak(counter) => Some(counter),
            _ => None,
        }
    }

    /// Its chart; `None` for columns that belong to none.
    fn chart(self) -> Option<usize> {
        match self {
            Self::Entries | Self::Max | Self::Net | Self::TimeToFull | Self::TimeToFullRange => {
                Some(0)
            }
            Self::Rate(chart, _) => Some(chart),
            Self::Peak(counter) => CHARTS.iter().position(|chart| {
                let mut dimensions = chart.dimensions.iter();
                dimensions.any(|d| d.quantity == Quantity::Rate(counter))
            }),
            Self::Time | Self::Instance | Self::Utilization | Self::Verdict => None,
        }
    }

    fn name(self) -> String {
        let dimension = |chart: usize, dimension: usize| {
            let name = CHARTS[chart].short_name();
            format!("{name}.{}", CHARTS[chart].dimensions[dimension].name)
        };
        match self {
            Self::Time => "time".to_owned(),
            Self::Instance => "instance".to_owned(),
            Self::Entries => "entries".to_owned(),
            Self::Max => "max".to_owned(),
            Self::Net => "net".to_owned(),
            Self::Utilization => "used".to_owned(),
            Self::TimeToFull => "full".to_owned(),
            Self::TimeToFullRange => "between".to_owned(),
            Self::Verdict => "check".to_owned(),
            Self::Rate(c, d) => dimension(c, d),
            Self::Peak(counter) => {
                let of = |c: usize| {
                    let mut dimensions = CHARTS[c].dimensions.iter();
                    dimensions.position(|d| d.quantity == Quantity::Rate(counter))
                };
                let found = (0..CHARTS.len()).find_map(|c| Some((c, of(c)?)));
                found.map_or_else(String::new, |(c, d)| format!("{}.peak", dimension(c, d)))
            }
        }
    }
}

/// The error for an unknown name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    /// The kind of name.
    what: &'static str,
    /// The valid names.
    known: Vec<String>,
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no such {}; there are {}",
            self.what,
            self.known.join(", ")
        )
    }
}

impl std::error::Error for UnknownName {}

impl FromStr for ChartName {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let wanted = text.trim_start_matches(PREFIX);
        let found = CHARTS.iter().position(|chart| chart.short_name() == wanted);
        found.map(Self).ok_or_else(|| UnknownName {
            what: "chart",
            known: CHARTS.iter().map(|c| c.short_name().to_owned()).collect(),
        })
    }
}

impl FromStr for ColumnName {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let columns = all(Numbers::Human);
        let found = columns.iter().find(|column| column.field.name() == text);
        found
            .map(|column| Self(column.field))
            .ok_or_else(|| UnknownName {
                what: "column",
                known: columns.iter().map(|column| column.field.name()).collect(),
            })
    }
}

/// The selected columns that fit a terminal of this size; all if it is `None`.
pub(super) fn chosen(
    selection: &Selection,
    numbers: Numbers,
    shown: &ColumnChoice,
    terminal: Option<Size>,
) -> Vec<TextColumn> {
    let mut columns = all(numbers);
    match selection {
        Selection::Columns(names) => {
            return names
                .iter()
                .filter_map(|name| {
                    columns
                        .iter()
                        .find(|column| column.field == name.0)
                        .cloned()
                })
                .collect();
        }
        Selection::Charts(charts) => columns.retain(|column| {
            let chart = column.field.chart();
            chart.is_none_or(|chart| charts.contains(&ChartName(chart)))
        }),
        Selection::Fitting => {}
    }
    columns.retain(|column| match column.field {
        ColumnField::Instance => shown.instances,
        ColumnField::Peak(_) => shown.peaks,
        _ => true,
    });
    for column in &mut columns {
        let counter = column.field.counter();
        if counter.is_some_and(|counter| shown.unavailable.contains(&counter)) {
            column.rank = LAST;
        }
    }
    fit(&mut columns, terminal);
    columns
}

/// Drops columns by priority until the others fit.
fn fit(columns: &mut Vec<TextColumn>, terminal: Option<Size>) {
    let Some(size) = terminal else {
        return;
    };
    let width = |columns: &[TextColumn]| columns.iter().map(|c| c.width + 1).sum::<usize>() - 1;
    while width(columns) > usize::from(size.columns) {
        let ranks = columns.iter().map(|c| c.rank);
        let Some(last) = ranks.max().filter(|&rank| rank > 0) else {
            break;
        };
        // Of columns with equal rank, the rightmost is dropped first.
        if let Some(at) = columns.iter().rposition(|c| c.rank == last) {
            columns.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_a_name_of_its_own_and_is_found_by_it() {
        let columns = all(Numbers::Human);
        for column in &columns {
            let name = column.field.name();
            assert_eq!(name.parse(), Ok(ColumnName(column.field)), "{name}");
        }
        assert_eq!(
            "new.new.peak".parse(),
            Ok(ColumnName(ColumnField::Peak(Counter::New)))
        );
        assert!(
            "drop"
                .parse::<ColumnName>()
                .is_err_and(|e| e.to_string().contains("errors.drop"))
        );
    }

    #[test]
    fn charts_are_found_with_and_without_their_prefix() {
        assert_eq!("errors".parse(), Ok(ChartName(5)));
        assert_eq!("netfilter.conntrack_errors".parse(), Ok(ChartName(5)));
        assert!(
            "error"
                .parse::<ChartName>()
                .is_err_and(|e| e.to_string().contains("sockets, new"))
        );
    }

    #[test]
    fn a_chart_is_shown_whole_where_it_fits() {
        let size = |columns| Some(Size { columns, rows: 24 });
        let of = |columns| {
            let selection = Selection::Charts(vec![ChartName(5)]);
            let columns = chosen(
                &selection,
                Numbers::Human,
                &ColumnChoice::default(),
                size(columns),
            );
            columns
                .iter()
                .map(|column| column.title)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            of(80),
            ["time", "used", "icmp", "failed", "drop", "early", "check"]
        );
        assert_eq!(
            of(40),
            ["time", "used", "drop", "early", "check"][..].to_vec()
        );
    }
}
