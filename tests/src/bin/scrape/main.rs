//! Measures what a scrape of `ctpulse serve` costs, in each format, beside node_exporter's conntrack collector alone.
//!
//! It makes network namespaces, and removes them. In guests, where it may, it has them track connections, and sends flows.

mod cost;

use std::{path::PathBuf, process::Command};

use anyhow::Result;
use clap::Parser;
use ctpulse_tests::{
    cpu_time::median,
    kernel::{
        self,
        namespaces::{Namespaces, within},
    },
    markdown,
    serving::{Server, samples},
    traffic::UdpFlows,
};

use cost::{Cost, measure};

/// Measures what a scrape costs.
#[derive(Parser)]
struct Options {
    /// ctpulse
    #[arg(long, default_value = "ctpulse")]
    ctpulse: PathBuf,
    /// Network namespaces besides our own
    #[arg(long, default_value_t = 0)]
    namespaces: usize,
    /// Track connections and send flows, so that every series has values: only for guests
    #[arg(long)]
    traffic: bool,
    /// Scrapes in each format
    #[arg(long, default_value_t = 50)]
    rounds: usize,
    /// node_exporter, for comparison
    #[arg(long)]
    node_exporter: Option<PathBuf>,
}

const FORMATS: [(&str, &str); 3] = [
    ("classic text", "text/plain;version=0.0.4"),
    ("OpenMetrics", "application/openmetrics-text;version=1.0.0"),
    (
        "protobuf",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
    ),
];

/// Flows in each namespace.
const FLOWS: u32 = 500;

fn main() -> Result<()> {
    let options = Options::parse();
    let mut namespaces = Made::default();
    for number in 0..options.namespaces {
        namespaces.add(&format!("scraped-{number}"))?;
    }
    if options.traffic {
        kernel::tracking()?;
        for name in &namespaces.names {
            within(name, kernel::namespaces::track)?;
        }
    }
    let mut rows = ctpulse(&options, &namespaces.names)?;
    if let Some(program) = &options.node_exporter {
        rows.push(node_exporter(program, options.rounds)?);
    }
    let head = ["", "series", "KB", "ms", "ms, at most", "ms of CPU"];
    print!("{}", markdown::table(head, 1, &rows));
    Ok(())
}

/// Network namespaces that are there as long as this is.
#[derive(Default)]
struct Made {
    by: Option<Namespaces>,
    names: Vec<String>,
}

impl Made {
    fn add(&mut self, name: &str) -> Result<()> {
        let by = match &mut self.by {
            Some(by) => by,
            empty => empty.insert(Namespaces::new()?),
        };
        by.add(name)?;
        self.names.push(name.to_owned());
        Ok(())
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for name in &self.names {
            // Whoever reads the error can remove the rest.
            if let Some(by) = &mut self.by
                && let Err(error) = by.delete(name)
            {
                eprintln!("{name} is left: {error:#}");
            }
        }
    }
}

/// A scrape of ctpulse in each format.
fn ctpulse(options: &Options, names: &[String]) -> Result<Vec<[String; 6]>> {
    let program = options.ctpulse.to_string_lossy();
    let args: &[&str] = match options.namespaces {
        0 => &[],
        _ => &["--netns", "all"],
    };
    let server = Server::ctpulse(&program, args)?;
    if options.traffic {
        UdpFlows::new()?.send(FLOWS)?;
        for name in names {
            within(name, || UdpFlows::new()?.send(FLOWS))?;
        }
    }
    eprintln!("{}", server.said().join("\n"));
    let text = server.text("/metrics")?;
    let series = samples(&text).count();
    let any = measure(&server, "/healthz", "", options.rounds)?;
    let mut rows = vec![row("ctpulse, `/healthz`: what any request costs", 0, any)];
    for (format, accept) in FORMATS {
        let cost = measure(&server, "/metrics", accept, options.rounds)?;
        rows.push(row(&format!("ctpulse, {format}"), series, cost));
    }
    Ok(rows)
}

/// The same of node_exporter.
fn node_exporter(program: &PathBuf, rounds: usize) -> Result<[String; 6]> {
    let server = Server::start("node_exporter", |port| {
        let mut command = Command::new(program);
        command
            .arg("--collector.disable-defaults")
            .arg("--collector.conntrack")
            .arg(format!("--web.listen-address=127.0.0.1:{port}"));
        command
    })?;
    let series = samples(&server.text("/metrics")?).count();
    let (_, accept) = FORMATS[0];
    let cost = measure(&server, "/metrics", accept, rounds)?;
    Ok(row(
        "node_exporter, its conntrack collector alone",
        series,
        cost,
    ))
}

fn row(what: &str, series: usize, mut cost: Cost) -> [String; 6] {
    let ms = |duration: std::time::Duration| format!("{:.2}", duration.as_secs_f64() * 1e3);
    let bytes = cost.answer.map_or(0, |answer| answer.body.len());
    let most = cost.took.iter().max().copied().unwrap_or_default();
    [
        what.to_owned(),
        series.to_string(),
        format!("{:.1}", bytes as f64 / 1e3),
        ms(median(&mut cost.took)),
        ms(most),
        ms(median(&mut cost.cpu)),
    ]
}
