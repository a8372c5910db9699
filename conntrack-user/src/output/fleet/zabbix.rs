//! A template for Zabbix, 6.0 or later: one request a minute, network namespaces found in the answer, and items of each.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::expressions::{counters, of_counter};
use crate::{
    model::{
        alert::{ALERTS, AlertSpec, AlertStatus},
        kernel::counters::CounterSpec,
    },
    output::metrics::families,
};

const TEMPLATE: &str = "ctpulse by HTTP";

/// The group of templates that every Zabbix has, by which it knows it.
const GROUP: (&str, &str) = ("Templates/Applications", "a571c0d144b14fd4a87a9d9b2aa9fcd6");

/// The item that has the whole answer.
const MASTER: &str = "ctpulse.metrics";

/// The macro of the address that is asked.
const URL: &str = "{$CTPULSE.URL}";

/// The macro of a network namespace.
const NETNS: &str = "{#NETNS}";

/// The label of the windows whose peaks are kept: as long as the time between two requests, so that none is missed.
const WINDOW: &str = "60s";

/// The file.
#[must_use]
pub fn template() -> String {
    let (group, group_id) = GROUP;
    let export = json!({"zabbix_export": {
        "version": "6.0",
        "groups": [{"uuid": group_id, "name": group}],
        "templates": [{
            "uuid": uuid(TEMPLATE),
            "template": TEMPLATE,
            "name": TEMPLATE,
            "description": "Connection tracking of hosts on which `ctpulse serve` runs.",
            "groups": [{"name": group}],
            "items": [{
                "uuid": uuid(MASTER),
                "name": "Metrics of ctpulse",
                "type": "HTTP_AGENT",
                "key": MASTER,
                "delay": "1m",
                "history": "0",
                "trends": "0",
                "value_type": "TEXT",
                "url": URL,
                "tags": tags("raw"),
                "triggers": [{
                    "uuid": uuid("no answer"),
                    "expression": format!("nodata(/{TEMPLATE}/{MASTER},5m)=1"),
                    "name": "ctpulse does not answer",
                    "priority": "WARNING",
                }],
            }],
            "discovery_rules": [discovery()],
            "macros": [{
                "macro": URL,
                "value": "http://{HOST.CONN}:9466/metrics",
                "description": "Address of the metrics of `ctpulse serve`",
            }],
        }],
    }});
    format!("{export:#}\n")
}

/// What is found of each network namespace.
fn discovery() -> Value {
    let items = gauges()
        .chain(counters().flat_map(of_each_counter))
        .chain(ALERTS.iter().map(status));
    let triggers = ALERTS.iter().flat_map(triggers);
    json!({
        "uuid": uuid("discovery"),
        "name": "Network namespaces",
        "type": "DEPENDENT",
        "key": "ctpulse.netns.discovery",
        "delay": "0",
        "master_item": {"key": MASTER},
        "preprocessing": [{"type": "PROMETHEUS_TO_JSON", "parameters": [families::LAST_SAMPLE.full_name()]}],
        "lld_macro_paths": [{"lld_macro": NETNS, "path": "$.labels.netns"}],
        "item_prototypes": items.collect::<Vec<_>>(),
        "trigger_prototypes": triggers.collect::<Vec<_>>(),
    })
}

fn gauges() -> impl Iterator<Item = Value> {
    let state = [
        (families::ENTRIES, "Entries", ""),
        (families::ENTRIES_LIMIT, "Limit of entries", ""),
        (families::TIME_TO_FULL, "Time until the table is full", "s"),
    ];
    let state = state.into_iter().map(|(family, name, unit)| {
        let metric = family.full_name();
        let pattern = format!("{metric}{{netns=\"{NETNS}\"}}");
        item(&metric, name, unit, &pattern, &[])
    });
    let most = families::MOST_ENTRIES.full_name();
    let most = item(&most, "Most entries in a minute", "", &windowed(&most), &[]);
    state.chain([most])
}

/// The rate of a counter, and, where probes count it, its peak.
fn of_each_counter(spec: &'static CounterSpec) -> Vec<Value> {
    let total = of_counter(&families::TOTAL, spec.id);
    let per_second = json!({"type": "CHANGE_PER_SECOND", "parameters": [""]});
    let pattern = format!("{total}{{netns=\"{NETNS}\"}}");
    let mut items = vec![item(
        &total,
        &format!("{}: per second", spec.name),
        "/s",
        &pattern,
        &[per_second],
    )];
    if spec.probe.is_some() {
        let peak = of_counter(&families::PEAK, spec.id);
        let name = format!("{}: busiest millisecond of a minute", spec.name);
        items.push(item(&peak, &name, "/s", &windowed(&peak), &[]));
    }
    items
}

fn windowed(metric: &str) -> String {
    format!("{metric}{{netns=\"{NETNS}\",window=\"{WINDOW}\"}}")
}

/// The status of an alert as it was notified.
fn status(alert: &AlertSpec) -> Value {
    let metric = families::ALERT_NOTIFIED.full_name();
    let pattern = format!("{metric}{{netns=\"{NETNS}\",alert=\"{}\"}}", alert.name);
    item(
        alert.name,
        &format!("Alert {}", alert.name),
        "",
        &pattern,
        &[],
    )
}

fn triggers(alert: &AlertSpec) -> Vec<Value> {
    let levels = [
        (
            alert.defaults.thresholds.warning,
            AlertStatus::Warning,
            "WARNING",
        ),
        (
            alert.defaults.thresholds.critical,
            AlertStatus::Critical,
            "HIGH",
        ),
    ];
    let triggers = levels.into_iter().filter(|(level, ..)| level.is_some());
    let triggers = triggers.map(|(_, status, priority)| {
        json!({
            "uuid": uuid(&format!("trigger {} {status}", alert.name)),
            "expression": format!(
                "last(/{TEMPLATE}/{})={}",
                key(alert.name),
                families::status_number(status)
            ),
            "name": format!("{}: {status} in network namespace {NETNS}", alert.name),
            "description": alert.meaning,
            "priority": priority,
        })
    });
    triggers.collect()
}

/// An item of a network namespace, taken from the answer. What the answer does not have has no value.
fn item(id: &str, name: &str, unit: &str, pattern: &str, more: &[Value]) -> Value {
    // Of several sources of a counter there is one at a time; while they change there may be two.
    let take = json!({
        "type": "PROMETHEUS_PATTERN",
        "parameters": [pattern, "function", "sum"],
        "error_handler": "DISCARD_VALUE",
    });
    let preprocessing: Vec<&Value> = [&take].into_iter().chain(more).collect();
    json!({
        "uuid": uuid(&format!("item {id}")),
        "name": format!("{NETNS}: {name}"),
        "type": "DEPENDENT",
        "key": key(id),
        "delay": "0",
        "history": "31d",
        "value_type": "FLOAT",
        "units": unit,
        "master_item": {"key": MASTER},
        "preprocessing": preprocessing,
        "tags": tags("netns"),
    })
}

fn key(id: &str) -> String {
    format!("ctpulse[{NETNS},{id}]")
}

fn tags(component: &str) -> Value {
    json!([{"tag": "component", "value": component}])
}

/// An id that is the same in every version, so that an import replaces what an earlier one made. Zabbix wants them as random ones
/// (UUID, version 4) are written.
fn uuid(of: &str) -> String {
    let digest = Sha256::digest(format!("ctpulse template {of}"));
    let mut bytes: Vec<u8> = digest.iter().take(16).copied().collect();
    for (at, kept, set) in [(6, 0x0f, 0x40), (8, 0x3f, 0x80)] {
        bytes[at] = bytes[at] & kept | set;
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
