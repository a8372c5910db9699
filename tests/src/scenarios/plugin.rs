//! `ctpulse netdata`: what Netdata's agent would get, with probes.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use crate::{
    ctpulse::{NO_FENTRY, PATIENCE, is_without_fentry},
    kernel,
    traffic::UdpFlows,
};

/// Where its output goes.
const OUTPUT: &str = "/tmp/netdata.out";

/// Flows that are made, and then flushed.
const FLOWS: u32 = 5_000;

/// Rates are given as whole thousandths.
const THOUSANDTHS: f64 = 1_000.0;

/// The dimensions that no kernel since 4.9 counts, and those that both count, are right on the charts.
pub(super) fn has_all_dimensions() -> Result<()> {
    kernel::flush()?;
    let mut command = Command::new("ctpulse");
    command.args(["netdata", "1", "--ids", "netdata"]);
    if is_without_fentry() {
        command.arg(NO_FENTRY);
    }
    let mut plugin = command
        .stdout(Stdio::from(File::create(OUTPUT)?))
        .spawn()
        .context("ctpulse netdata")?;
    let mut until = |what: &str, is: &dyn Fn(&Output) -> bool| -> Result<Output> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let output = Output::read()?;
            if is(&output) {
                return Ok(output);
            }
            let ended = plugin.try_wait()?;
            ensure!(ended.is_none(), "{what}: it ended with {ended:?}");
            ensure!(Instant::now() < deadline, "{what}: {output:?}");
            thread::sleep(Duration::from_millis(200));
        }
    };
    let before = until("the first points", &|output| {
        output.points("netfilter.conntrack_changes") >= 2
    })?;
    UdpFlows::new()?.send(FLOWS)?;
    kernel::flush()?;
    let flows = f64::from(FLOWS);
    let counted = |output: &Output, chart: &str, dimension: &str| {
        output.events(chart, dimension) - before.events(chart, dimension)
    };
    // What is counted in a second comes with its point.
    let after = until("all flows", &|output| {
        let deleted = counted(output, "netfilter.conntrack_changes", "deleted");
        deleted.round() >= flows
    })?;
    for (chart, dimension) in [
        ("netfilter.conntrack_new", "new"),
        ("netfilter.conntrack_changes", "inserted"),
        ("netfilter.conntrack_changes", "deleted"),
        ("netfilter.conntrack_changes", "delete_list"),
    ] {
        let counted = counted(&after, chart, dimension);
        println!("{chart} {dimension}: {counted}");
        // The thousandths of each point are rounded.
        ensure!(
            (counted - flows).abs() < 0.1,
            "{chart} {dimension}: {counted} of {flows}"
        );
    }
    plugin.kill()?;
    plugin.wait()?;
    Ok(())
}

/// What the plugin has written, by chart.
#[derive(Debug, Default)]
struct Output {
    /// Points, and events of each dimension.
    charts: BTreeMap<String, (u32, BTreeMap<String, f64>)>,
}

impl Output {
    fn read() -> Result<Self> {
        let text = fs::read_to_string(OUTPUT).context(OUTPUT)?;
        // The last line may not be there yet as a whole.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let mut output = Self::default();
        let (mut chart, mut seconds) = (String::new(), 0.0);
        for line in whole.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["BEGIN", name] => (chart, seconds) = (name.to_owned(), 0.0),
                ["BEGIN", name, microseconds] => {
                    chart = name.to_owned();
                    seconds = microseconds.parse::<f64>()? / 1e6;
                    output.charts.entry(chart.clone()).or_default().0 += 1;
                }
                ["SET", dimension, "=", value] => {
                    let rate = value.parse::<f64>()? / THOUSANDTHS;
                    let (_, events) = output.charts.entry(chart.clone()).or_default();
                    *events.entry(dimension.to_owned()).or_default() += rate * seconds;
                }
                _ => {}
            }
        }
        Ok(output)
    }

    fn points(&self, chart: &str) -> u32 {
        self.charts.get(chart).map_or(0, |(points, _)| *points)
    }

    fn events(&self, chart: &str, dimension: &str) -> f64 {
        let chart = self.charts.get(chart);
        let events = chart.and_then(|(_, events)| events.get(dimension));
        events.copied().unwrap_or(0.0)
    }
}
