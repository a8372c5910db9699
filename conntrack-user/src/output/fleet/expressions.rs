//! Expressions of PromQL over the metrics.

use crate::{
    model::kernel::counters::{COUNTERS, Counter, CounterSpec},
    output::metrics::families::{self, MetricFamily},
};

/// What the metrics of counters are about: those on charts, and flows that a full table refuses.
pub(super) fn counters() -> impl Iterator<Item = &'static CounterSpec> {
    COUNTERS
        .iter()
        .filter(|spec| spec.place.is_some() || spec.id == Counter::TableFull)
}

/// The name of a counter's metric.
pub(super) fn of_counter(family: &MetricFamily, counter: Counter) -> String {
    let name = family.full_name();
    name.replace(families::COUNTER, counter.spec().name)
}

/// Events per second. A counter's source may change, which the rate must not show.
pub(super) fn rate(counter: Counter, matchers: &str, range: &str) -> String {
    let total = of_counter(&families::TOTAL, counter);
    format!(
        "sum without (source) (rate({total}{}[{range}]))",
        braces(matchers)
    )
}

/// A metric with a label for each alert, of one alert.
pub(super) fn of_alert(family: &MetricFamily, alert: &str) -> String {
    format!("{}{{alert=\"{alert}\"}}", family.full_name())
}

/// Entries in percent of the most, in each of the metrics that has entries.
pub(super) fn percent(entries: &MetricFamily, matchers: &str, ignoring: &str) -> String {
    let braces = braces(matchers);
    let limit = families::ENTRIES_LIMIT.full_name();
    format!(
        "100 * {}{braces} / {ignoring}{limit}{braces}",
        entries.full_name()
    )
}

/// Matchers in braces, if there are any.
pub(super) fn braces(matchers: &str) -> String {
    if matchers.is_empty() {
        return String::new();
    }
    format!("{{{matchers}}}")
}
