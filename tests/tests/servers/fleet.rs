//! Rules and dashboard, in a real Prometheus that scrapes real metrics.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    thread,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    program,
    server::{self, Http, Server},
    serving::Serving,
    tree::Tree,
};

/// What a command of `ctpulse generate` prints.
fn generated(what: &str) -> Result<String> {
    let printed = program::run(&["generate", what])?.success();
    Ok(String::from_utf8(printed.get_output().stdout.clone())?)
}

#[test]
fn the_rules_do_what_they_say() -> Result<()> {
    let dir = tempfile::tempdir()?;
    fs::write(dir.path().join("rules.yml"), generated("prometheus-rules")?)?;
    fs::write(dir.path().join("tests.yml"), include_str!("rules.test.yml"))?;
    for args in [
        ["check", "rules", "rules.yml"],
        ["test", "rules", "tests.yml"],
    ] {
        let mut promtool = server::command("usr/bin/promtool")?;
        let output = promtool.args(args).current_dir(dir.path()).output()?;
        ensure!(
            output.status.success(),
            "promtool {}:\n{}{}",
            args.join(" "),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// Prometheus with our rules, which scrapes these targets each second.
fn prometheus(targets: &[SocketAddr]) -> Result<Server> {
    let rules = generated("prometheus-rules")?;
    Server::start("Prometheus", |dir, port| {
        fs::write(dir.join("rules.yml"), &rules)?;
        let targets: Vec<_> = targets.iter().map(|target| format!("'{target}'")).collect();
        let config = dir.join("prometheus.yml");
        let text = format!(
            "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\n\
             rule_files: [rules.yml]\n\
             scrape_configs:\n  - job_name: ctpulse\n    static_configs:\n      - targets: [{}]\n",
            targets.join(", ")
        );
        fs::write(&config, text)?;
        let mut command = server::command("usr/bin/prometheus")?;
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                dir.join("data").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"));
        Ok(command)
    })
}

/// What an expression is now.
fn query(http: Http, expression: &str) -> Result<Vec<Value>> {
    let mut encoded = String::new();
    for byte in expression.bytes() {
        encoded += &format!("%{byte:02x}");
    }
    let answer = http.json(&format!("/api/v1/query?query={encoded}"))?;
    let found = answer["data"]["result"].as_array();
    Ok(found
        .with_context(|| format!("{expression}: {answer}"))?
        .clone())
}

/// `ctpulse serve` on a tree.
fn serve(tree: &Tree) -> Result<Serving> {
    let root = tree.root();
    Serving::start(root.to_str().context("the path is no UTF-8")?, &[])
}

#[test]
fn an_alert_fires_when_the_table_fills() -> Result<()> {
    // 92 % of the table.
    let tree = Tree::of("6.1/t0")?;
    let serving = serve(&tree)?;
    let mut prometheus = prometheus(&[serving.address])?;
    let http = prometheus.http();
    let mut fires = |severity: &str| {
        prometheus.wait_for(severity, || {
            let answer = http.json("/api/v1/alerts")?;
            let alerts = answer["data"]["alerts"].as_array().context("no alerts")?;
            let firing = alerts.iter().find(|alert| {
                alert["state"] == "firing"
                    && alert["labels"]["alertname"] == "netfilter_conntrack_full"
                    && alert["labels"]["severity"] == severity
            });
            Ok(firing.cloned())
        })
    };
    let warning = fires("warning")?;
    ensure!(warning["annotations"]["value"] == "92.32 (%)", "{warning}");
    tree.set_entries(250_000)?;
    fires("critical")?;

    let answer = http.json("/api/v1/rules")?;
    let groups = answer["data"]["groups"].as_array().context("no groups")?;
    let rules = groups.iter().flat_map(|group| group["rules"].as_array());
    let rules: Vec<_> = rules.flatten().collect();
    ensure!(rules.len() > 40, "{} rules", rules.len());
    for rule in rules {
        ensure!(rule["health"] == "ok", "{rule}");
    }
    serving.program.stop()?;
    Ok(())
}

/// Answers every request with a text, as long as the tests run.
fn always(content_type: &'static str, text: String) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let head = BufReader::new(&stream).lines().map_while(Result::ok);
            let _ = head.take_while(|line| !line.is_empty()).count();
            let length = text.len();
            // A client that is gone needs no answer.
            let _ = write!(
                &stream,
                "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
                 Connection: close\r\n\r\n{text}"
            );
        }
    });
    Ok(address)
}

/// What a recording of a guest with probes exposes: a snapshot of the tests of the metrics. It is too short for the longer of the
/// windows, whose values look the same.
fn exposed(snapshot: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../conntrack-user/src/output/metrics/snapshots")
        .join(format!(
            "conntrack_user__output__metrics__tests__{snapshot}.snap"
        ));
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let (_, text) = text.split_once("\n---\n").context("no head")?;
    let mut exposed = String::new();
    for line in text.lines() {
        exposed += &format!("{line}\n");
        if line.contains("window=\"10s\"") {
            exposed += &format!("{}\n", line.replace("\"10s\"", "\"60s\""));
        }
    }
    Ok(exposed)
}

/// Counters that are probed with `--probes all` alone, which the recordings were not made with.
const PER_PACKET: [&str; 4] = ["ignore", "invalid", "insert_failed", "drop"];

#[test]
fn every_expression_of_the_dashboard_has_data() -> Result<()> {
    // A kernel that counts everything, whose table is almost full; and two recordings of what probes count.
    let tree = Tree::of("4.4/t0")?;
    tree.set_entries(64_000)?;
    let serving = serve(&tree)?;
    let open_metrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let classic = "text/plain; version=0.0.4; charset=utf-8";
    let targets = [
        serving.address,
        always(open_metrics, exposed("open_metrics_of_a_recording")?)?,
        always(classic, exposed("classic_text_of_a_recording")?)?,
    ];
    let mut prometheus = prometheus(&targets)?;
    let http = prometheus.http();
    prometheus.wait_for("all targets", || {
        Ok((query(http, "up == 1")?.len() == targets.len()).then_some(()))
    })?;

    let dashboard: Value = serde_json::from_str(&generated("grafana-dashboard")?)?;
    let panels = dashboard["panels"].as_array().context("no panels")?;
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array());
    let expressions: Vec<&str> = targets
        .flatten()
        .filter_map(|target| target["expr"].as_str())
        .collect();
    ensure!(expressions.len() > 40, "{} expressions", expressions.len());
    for shown in expressions {
        let within_seconds = ["peak", "p99"].map(|of| format!("_{of}_per_second"));
        let is_unknown = PER_PACKET.iter().any(|counter| {
            let of_counter = within_seconds.iter();
            of_counter
                .clone()
                .any(|of| shown.contains(&format!("ctpulse_{counter}{of}")))
        });
        let expression = shown
            .replace("$instance", ".+")
            .replace("$netns", ".+")
            .replace("$window", "60s")
            .replace("$__rate_interval", "1m");
        if is_unknown {
            ensure!(query(http, &expression)?.is_empty(), "{shown} has data now");
            continue;
        }
        prometheus.wait_for(&format!("data of {expression}"), || {
            Ok(query(http, &expression)?.first().map(drop))
        })?;
    }
    serving.program.stop()?;
    Ok(())
}
