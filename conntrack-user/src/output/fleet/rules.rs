//! Recording and alerting rules for Prometheus, and for what reads its rules.

use std::fmt::Write as _;

use super::expressions::{counters, of_alert, of_counter, percent, rate};
use crate::{
    model::{
        alert::{ALERTS, AlertSpec, AlertStatus},
        kernel::counters::{Counter, CounterSpec},
    },
    output::metrics::families,
};

/// The range of rates: four scrapes of 30 s, or more of shorter ones.
const RANGE: &str = "2m";

/// The time over which bursts are counted.
const BURSTS_RANGE: &str = "10m";

/// The counters whose events are losses.
const LOSSES: [Counter; 5] = [
    Counter::TableFull,
    Counter::EarlyDrop,
    Counter::InsertFailed,
    Counter::NatExhausted,
    Counter::Drop,
];

/// The label of the windows from which peaks are recorded: the longest, so that none is missed between two scrapes.
const WINDOW: &str = "window=\"60s\"";

/// Seconds without a reading after which a host is reported.
const SILENCE_S: u32 = 60;

/// The file.
#[must_use]
pub fn rules() -> String {
    let mut text = format!(
        "# Written by ctpulse {}: `ctpulse generate prometheus-rules`.\n\
         groups:\n  - name: ctpulse_recorded\n    rules:\n",
        env!("CARGO_PKG_VERSION")
    );
    for (name, expression) in recorded() {
        text += &format!("      - record: {name}\n        expr: {expression}\n");
    }
    text += "  - name: ctpulse_alerts\n    rules:\n";
    for spec in &ALERTS {
        for (level, status) in [
            (spec.defaults.thresholds.warning, AlertStatus::Warning),
            (spec.defaults.thresholds.critical, AlertStatus::Critical),
        ] {
            if level.is_some() {
                text += &judged(spec, status);
            }
        }
    }
    text += "  - name: ctpulse_bursts\n    rules:\n";
    text += &burst_of_losses();
    text += &burst_that_fills();
    text += "  - name: ctpulse_itself\n    rules:\n";
    text += &silent();
    text
}

/// What is recorded, so that dashboards of a fleet need not compute it for each picture: names and expressions.
fn recorded() -> Vec<(String, String)> {
    let mut recorded = vec![
        (
            "netns:ctpulse_utilization:percent".to_owned(),
            percent(&families::ENTRIES, "", ""),
        ),
        (
            "netns:ctpulse_utilization_peak:percent".to_owned(),
            percent(&families::MOST_ENTRIES, "", "ignoring (window) group_left "),
        ),
    ];
    for spec in counters() {
        let name = format!("netns:ctpulse_{}:rate{RANGE}", spec.name);
        recorded.push((name, rate(spec.id, "", RANGE)));
    }
    for spec in counters().filter(|spec| has_peak(spec)) {
        let peak = of_counter(&families::PEAK, spec.id);
        let name = format!("netns:{peak}:max{BURSTS_RANGE}");
        let expression =
            format!("max without (window) (max_over_time({peak}{{{WINDOW}}}[{BURSTS_RANGE}]))");
        recorded.push((name, expression));
    }
    recorded.push((
        format!("netns_counter:ctpulse_bursts:increase{BURSTS_RANGE}"),
        format!("increase({}[{BURSTS_RANGE}])", families::BURSTS.full_name()),
    ));
    recorded
}

/// Whether its peaks are worth keeping for a fleet: those that text shows, and losses.
fn has_peak(spec: &CounterSpec) -> bool {
    let shown = spec.place.is_some_and(|place| place.peak_rank.is_some());
    spec.probe.is_some() && (shown || LOSSES.contains(&spec.id))
}

/// One of the alerts that ctpulse judges by itself, as it has notified it: its own hysteresis and delays apply, and the settings of
/// each host.
fn judged(spec: &AlertSpec, status: AlertStatus) -> String {
    let notified = of_alert(&families::ALERT_NOTIFIED, spec.name);
    let value = families::ALERT_VALUE.full_name();
    let number = families::status_number(status);
    let value = format!(
        "{{{{ with query (printf \"{value}{{alert=\\\"{}\\\",instance=%q,netns=%q}}\" $labels.instance $labels.netns) }}}}\
         {{{{ . | first | value | humanize }}}}{{{{ else }}}}unknown{{{{ end }}}}",
        spec.name
    );
    alert(
        spec.name,
        &format!("{notified} == {number}"),
        &status.to_string().to_lowercase(),
        spec.meaning,
        &format!("{value} ({})", spec.unit),
    )
}

/// Flows or packets that were lost in bursts: a mean over a minute does not show those.
fn burst_of_losses() -> String {
    let names = LOSSES.map(|counter| counter.spec().name).join("|");
    let bursts = families::BURSTS.full_name();
    alert(
        "ctpulse_burst_of_losses",
        &format!("increase({bursts}{{counter=~\"{names}\"}}[{BURSTS_RANGE}]) > 0"),
        "warning",
        "flows or packets were lost in bursts, which rates over minutes do not show",
        &format!(
            "{{{{ $value | humanize }}}} bursts of {{{{ $labels.counter }}}} in {BURSTS_RANGE}"
        ),
    )
}

/// Bursts of new flows that together are as many as half the table holds.
fn burst_that_fills() -> String {
    let events = families::BURST_EVENTS.full_name();
    let new = Counter::New.spec().name;
    let limit = families::ENTRIES_LIMIT.full_name();
    alert(
        "ctpulse_bursts_fill_table",
        &format!(
            "sum without (counter) (increase({events}{{counter=\"{new}\"}}[{BURSTS_RANGE}])) > 0.5 * {limit}"
        ),
        "warning",
        "bursts of new flows are as many as half of what the table may hold",
        &format!("{{{{ $value | humanize }}}} flows in bursts in {BURSTS_RANGE}"),
    )
}

/// A server that answers, and whose run does not read any more.
fn silent() -> String {
    let read = families::LAST_SAMPLE.full_name();
    alert(
        "ctpulse_silent",
        &format!("time() - {read} > {SILENCE_S}"),
        "warning",
        "the counters are no longer read, what is shown is old",
        "last read {{ $value | humanizeDuration }} ago",
    )
}

/// An alerting rule.
fn alert(name: &str, expression: &str, severity: &str, meaning: &str, value: &str) -> String {
    let [meaning, value] = [meaning, value].map(|text| text.replace('\'', "''"));
    let mut rule = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        rule,
        "      - alert: {name}\n        \
         expr: {expression}\n        \
         labels:\n          severity: {severity}\n        \
         annotations:\n          \
         summary: '{{{{ $labels.instance }}}}, network namespace {{{{ $labels.netns }}}}: {name}'\n          \
         description: '{meaning}'\n          \
         value: '{value}'\n"
    );
    rule
}
