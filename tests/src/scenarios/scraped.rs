//! `ctpulse serve` beside the programs that its users have, each with the guest's table.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{alerts::SHORT, restart::resized_until_restarted};
use crate::{
    ctpulse::PATIENCE,
    drive::{
        ctnetlink::{Ctnetlink, Flow, Tuple},
        faulty, nat,
        packet::protocol,
    },
    kernel::{self, FEWEST_BUCKETS, nft, proc_columns, settle, table_buckets, table_max, tracking},
    serving::{Server, samples},
    traffic::UdpFlows,
};

/// What node_exporter's names of conntrack have in common.
const NODE: &str = "node_nf_conntrack_";

/// Each driver, and the columns that it moves.
type Driver = (fn() -> Result<()>, &'static [&'static str]);

const DRIVERS: [Driver; 5] = [
    (invalid, &["invalid"]),
    (inserts, &["insert"]),
    (too_few_ports, &["found", "insert_failed", "drop"]),
    (evictions, &["early_drop"]),
    (restarts, &["search_restart"]),
];

/// The same values for the same names, whatever the kernel counts.
pub(super) fn beside_node_exporter() -> Result<()> {
    let args = ["--compat", "node-exporter", "--interval", "50ms"];
    let ctpulse = Server::ctpulse("ctpulse", &args)?;
    let node = Server::start("node_exporter", |port| {
        let mut command = Command::new("prometheus-node-exporter");
        command
            .args(["--collector.disable-defaults", "--collector.conntrack"])
            .arg(format!("--web.listen-address=127.0.0.1:{port}"));
        command
    })?;
    let untracked = || do_not_track(&[&ctpulse, &node]);
    untracked()?;
    let mut before = the_same(&ctpulse, &node)?;
    for (drive, moved) in DRIVERS {
        drive()?;
        untracked()?;
        settle()?;
        let now = the_same(&ctpulse, &node)?;
        for column in moved {
            let name = format!("{NODE}stat_{column}");
            ensure!(now[&name] > before[&name], "{name} did not move: {now:?}");
        }
        println!("{moved:?}: {now:?}");
        before = now;
        tracking()?;
    }
    Ok(())
}

/// Waits until both say the same under node_exporter's names, which must be what the kernel says, and returns it.
fn the_same(ctpulse: &Server, node: &Server) -> Result<BTreeMap<String, f64>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ours = exposed(&ctpulse.text("/metrics")?)?;
        let theirs = exposed(&node.text("/metrics")?)?;
        let kernel = of_the_kernel()?;
        ensure!(theirs.len() == 10, "node_exporter has {theirs:?}");
        if ours == theirs
            && theirs
                .iter()
                .all(|(name, value)| kernel.get(name) == Some(value))
        {
            return Ok(ours);
        }
        ensure!(
            Instant::now() < deadline,
            "ctpulse {ours:?}, node_exporter {theirs:?}, the kernel {kernel:?}"
        );
        thread::sleep(Duration::from_millis(50));
    }
}

/// What an exposition has under node_exporter's names. All of them must be gauges without labels.
fn exposed(text: &str) -> Result<BTreeMap<String, f64>> {
    let named = samples(text).filter(|(name, _)| name.starts_with(NODE));
    let values: BTreeMap<String, f64> = named
        .map(|(name, value)| Ok((name.to_owned(), value.parse()?)))
        .collect::<Result<_>>()?;
    for name in values.keys() {
        let kind = format!("# TYPE {name} gauge\n");
        ensure!(text.contains(&kind), "{name} is no gauge: {text}");
    }
    Ok(values)
}

/// All of it by our own reading.
fn of_the_kernel() -> Result<BTreeMap<String, f64>> {
    let columns = proc_columns()?.into_iter();
    let mut values: BTreeMap<String, f64> = columns
        .map(|(name, value)| (format!("{NODE}stat_{name}"), value as f64))
        .collect();
    for (name, file) in [("entries", "count"), ("entries_limit", "max")] {
        values.insert(format!("{NODE}{name}"), table(file)? as f64);
    }
    Ok(values)
}

/// A number of the table's: `count` or `max`.
fn table(what: &str) -> Result<u64> {
    let path = format!("/proc/sys/net/netfilter/nf_conntrack_{what}");
    let text = fs::read_to_string(&path).with_context(|| path.clone())?;
    text.trim()
        .parse()
        .with_context(|| format!("{path}: {text:?}"))
}

/// Leaves requests to servers untracked: they would move what is compared.
fn do_not_track(servers: &[&Server]) -> Result<()> {
    let ports: Vec<String> = servers
        .iter()
        .map(|server| server.address().port().to_string())
        .collect();
    let ports = ports.join(", ");
    nft(&format!(
        "add chain inet t raw {{ type filter hook output priority -300; }}
        add rule inet t raw tcp dport {{ {ports} }} notrack
        add rule inet t raw tcp sport {{ {ports} }} notrack"
    ))
}

fn invalid() -> Result<()> {
    faulty::silence()?;
    faulty::send(&faulty::invalid(), 20, "invalid").map(drop)
}

fn inserts() -> Result<()> {
    let ctnetlink = Ctnetlink::open()?;
    for port in 1..=50 {
        let flow = Flow::of(Tuple {
            protocol: protocol::UDP,
            from: ([127, 9, 0, 1].into(), port),
            to: ([127, 9, 0, 2].into(), 53),
        });
        ctnetlink.insert(&flow)?.context("insert a flow")?;
    }
    Ok(())
}

/// NAT gives up for some flows, which the kernel drops.
fn too_few_ports() -> Result<()> {
    nat::rules()?;
    nat::crowd(nat::PORTS + 4, 100).map(drop)
}

fn evictions() -> Result<()> {
    table_buckets(FEWEST_BUCKETS)?;
    table_max(1_000)?;
    UdpFlows::new()?.offer(5_000).map(drop)
}

fn restarts() -> Result<()> {
    resized_until_restarted().map(drop)
}

/// The limit of the table that is filled, and flows that fill it to 97 %.
const ROOM: u32 = 1_000;
const FLOWS: u32 = 970;

/// What counts each new flow. Only a native histogram has a sum that this function can read.
const OF_ALL_FLOWS: [&str; 2] = ["ctpulse_new_total", "histogram_sum(ctpulse_new_per_bucket)"];

/// The alert of the generated rules that is for a table that is nearly full.
const FULL: &str = "netfilter_conntrack_full";

/// Files of Prometheus, and what it reads.
const PROMETHEUS: &str = "/tmp/prometheus";

/// Prometheus with the rules that ctpulse generates, and with native histograms.
pub(super) fn by_prometheus() -> Result<()> {
    table_max(ROOM)?;
    let dir = Path::new(PROMETHEUS);
    fs::create_dir_all(dir)?;
    // By default its end would be notified minutes later.
    let config = dir.join("ctpulse.toml");
    fs::write(&config, SHORT)?;
    let ctpulse = Server::ctpulse("ctpulse", &["--config", &config.to_string_lossy()])?;
    let mut prometheus = prometheus(&ctpulse)?;
    do_not_track(&[&ctpulse, &prometheus])?;
    kernel::flush()?;
    prometheus.until("scrape of live probes", |prometheus| {
        let probed = query(prometheus, "ctpulse_probed_functions > 0")?;
        let empty = query(prometheus, "ctpulse_entries < 10")?;
        Ok((!probed.is_empty() && !empty.is_empty()).then_some(()))
    })?;
    ensure!(alert(&prometheus)?.is_none(), "the alert fires at once");
    // Requests were tracked until they were not: this is what they leave.
    let mut before = Vec::new();
    for of_all in OF_ALL_FLOWS {
        before
            .push(prometheus.until(of_all, |prometheus| Ok(number(&query(prometheus, of_all)?)))?);
    }

    UdpFlows::new()?.send(FLOWS)?;
    settle()?;
    let firing = prometheus.until("alert", |prometheus| {
        Ok(alert(prometheus)?.filter(|alert| alert["state"] == "firing"))
    })?;
    ensure!(firing["labels"]["severity"] == "critical", "{firing}");
    println!("{firing}");

    // Tables, counters and histograms are those of the kernel, once all of it was scraped.
    let entries = table("count")?;
    let of_table = [
        ("ctpulse_entries", entries as f64),
        ("ctpulse_entries_limit", f64::from(ROOM)),
    ];
    let of_flows = OF_ALL_FLOWS.into_iter().zip(before);
    let of_flows = of_flows.map(|(expression, before)| (expression, before + f64::from(FLOWS)));
    for (expression, expected) in of_table.into_iter().chain(of_flows) {
        prometheus.until(&format!("{expression} of {expected}"), |prometheus| {
            Ok(number(&query(prometheus, expression)?).filter(|value| *value == expected))
        })?;
    }
    let counted = number(&query(
        &prometheus,
        "histogram_count(ctpulse_new_per_bucket)",
    )?);
    ensure!(counted > Some(1_000.0), "{counted:?} buckets");
    let most = "histogram_quantile(1, ctpulse_new_per_bucket)";
    let most = number(&query(&prometheus, most)?);
    ensure!(most > Some(1.0), "at most {most:?} in a bucket");
    println!("{counted:?} buckets, at most {most:?} flows in one");

    kernel::flush()?;
    prometheus.until("end of the alert", |prometheus| {
        Ok(alert(prometheus)?.is_none().then_some(()))
    })
}

fn prometheus(of: &Server) -> Result<Server> {
    let dir = Path::new(PROMETHEUS);
    let rules = kernel::run(&["ctpulse", "generate", "prometheus-rules"])?;
    fs::write(dir.join("rules.yml"), rules)?;
    let config = format!(
        "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\nrule_files: [rules.yml]\n\
         scrape_configs:\n  - job_name: ctpulse\n    static_configs:\n      - targets: ['{}']\n",
        of.address()
    );
    fs::write(dir.join("prometheus.yml"), config)?;
    Server::start("Prometheus", |port| {
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={PROMETHEUS}/prometheus.yml"))
            .arg(format!("--storage.tsdb.path={PROMETHEUS}/data"))
            .arg("--enable-feature=native-histograms")
            .arg(format!("--web.listen-address=127.0.0.1:{port}"));
        command
    })
}

/// The alert for a full table, at its worst.
fn alert(prometheus: &Server) -> Result<Option<Value>> {
    let answer = prometheus.json("/api/v1/alerts")?;
    let alerts = answer["data"]["alerts"].as_array().context("no alerts")?;
    let mut full = alerts
        .iter()
        .filter(|alert| alert["labels"]["alertname"] == FULL);
    let critical = full
        .clone()
        .find(|alert| alert["labels"]["severity"] == "critical");
    Ok(critical.or_else(|| full.next()).cloned())
}

/// What an expression is now.
fn query(prometheus: &Server, expression: &str) -> Result<Vec<Value>> {
    let encoded: String = expression
        .bytes()
        .map(|byte| format!("%{byte:02x}"))
        .collect();
    let answer = prometheus.json(&format!("/api/v1/query?query={encoded}"))?;
    let found = answer["data"]["result"].as_array();
    Ok(found.with_context(|| answer.to_string())?.clone())
}

/// The value of the only result.
fn number(found: &[Value]) -> Option<f64> {
    let [only] = found else {
        return None;
    };
    only["value"][1].as_str()?.parse().ok()
}
