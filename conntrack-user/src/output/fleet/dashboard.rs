//! A dashboard for Grafana: the table of each host, the charts, what happened within seconds, and what is judged of it.

use serde_json::{Value, json};

use super::expressions::{braces, of_counter, percent, rate};
use crate::{
    model::{
        exposition::WINDOWS,
        kernel::{
            charts::{CHARTS, Chart, Dimension, Quantity},
            counters::Counter,
        },
        record::{Severity, Verdict},
    },
    output::metrics::families::{self, MetricFamily},
};

/// What every expression selects by: the dashboard's variables.
const CHOSEN: &str = "instance=~\"$instance\",netns=~\"$netns\"";

/// The range that Grafana chooses by the time between scrapes.
const RANGE: &str = "$__rate_interval";

/// Columns of a dashboard.
const WIDTH: usize = 24;

/// Rows of a panel.
const HEIGHT: usize = 8;

/// Where the data comes from: a variable, so that an import asks for it.
fn source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

/// What a panel shows.
struct PanelShape {
    title: String,
    kind: &'static str,
    /// A unit of Grafana's.
    unit: &'static str,
    targets: Vec<PanelQuery>,
    /// What belongs to its kind.
    options: Value,
}

/// An expression, and what its values are called.
struct PanelQuery {
    expression: String,
    legend: String,
    /// Whether it is drawn below zero.
    below: bool,
}

impl PanelQuery {
    fn new(expression: String, legend: impl Into<String>) -> Self {
        Self {
            expression,
            legend: legend.into(),
            below: false,
        }
    }
}

/// The file.
#[must_use]
pub fn dashboard() -> String {
    let mut panels: Vec<Value> = Vec::new();
    let mut row_at = 0;
    for (title, graphs, columns) in rows() {
        panels.push(json!({
            "id": panels.len() + 1, "type": "row", "title": title, "collapsed": false, "panels": [],
            "gridPos": {"x": 0, "y": row_at, "w": WIDTH, "h": 1},
        }));
        row_at += 1;
        for line in graphs.chunks(columns) {
            for (at, graph) in line.iter().enumerate() {
                let width = WIDTH / columns;
                let place = json!({"x": at * width, "y": row_at, "w": width, "h": HEIGHT});
                panels.push(panel(panels.len() + 1, graph, &place));
            }
            row_at += HEIGHT;
        }
    }
    let dashboard = json!({
        "title": "Connection tracking (ctpulse)",
        "uid": "ctpulse",
        "tags": ["ctpulse", "conntrack"],
        "description": "The connection tracking tables of hosts that `ctpulse serve` watches.",
        "schemaVersion": 39,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "links": [],
        "templating": {"list": variables()},
        "panels": panels,
    });
    format!("{dashboard:#}\n")
}

fn variables() -> Vec<Value> {
    let entries = families::LAST_SAMPLE.full_name();
    let of_label = |name: &str, label: &str, query: String| {
        json!({
            "name": name, "label": label, "type": "query", "datasource": source(),
            "definition": query, "query": {"query": query, "refId": name},
            "refresh": 2, "sort": 1, "multi": true, "includeAll": true, "allValue": ".+",
            "current": {"text": "All", "value": "$__all"},
        })
    };
    let windows = WINDOWS.map(|window| window.label);
    let longest = windows.last().copied().unwrap_or_default();
    let options =
        windows.map(|label| json!({"text": label, "value": label, "selected": label == longest}));
    vec![
        json!({"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}),
        of_label(
            "instance",
            "Host",
            format!("label_values({entries}, instance)"),
        ),
        of_label(
            "netns",
            "Network namespace",
            format!("label_values({entries}{{instance=~\"$instance\"}}, netns)"),
        ),
        json!({
            "name": "window", "label": "Window of peaks", "type": "custom", "query": windows.join(","),
            "options": options, "current": {"text": longest, "value": longest},
        }),
    ]
}

fn panel(id: usize, graph: &PanelShape, place: &Value) -> Value {
    let targets = graph.targets.iter().enumerate().map(|(at, target)| {
        let letter = char::from(b'A' + u8::try_from(at).unwrap_or(25).min(25));
        json!({
            "refId": letter.to_string(), "datasource": source(), "expr": target.expression,
            "legendFormat": target.legend, "range": true,
            "format": if graph.kind == "heatmap" { "heatmap" } else { "time_series" },
        })
    });
    let below = graph.targets.iter().filter(|target| target.below);
    let overrides = below.map(|target| {
        // The legend starts with it; the names of host and namespace follow.
        let name = target.legend.split(' ').next().unwrap_or_default();
        json!({
            "matcher": {"id": "byRegexp", "options": format!("/^{name} /")},
            "properties": [{"id": "custom.transform", "value": "negative-Y"}],
        })
    });
    json!({
        "id": id, "type": graph.kind, "title": graph.title, "datasource": source(), "gridPos": place,
        "targets": targets.collect::<Vec<_>>(),
        "fieldConfig": {
            "defaults": {"unit": graph.unit, "custom": {"fillOpacity": 10, "showPoints": "never"}},
            "overrides": overrides.collect::<Vec<_>>(),
        },
        "options": graph.options,
    })
}

/// The rows, each with the number of its panels side by side.
fn rows() -> Vec<(&'static str, Vec<PanelShape>, usize)> {
    vec![
        ("State", state(), 3),
        ("Rates", CHARTS.iter().filter_map(rates).collect(), 2),
        ("Within seconds", within_seconds(), 2),
        ("Top talkers (with --top)", vec![top()], 1),
        ("ctpulse itself", itself(), 2),
    ]
}

/// The legend of what every host and namespace has.
const WHERE: &str = "{{instance}} {{netns}}";

fn lines(title: &str, unit: &'static str, targets: Vec<PanelQuery>) -> PanelShape {
    PanelShape {
        title: title.to_owned(),
        kind: "timeseries",
        unit,
        targets,
        options: json!({"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}),
    }
}

fn state() -> Vec<PanelShape> {
    let chosen = |family: &MetricFamily| format!("{}{{{CHOSEN}}}", family.full_name());
    let in_window = format!("{CHOSEN},window=\"$window\"");
    let most = families::MOST_ENTRIES.full_name();
    let worst = format!(
        "{}{{{CHOSEN},severity!=\"{}\"}}",
        families::SEVERITY.full_name(),
        Severity::Ok.name()
    );
    let mismatch = format!(
        "{}{{{CHOSEN},verdict=\"{}\"}}",
        families::CHECK_VERDICT.full_name(),
        Verdict::Mismatch.name()
    );
    vec![
        lines(
            "Utilization of the table",
            "percent",
            vec![PanelQuery::new(
                percent(&families::ENTRIES, CHOSEN, ""),
                WHERE,
            )],
        ),
        lines(
            "Entries, their peak and the limit",
            "short",
            vec![
                PanelQuery::new(chosen(&families::ENTRIES), format!("entries {WHERE}")),
                PanelQuery::new(format!("{most}{{{in_window}}}"), format!("peak {WHERE}")),
                PanelQuery::new(chosen(&families::ENTRIES_LIMIT), format!("limit {WHERE}")),
            ],
        ),
        lines(
            "Time until the table is full",
            "s",
            vec![PanelQuery::new(chosen(&families::TIME_TO_FULL), WHERE)],
        ),
        PanelShape {
            title: "Alerts as notified: 0 clear, 1 warning, 2 critical".to_owned(),
            kind: "state-timeline",
            unit: "short",
            targets: vec![PanelQuery::new(
                chosen(&families::ALERT_NOTIFIED),
                format!("{{{{alert}}}} {WHERE}"),
            )],
            options: json!({"showValue": "never", "mergeValues": true}),
        },
        PanelShape {
            title: "Verdict, where it is not ok".to_owned(),
            kind: "state-timeline",
            unit: "short",
            targets: vec![PanelQuery::new(worst, format!("{{{{severity}}}} {WHERE}"))],
            options: json!({"showValue": "never", "mergeValues": true}),
        },
        lines(
            "Checks of the probes that end in mismatch",
            "short",
            vec![PanelQuery::new(
                format!(
                    "count by (instance, netns) ({mismatch}) or 0 * count by (instance, netns) ({})",
                    chosen(&families::CHECK_VERDICT)
                ),
                WHERE,
            )],
        ),
    ]
}

/// One of the charts of rates.
fn rates(chart: &Chart) -> Option<PanelShape> {
    let targets = of_dimensions(chart, |counter| rate(counter, CHOSEN, RANGE));
    (!targets.is_empty()).then(|| lines(chart.title, "cps", targets))
}

/// A target for each counter of a chart.
fn of_dimensions(chart: &Chart, expression: impl Fn(Counter) -> String) -> Vec<PanelQuery> {
    let targets = chart.dimensions.iter().filter_map(|dimension| {
        let Dimension {
            quantity: Quantity::Rate(counter),
            below,
            ..
        } = dimension
        else {
            return None;
        };
        Some(PanelQuery {
            below: *below,
            ..PanelQuery::new(
                expression(*counter),
                format!("{} {WHERE}", counter.spec().name),
            )
        })
    });
    targets.collect()
}

fn within_seconds() -> Vec<PanelShape> {
    let in_window = braces(&format!("{CHOSEN},window=\"$window\""));
    let mut graphs = Vec::new();
    for (family, of) in [
        (families::PEAK, "busiest millisecond"),
        (families::P99, "99th percentile of milliseconds"),
    ] {
        graphs.extend(CHARTS.iter().filter_map(|chart| {
            let probed = |counter: Counter| counter.spec().probe.is_some();
            let mut targets = of_dimensions(chart, |counter| {
                format!("{}{in_window}", of_counter(&family, counter))
            });
            let known = chart
                .dimensions
                .iter()
                .filter_map(|dimension| match dimension.quantity {
                    Quantity::Rate(counter) if probed(counter) => Some(counter.spec().name),
                    _ => None,
                });
            let known: Vec<_> = known.collect();
            targets.retain(|target| {
                let name = target.legend.split(' ').next().unwrap_or_default();
                known.contains(&name)
            });
            let title = format!("{}, {of}", chart.title);
            (!targets.is_empty()).then(|| lines(&title, "cps", targets))
        }));
    }
    let per_bucket = of_counter(&families::PER_BUCKET, Counter::New);
    graphs.push(PanelShape {
        title: "New connections per millisecond".to_owned(),
        kind: "heatmap",
        unit: "short",
        targets: vec![PanelQuery::new(
            format!("sum by (le) (increase({per_bucket}_bucket{{{CHOSEN}}}[{RANGE}]))"),
            "{{le}}",
        )],
        options: json!({"calculate": false, "yAxis": {"unit": "short"}}),
    });
    graphs.push(lines(
        "Bursts",
        "short",
        vec![PanelQuery::new(
            format!(
                "increase({}{{{CHOSEN}}}[{RANGE}])",
                families::BURSTS.full_name()
            ),
            format!("{{{{counter}}}} {WHERE}"),
        )],
    ));
    graphs
}

fn top() -> PanelShape {
    PanelShape {
        title: "Top talkers".to_owned(),
        kind: "table",
        unit: "short",
        targets: vec![PanelQuery::new(
            format!("topk(50, {}{{{CHOSEN}}})", families::TOP.full_name()),
            "{{by}} {{of}} {{key}}",
        )],
        options: json!({"showHeader": true}),
    }
}

fn itself() -> Vec<PanelShape> {
    // Of the process there is no namespace.
    let chosen = "instance=~\"$instance\"";
    // Other programs have metrics of this name.
    let ours = format!("and on (instance) {}", families::BUILD.full_name());
    vec![
        lines(
            "CPU time",
            "percentunit",
            vec![PanelQuery::new(
                format!(
                    "rate({}{{{chosen}}}[{RANGE}]) {ours}",
                    families::CPU.full_name()
                ),
                "{{instance}}",
            )],
        ),
        lines(
            "Memory",
            "bytes",
            vec![PanelQuery::new(
                format!("{}{{{chosen}}} {ours}", families::MEMORY.full_name()),
                "{{instance}}",
            )],
        ),
    ]
}
