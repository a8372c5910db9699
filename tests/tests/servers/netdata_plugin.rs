//! `ctpulse netdata` under a real Netdata.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    netdata, program,
    program::Running,
    server::{Http, Server},
    tree::{COUNT, STAT, Tree},
};

/// The points of a chart that Netdata has, the latest first: their times, and the values of each dimension, without one at a gap.
struct Points {
    times: Vec<i64>,
    dimensions: BTreeMap<String, Vec<Option<f64>>>,
}

impl Points {
    fn of(http: Http, chart: &str) -> Result<Self> {
        let answer = http.json(&format!(
            "/api/v1/data?chart={chart}&after=-600&format=json"
        ))?;
        let names = answer["labels"].as_array().context("no labels")?;
        let rows = answer["data"].as_array().context("no data")?;
        let column = |at: usize| rows.iter().map(move |row| &row[at]);
        let dimensions = names.iter().enumerate().skip(1).map(|(at, name)| {
            let name = name.as_str().context("a name is text")?.to_owned();
            Ok((name, column(at).map(Value::as_f64).collect()))
        });
        Ok(Self {
            times: column(0).filter_map(Value::as_i64).collect(),
            dimensions: dimensions.collect::<Result<_>>()?,
        })
    }

    fn values(&self, dimension: &str) -> Result<&[Option<f64>]> {
        let values = self.dimensions.get(dimension);
        Ok(values.with_context(|| format!("no dimension {dimension}"))?)
    }

    /// The sum of all points, which are a second long.
    fn sum(&self, dimension: &str) -> Result<f64> {
        Ok(self.values(dimension)?.iter().flatten().sum())
    }
}

/// Seconds without points that are a gap for sure.
const GAP_S: i64 = 4;

/// Netdata with a plugin that reads a tree.
fn start(tree: &Tree, more: &str, health: &str) -> Result<Server> {
    let root = tree.root();
    netdata::start(&format!("--proc-root {} {more}", root.display()), health)
}

/// Waits until a chart is there with its first point.
fn wait_for_chart(server: &mut Server, chart: &str) -> Result<()> {
    let http = server.http();
    server.wait_for(chart, || {
        let points = Points::of(http, chart)?;
        let all = points.dimensions.values();
        Ok(all.flatten().flatten().next().map(drop))
    })
}

#[test]
fn its_values_are_those_of_the_stream() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let root = tree.root();
    let root = root.to_str().context("the path is no UTF-8")?;
    let mut server = start(&tree, "", "")?;
    let http = server.http();
    wait_for_chart(&mut server, "ctpulse.conntrack_errors")?;
    let args = [
        "stream",
        "--format",
        "json",
        "--interval",
        "1s",
        "--proc-root",
        root,
    ];
    let mut stream = Running::start(&args)?;
    stream.wait_for_sample("first sample", |_| true)?;

    for (column, more) in [("drop", 700), ("found", 3_000_000), ("expect_create", 11)] {
        tree.count(column, more)?;
    }
    tree.set_entries(131_072)?;
    let sample = stream.wait_for_sample("what was counted", |sample| {
        sample["counters"]["expect_create"] == 11
    })?;
    let counted = |name: &str| sample["counters"][name].as_f64().context("not counted");

    // Two points more: what is counted in one second is spread over two by Netdata, which has values of whole seconds.
    for (chart, dimension, counter, sign) in [
        ("ctpulse.conntrack_errors", "drop", "drop", -1.0),
        ("ctpulse.conntrack_search", "found", "found", 1.0),
        ("ctpulse.conntrack_expect", "created", "expect_create", 1.0),
    ] {
        let expected = sign * counted(counter)?;
        let sum = server.wait_for(chart, || {
            let points = Points::of(http, chart)?;
            let values = points.values(dimension)?;
            // The latest points are of a second in which nothing was counted.
            let settled = values.len() > 2 && values[..2] == [Some(0.0), Some(0.0)];
            let sum = points.sum(dimension)?;
            Ok((settled && sum != 0.0).then_some(sum))
        })?;
        // A rate is of a second that is as long as a busy machine lets it be: half as long again was not seen.
        ensure!(
            (sum / expected - 1.0).abs() < 0.5,
            "{chart}: {sum} instead of {expected}"
        );
    }
    for (chart, dimension, field) in [
        ("ctpulse.conntrack_sockets", "connections", "entries"),
        ("ctpulse.conntrack_max", "max", "max"),
        ("ctpulse.conntrack_utilization", "used", "utilization"),
    ] {
        let points = Points::of(http, chart)?;
        let latest = points.values(dimension)?.first().copied().flatten();
        ensure!(latest == sample[field].as_f64(), "{chart}: {latest:?}");
    }
    // What no kernel since 4.9 counts is on no chart.
    let charts = http.json("/api/v1/charts")?;
    let dimensions = |chart: &str| charts["charts"][chart]["dimensions"].clone();
    ensure!(dimensions("ctpulse.conntrack_new").get("new").is_none());
    ensure!(
        dimensions("ctpulse.conntrack_search")
            .get("searched")
            .is_none()
    );
    ensure!(charts["charts"].get("ctpulse.conntrack_changes").is_none());
    stream.stop()?;
    Ok(())
}

#[test]
fn with_its_ids_the_charts_are_those_of_its_own_collector() -> Result<()> {
    // This kernel counts all that there is.
    let tree = Tree::of("4.4/t0")?;
    let mut server = start(&tree, "--ids netdata", "")?;
    wait_for_chart(&mut server, "netfilter.conntrack_search")?;
    let charts = server.http().json("/api/v1/charts")?;
    for (name, title, priority, units, dimensions) in [
        (
            "sockets",
            "Connections",
            8700,
            "active connections",
            &["connections"][..],
        ),
        (
            "new",
            "New Connections",
            8701,
            "connections/s",
            &["new", "ignore", "invalid"],
        ),
        (
            "changes",
            "Changes",
            8702,
            "changes/s",
            &["inserted", "deleted", "delete_list"],
        ),
        (
            "expect",
            "Expectations",
            8703,
            "expectations/s",
            &["created", "deleted", "new"],
        ),
        (
            "errors",
            "Errors",
            8705,
            "events/s",
            &["icmp_error", "insert_failed", "drop", "early_drop"],
        ),
        (
            "search",
            "Searches",
            8710,
            "searches/s",
            &["searched", "restarted", "found"],
        ),
    ] {
        let id = format!("netfilter.conntrack_{name}");
        let chart = &charts["charts"][&id];
        let expected = serde_json::json!({
            "id": id, "name": id, "context": id, "type": "netfilter", "family": "conntrack",
            "chart_type": "line", "update_every": 1, "priority": priority, "units": units,
            "title": format!("Connection Tracker {title} ({id})"),
        });
        for (field, value) in expected.as_object().context("an object")? {
            ensure!(chart[field] == *value, "{id}: {field} is {}", chart[field]);
        }
        let drawn = chart["dimensions"].as_object().context("no dimensions")?;
        let mut drawn: Vec<_> = drawn.keys().map(String::as_str).collect();
        let mut dimensions = dimensions.to_vec();
        drawn.sort_unstable();
        dimensions.sort_unstable();
        ensure!(drawn == dimensions, "{id}: {drawn:?}");
    }
    // Alerts compare with it.
    let max = &charts["charts"]["netfilter.conntrack_sockets"]["chart_variables"];
    ensure!(
        max["netfilter_conntrack_max"].as_f64() == Some(65_536.0),
        "{max}"
    );
    Ok(())
}

#[test]
fn what_is_unavailable_is_a_gap() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let mut server = start(&tree, "", "")?;
    let http = server.http();
    let chart = "ctpulse.conntrack_sockets";
    wait_for_chart(&mut server, chart)?;
    for file in [STAT, COUNT] {
        tree.remove(file)?;
    }
    // Netdata answers up to the last point that it has.
    let last = server.wait_for("gap", || {
        let last = Points::of(http, chart)?.times[0];
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        Ok((now.cast_signed() > last + GAP_S).then_some(last))
    })?;
    tree.become_snapshot("6.1/t0")?;
    let values = server.wait_for("point after the gap", || {
        let points = Points::of(http, chart)?;
        let is_after = points.times[0] > last + GAP_S;
        Ok(is_after.then(|| points.values("connections").map(<[_]>::to_vec)))
    })??;
    // The latest first: values, a gap, values, and nothing before the start.
    let mut stretches = values.chunk_by(|a, b| a.is_some() == b.is_some());
    for is_known in [true, false, true] {
        let stretch = stretches.next().context("there are fewer stretches")?;
        let expected = is_known.then_some(242_000.0);
        ensure!(stretch.iter().all(|value| *value == expected), "{values:?}");
    }
    Ok(())
}

/// The alert, as Netdata has it.
fn alert(http: Http) -> Result<Option<Value>> {
    let alarms = http.json("/api/v1/alarms?all")?;
    let alarms = alarms["alarms"].as_object().context("no alarms")?;
    let ours = alarms
        .values()
        .find(|alarm| alarm["name"] == "netfilter_conntrack_full");
    Ok(ours.cloned())
}

#[test]
fn its_alert_is_loaded_and_raised() -> Result<()> {
    let generated = program::run(&["generate", "netdata-health"])?.success();
    let health = String::from_utf8(generated.get_output().stdout.clone())?;
    // 92 % of the table.
    let tree = Tree::of("6.1/t0")?;
    let mut server = start(&tree, "", &health)?;
    let http = server.http();
    let alert_with =
        |status: &'static str| move || Ok(alert(http)?.filter(|alert| alert["status"] == status));
    let warning = server.wait_for("WARNING", alert_with("WARNING"))?;
    let expected = serde_json::json!({
        "chart": "ctpulse.conntrack_sockets", "units": "%", "update_every": 10,
        "lookup_method": "max", "lookup_after": -10, "lookup_dimensions": "connections",
        "delay_up_duration": 0, "delay_down_duration": 300, "delay_multiplier": 1.5,
        "delay_max_duration": 3600, "value_string": "92.3%",
        "warn_parsed": "(${this} &gt; ((${status} &gt;= ${WARNING}) ? 85 : 90))",
        "crit_parsed": "(${this} &gt; ((${status} == ${CRITICAL}) ? 90 : 95))",
    });
    for (field, value) in expected.as_object().context("an object")? {
        ensure!(warning[field] == *value, "{field} is {}", warning[field]);
    }
    // The variable of the host is that of its own namespace.
    let variables = http.json("/api/v1/alarm_variables?chart=ctpulse.conntrack_sockets")?;
    let of_host = &variables["host_variables"]["netfilter_conntrack_max"];
    ensure!(of_host.as_f64() == Some(262_144.0), "{variables}");

    tree.set_entries(250_000)?;
    server.wait_for("CRITICAL", alert_with("CRITICAL"))?;
    Ok(())
}
