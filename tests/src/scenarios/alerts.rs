//! Every alert: raised, held and over; and a command for each change, once.

use std::{
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{module::unload, selector::WRONG};
use crate::{
    ctpulse::Stream,
    drive::{
        chain,
        ctnetlink::{Ctnetlink, Flow, Tuple},
        packet::protocol,
        tcp::Connections,
    },
    kernel::{FEWEST_BUCKETS, conntrack_is_a_module, table_buckets, table_max, tracking},
    traffic::UdpFlows,
};

/// The defaults wait for minutes.
const SHORT: &str = "
[alerts.netfilter_conntrack_full]
window = \"1s\"
delay_down = \"500ms\"
[alerts.conntrack_table_full]
critical = 100
critical_hold = 20
window = \"2s\"
delay_down = \"500ms\"
[alerts.conntrack_insert_failed]
critical = 100
critical_hold = 20
window = \"2s\"
delay_down = \"500ms\"
[alerts.conntrack_early_drop]
critical = 100
critical_hold = 20
window = \"2s\"
delay_down = \"500ms\"
[alerts.conntrack_time_to_full]
delay_down = \"500ms\"
[alerts.conntrack_probe_mismatch]
delay_down = \"500ms\"
[on_alert]
at_once = 1
timeout = \"1m\"
";

/// Events per second that hold an alert which is raised above 100 and held above 20.
const HOLDING: f64 = 60.0;

/// A stream whose alerts a command writes down.
struct Watch {
    stream: Stream,
    name: &'static str,
    told: PathBuf,
}

impl Watch {
    fn start(name: &'static str, more: &[&str]) -> Result<Self> {
        let told = PathBuf::from(format!("/tmp/told-{name}"));
        let config = "/tmp/alerts.toml";
        fs::write(config, SHORT).context("write the configuration")?;
        fs::write(&told, "")?;
        let command = format!("cat >> {}", told.display());
        let args = [&["--config", config, "--on-alert", &command], more].concat();
        let mut watch = Self {
            stream: Stream::start(&args)?,
            name,
            told,
        };
        watch.stands("not raised yet", |alert| alert["status"] == "CLEAR")?;
        Ok(watch)
    }

    /// Waits for a sample in which the alert stands like this.
    fn stands(&mut self, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        let name = self.name;
        let sample = self.stream.wait_for(&format!("{name} {what}"), |record| {
            record["type"] == "sample" && is(&record["alerts"][name])
        })?;
        Ok(sample["alerts"][name].clone())
    }

    fn told(&mut self, status: &str) -> Result<Value> {
        let name = self.name;
        self.stream.wait_for(&format!("{name} {status}"), |record| {
            record["type"] == "alert" && record["name"] == name && record["status"] == status
        })
    }

    /// Ends the stream: the command must have run once for each change of any alert, in order, and this
    /// one's changes must follow one another from clear to clear.
    fn end(self) -> Result<()> {
        self.end_as("CLEAR")
    }

    /// The same for one that stands otherwise at the end.
    fn end_as(self, last: &str) -> Result<()> {
        let ended = self.stream.stop()?;
        let alerts: Vec<&Value> = ended.of("alert").collect();
        let commands = fs::read_to_string(&self.told)?;
        let commands: Vec<Value> = commands
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()?;
        ensure!(
            commands.iter().eq(alerts.iter().copied()),
            "told {alerts:?}, the commands {commands:?}"
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
        tracking()
    }
}

/// `drive` makes about so many events.
fn events(mut watch: Watch, mut drive: impl FnMut(u32) -> Result<()>) -> Result<()> {
    drive(1_000)?;
    watch.told("CRITICAL")?;
    let (start, mut driven) = (Instant::now(), 0);
    loop {
        let due = (start.elapsed().as_secs_f64() * HOLDING) as u32;
        drive(due - driven)?;
        driven = due;
        let alert = watch.stands("at any value", |alert| alert["value"].is_number())?;
        if alert["value"].as_f64().context("value")? < 100.0 {
            ensure!(alert["status"] == "CRITICAL", "not held: {alert}");
            break;
        }
    }
    watch.told("CLEAR")?;
    watch.end()
}

pub(super) fn full() -> Result<()> {
    tracking()?;
    let mut watch = Watch::start("netfilter_conntrack_full", &[])?;
    UdpFlows::new()?.send(930)?;
    table_max(1_000)?;
    let warning = watch.told("WARNING")?;
    ensure!(warning["unit"] == "%", "{warning}");
    // 87 %.
    table_max(1_070)?;
    let held = watch.stands("below 90 %", |alert| {
        alert["value"].as_f64().is_some_and(|value| value < 90.0)
    })?;
    ensure!(held["status"] == "WARNING", "not held: {held}");
    table_max(2_000)?;
    watch.told("CLEAR")?;
    watch.end()
}

pub(super) fn table_full() -> Result<()> {
    const ASSURED: u32 = 100;
    tracking()?;
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
    tracking()?;
    chain::overfill()?;
    let mut flows = UdpFlows::new()?;
    events(Watch::start("conntrack_insert_failed", &[])?, |failed| {
        // Now and then a chain has still room.
        flows.offer(failed).map(drop)
    })
}

pub(super) fn early_drop() -> Result<()> {
    const ROOM: u32 = 1_000;
    tracking()?;
    table_buckets(FEWEST_BUCKETS)?;
    table_max(ROOM)?;
    let mut flows = UdpFlows::new()?;
    flows.offer(ROOM)?;
    events(Watch::start("conntrack_early_drop", &[])?, |evicted| {
        flows.offer(evicted).map(drop)
    })
}

/// From the third second of a steady fill on, the time to full is told within 10 %.
pub(super) fn time_to_full() -> Result<()> {
    const RATE: f64 = 400.0;
    const MAX: f64 = 20_000.0;
    const FILL: Duration = Duration::from_secs(9);
    tracking()?;
    table_max(MAX as u32)?;
    let mut watch = Watch::start("conntrack_time_to_full", &[])?;
    let mut flows = UdpFlows::new()?;
    let (began, start) = (jiff::Timestamp::now(), Instant::now());
    let mut sent = 0;
    while start.elapsed() < FILL {
        let due = (start.elapsed().as_secs_f64() * RATE) as u32;
        flows.offer(due - sent)?;
        sent = due;
        thread::sleep(Duration::from_millis(5));
    }
    let ended = jiff::Timestamp::now();
    watch.told("CRITICAL")?;
    watch.told("CLEAR")?;

    let (mut judged, mut worst) = (0, 0.0_f64);
    for sample in watch
        .stream
        .records
        .iter()
        .filter(|r| r["type"] == "sample")
    {
        let time: jiff::Timestamp = sample["time"].as_str().context("time")?.parse()?;
        if time < began + Duration::from_secs(3) || time > ended {
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
    watch.end()
}

/// A mismatch stays for as long as the probes are attached; nothing is told while they are not.
pub(super) fn probe_mismatch() -> Result<()> {
    const NAME: &str = "conntrack_probe_mismatch";
    const FLOWS: u16 = 20;
    tracking()?;
    let ctnetlink = Ctnetlink::open()?;
    let mut watch = Watch::start(NAME, &["--object", WRONG])?;
    for port in 1..=FLOWS {
        let made = ctnetlink.insert(&Flow::of(Tuple {
            protocol: protocol::UDP,
            from: ([127, 9, 0, 1].into(), port),
            to: ([127, 9, 0, 2].into(), 53),
        }))?;
        ensure!(made.is_ok(), "flow {port}: {made:?}");
    }
    drop(ctnetlink);
    let warning = watch.told("WARNING")?;
    ensure!(warning["unit"] == "checks", "{warning}");
    for _ in 0..10 {
        watch.stands("held", |alert| alert["status"] == "WARNING")?;
    }
    if !conntrack_is_a_module()? {
        // What is built in stays, and so does the alert.
        return watch.end_as("WARNING");
    }
    unload()?;
    watch.stream.wait_for("no probes, and why", |record| {
        record["alerts"][NAME].is_null() && record["alerts_unavailable"][NAME].is_string()
    })?;
    tracking()?;
    watch.told("CLEAR")?;
    watch.end()
}
