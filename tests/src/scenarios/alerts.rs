//! Every alert is raised, held and cleared, and a command runs once for each change.

use std::{
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use serde_json::Value;

use super::{module::unload, selector::WRONG};
use crate::{
    ctpulse::Stream,
    drive::{
        chain,
        ctnetlink::{Ctnetlink, Flow, Tuple},
        nat,
        packet::protocol,
        tcp::Connections,
    },
    kernel::{FEWEST_BUCKETS, conntrack_is_a_module, table_buckets, table_max, tracking},
    traffic::UdpFlows,
};

/// The defaults take minutes. These windows still tolerate a sender that is delayed for seconds.
pub(super) const SHORT: &str = "
[alerts.netfilter_conntrack_full]
window = \"1s\"
delay_down = \"500ms\"
[alerts.conntrack_table_full]
critical = 100
critical_hold = 20
window = \"5s\"
delay_down = \"2s\"
[alerts.conntrack_insert_failed]
critical = 100
critical_hold = 20
window = \"5s\"
delay_down = \"2s\"
[alerts.conntrack_nat_exhausted]
critical = 100
critical_hold = 20
window = \"5s\"
delay_down = \"2s\"
[alerts.conntrack_early_drop]
critical = 100
critical_hold = 20
window = \"5s\"
delay_down = \"2s\"
[alerts.conntrack_time_to_full]
delay_down = \"500ms\"
[alerts.conntrack_probe_mismatch]
delay_down = \"500ms\"
[on_alert]
at_once = 1
timeout = \"10m\"
";

/// Events per second that hold an alert which is raised above 100 and held above 20.
const HOLDING: f64 = 60.0;

/// A stream whose `--on-alert` command logs the changes of alerts.
struct Watch {
    stream: Stream,
    name: &'static str,
    log: PathBuf,
}

impl Watch {
    /// Starts it, and waits until the alert is evaluated.
    fn start(name: &'static str, more: &[&str]) -> Result<Self> {
        let log = PathBuf::from(format!("/tmp/alerts-{name}"));
        let config = "/tmp/alerts.toml";
        fs::write(config, SHORT).context("write the configuration")?;
        fs::write(&log, "").with_context(|| format!("write {}", log.display()))?;
        let command = format!("cat >> {}", log.display());
        let args = [&["--config", config, "--on-alert", &command], more].concat();
        let mut watch = Self {
            stream: Stream::start(&args)?,
            name,
            log,
        };
        watch.wait_for("not raised yet", |alert| alert["status"] == "CLEAR")?;
        Ok(watch)
    }

    /// Waits for a sample in which the alert's state matches, and returns the state.
    fn wait_for(&mut self, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        let name = self.name;
        let sample = self
            .stream
            .wait_for_sample(&format!("{name} {what}"), |sample| {
                is(&sample["alerts"][name])
            })?;
        Ok(sample["alerts"][name].clone())
    }

    /// Waits for the record of the alert's change to a status.
    fn wait_for_change(&mut self, status: &str) -> Result<Value> {
        let name = self.name;
        self.stream.wait_for(&format!("{name} {status}"), |record| {
            record["type"] == "alert" && record["name"] == name && record["status"] == status
        })
    }

    /// Ends the stream. The command must have run once for each change of any alert, in order, and the changes of this alert must
    /// be consecutive, from CLEAR to CLEAR.
    fn end(self) -> Result<()> {
        self.end_as("CLEAR")
    }

    /// The same for an alert that ends in another status.
    fn end_as(self, last: &str) -> Result<()> {
        let ended = self.stream.stop()?;
        let alerts: Vec<&Value> = ended.of("alert").collect();
        let commands = fs::read_to_string(&self.log)
            .with_context(|| format!("read {}", self.log.display()))?;
        let commands: Vec<Value> = commands
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()?;
        ensure!(
            commands.iter().eq(alerts.iter().copied()),
            "alerts: {alerts:?}, commands: {commands:?}"
        );
        ensure!(!ended.stderr.contains("--on-alert"), "{}", ended.stderr);
        let mut status = "CLEAR".into();
        let ours = alerts.iter().filter(|alert| alert["name"] == self.name);
        for alert in ours {
            ensure!(alert["previous"] == status, "{alert} after {status}");
            status = alert["status"].clone();
            println!(
                "{} {} at {} {}",
                self.name, status, alert["value"], alert["unit"]
            );
        }
        ensure!(status == last, "{} ends {status}", self.name);
        Ok(())
    }
}

/// Raises, holds and clears an alert of an event counter; `drive` causes about that many events.
fn events(mut watch: Watch, mut drive: impl FnMut(u32) -> Result<()>) -> Result<()> {
    drive(1_000)?;
    watch.wait_for_change("CRITICAL")?;
    let (start, mut driven) = (Instant::now(), 0);
    loop {
        let due = (start.elapsed().as_secs_f64() * HOLDING) as u32;
        drive(due - driven)?;
        driven = due;
        let alert = watch.wait_for("at any value", |alert| alert["value"].is_number())?;
        if alert["value"].as_f64().context("value")? < 100.0 {
            ensure!(alert["status"] == "CRITICAL", "not held: {alert}");
            break;
        }
    }
    watch.wait_for_change("CLEAR")?;
    watch.end()
}

pub(super) fn full() -> Result<()> {
    let mut watch = Watch::start("netfilter_conntrack_full", &[])?;
    UdpFlows::new()?.send(930)?;
    table_max(1_000)?;
    let warning = watch.wait_for_change("WARNING")?;
    ensure!(warning["unit"] == "%", "{warning}");
    // 87 %.
    table_max(1_070)?;
    let held = watch.wait_for("below 90 %", |alert| {
        alert["value"].as_f64().is_some_and(|value| value < 90.0)
    })?;
    ensure!(held["status"] == "WARNING", "not held: {held}");
    table_max(2_000)?;
    watch.wait_for_change("CLEAR")?;
    watch.end()
}

pub(super) fn table_full() -> Result<()> {
    const ASSURED: u32 = 100;
    table_max(ASSURED)?;
    let _assured = Connections::establish(ASSURED as usize)?;
    let mut flows = UdpFlows::new()?;
    events(Watch::start("conntrack_table_full", &[])?, |refused| {
        let offered = flows.offer(refused)?;
        ensure!(offered.refused == u64::from(refused), "{offered:?}");
        Ok(())
    })
}

pub(super) fn insert_failed() -> Result<()> {
    chain::overfill()?;
    let mut flows = UdpFlows::new()?;
    events(Watch::start("conntrack_insert_failed", &[])?, |failed| {
        // A few chains may still have room.
        flows.offer(failed).map(drop)
    })
}

pub(super) fn nat_exhausted() -> Result<()> {
    nat::rules()?;
    let crowded = nat::Crowded::new()?;
    events(Watch::start("conntrack_nat_exhausted", &[])?, |refused| {
        crowded.refuse(refused)
    })
}

pub(super) fn early_drop() -> Result<()> {
    const ROOM: u32 = 1_000;
    table_buckets(FEWEST_BUCKETS)?;
    table_max(ROOM)?;
    let mut flows = UdpFlows::new()?;
    flows.offer(ROOM)?;
    events(Watch::start("conntrack_early_drop", &[])?, |evicted| {
        flows.offer(evicted).map(drop)
    })
}

/// How long the forecast is checked, from the third second on.
const FILL: Duration = Duration::from_secs(9);
/// The most that a sender may be late: the slope through means of 125 ms hardly changes by that much.
const LATE: Duration = Duration::from_millis(150);
/// Flows per second of a steady fill, and the size of the table.
const RATE: f64 = 400.0;
const MAX: f64 = 20_000.0;
/// The most attempts at a steady fill.
const ATTEMPTS: usize = 20;

/// From the third second of a steady fill on, the forecast is within 10 %.
pub(super) fn time_to_full() -> Result<()> {
    for attempt in 1..=ATTEMPTS {
        tracking()?;
        table_max(MAX as u32)?;
        let mut watch = Watch::start("conntrack_time_to_full", &[])?;
        let start = Timestamp::now();
        let late = fill()?;
        let end = Timestamp::now();
        watch.wait_for_change("CRITICAL")?;
        watch.wait_for_change("CLEAR")?;
        if late > LATE {
            println!("attempt {attempt}: the sender was held up for {late:?}");
            continue;
        }
        forecasts(&watch, start + Duration::from_secs(3), end)?;
        return watch.end();
    }
    bail!("the sender was held up in each of {ATTEMPTS} attempts")
}

/// Creates flows at a steady rate; returns the sender's greatest delay.
fn fill() -> Result<Duration> {
    let mut flows = UdpFlows::new()?;
    let (start, mut sent, mut late) = (Instant::now(), 0, Duration::ZERO);
    let mut last = start;
    while start.elapsed() < FILL {
        let due = (start.elapsed().as_secs_f64() * RATE) as u32;
        flows.offer(due - sent)?;
        sent = due;
        thread::sleep(Duration::from_millis(5));
        late = late.max(last.elapsed());
        last = Instant::now();
    }
    Ok(late)
}

/// Requires that the forecasts of samples between two times were correct, and held the alert.
fn forecasts(watch: &Watch, from: Timestamp, to: Timestamp) -> Result<()> {
    let (mut judged, mut worst) = (0, 0.0_f64);
    let samples = watch.stream.records().iter();
    for sample in samples.filter(|record| record["type"] == "sample") {
        let time: Timestamp = sample["time"].as_str().context("time")?.parse()?;
        if time < from || time > to {
            continue;
        }
        let entries = sample["entries"].as_f64().context("entries")?;
        let truth = (MAX - entries) / RATE;
        let full = &sample["time_to_full_s"];
        let estimate = full["estimate"]
            .as_f64()
            .with_context(|| format!("{entries} entries and no forecast: {full}"))?;
        let off = (estimate - truth).abs() / truth;
        ensure!(
            off <= 0.1,
            "{full} with {entries} entries: {truth} in truth"
        );
        let status = &sample["alerts"][watch.name]["status"];
        ensure!(*status == "CRITICAL", "not held: {status} at {full}");
        worst = worst.max(off);
        judged += 1;
    }
    ensure!(judged >= 20, "only {judged} samples");
    println!("{judged} forecasts, at most {:.1} % off", worst * 100.0);
    Ok(())
}

/// A mismatch persists for as long as the probes are attached; without them the alert is unavailable.
pub(super) fn probe_mismatch() -> Result<()> {
    const NAME: &str = "conntrack_probe_mismatch";
    const FLOWS: u16 = 20;
    let ctnetlink = Ctnetlink::open()?;
    // By fentry, the programs would keep the module; and nothing is to take the place of what counts wrongly.
    let mut watch = Watch::start(
        NAME,
        &[
            "--object",
            WRONG,
            "--no-fentry",
            "--without-function=__nf_conntrack_confirm",
        ],
    )?;
    for port in 1..=FLOWS {
        let made = ctnetlink.insert(&Flow::of(Tuple {
            protocol: protocol::UDP,
            from: ([127, 9, 0, 1].into(), port),
            to: ([127, 9, 0, 2].into(), 53),
        }))?;
        ensure!(made.is_ok(), "flow {port}: {made:?}");
    }
    drop(ctnetlink);
    let warning = watch.wait_for_change("WARNING")?;
    ensure!(warning["unit"] == "checks", "{warning}");
    for _ in 0..10 {
        watch.wait_for("held", |alert| alert["status"] == "WARNING")?;
    }
    if !conntrack_is_a_module()? {
        // A built-in nf_conntrack cannot be unloaded, so the alert persists.
        return watch.end_as("WARNING");
    }
    unload()?;
    watch
        .stream
        .wait_for("reason why there are no probes", |record| {
            record["alerts"][NAME].is_null() && record["alerts_unavailable"][NAME].is_string()
        })?;
    tracking()?;
    watch.wait_for_change("CLEAR")?;
    watch.end()
}
