//! The incidents of the manual's runbook: each is made, recorded, and recognised. Their recordings are in `fixtures/recordings/runbook`.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::loads::{tcp, udp};
use crate::{
    ctpulse::Stream,
    drive::{
        chain, faulty, nat,
        packet::{Addresses, Packet, RawSockets, flag},
        race,
        tcp::Connections,
    },
    kernel::{flush, sysctl, table_max},
    traffic::{Offered, UdpFlows},
};

/// Where the recordings are made.
const DIRECTORY: &str = "/tmp/runbook";

/// Where nothing answers, not even with a reset ([`faulty::silence`]).
const SILENT: u16 = 9;

/// The kernel's defaults, or shorter ones so that an incident takes seconds; other scenarios keep entries.
const TIMEOUTS: [(&str, u32); 6] = [
    ("tcp_timeout_established", 432_000),
    ("tcp_timeout_syn_sent", 120),
    ("tcp_timeout_syn_recv", 60),
    ("tcp_timeout_time_wait", 60),
    ("udp_timeout", 5),
    ("udp_timeout_stream", 120),
];

const TIMEOUT: &str = "net/netfilter/nf_conntrack_";

/// An incident, as it was recorded.
struct Incident {
    records: Vec<Value>,
    advice: Vec<Value>,
}

/// Records while `happens` does.
fn record(name: &str, interval: &str, happens: impl FnOnce() -> Result<()>) -> Result<Incident> {
    fs::create_dir_all(DIRECTORY)?;
    for (setting, seconds) in TIMEOUTS {
        sysctl(&format!("{TIMEOUT}{setting}"), seconds)?;
    }
    let file = PathBuf::from(DIRECTORY).join(format!("{name}.ctp"));
    let file = file.to_string_lossy();
    flush()?;
    let measured = ["--interval", interval, "--top", "5", "--event-rate", "10"];
    let args = ["record", &file, "--force", "--show", "--format", "json"];
    let mut recorder = Stream::command(&[&args[..], &measured[..]].concat())?;
    recorder.samples(2)?;
    happens()?;
    recorder.samples(2)?;
    let records = recorder.stop()?.records;
    let output = Command::new("ctpulse")
        .args(["advise", &file, "--format", "json"])
        .output()
        .context("run ctpulse advise")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{stderr}");
    let advice: Vec<Value> = String::from_utf8(output.stdout)?
        .lines()
        .map(|line| serde_json::from_str(line).with_context(|| line.to_owned()))
        .collect::<Result<_>>()?;
    let incident = Incident { records, advice };
    println!(
        "{file}: {} bytes, {} records; {}",
        fs::metadata(&*file)?.len(),
        incident.records.len(),
        incident.verdict()?
    );
    for advice in &incident.advice {
        println!("{}: {}", advice["topic"], advice["finding"]);
    }
    Ok(incident)
}

impl Incident {
    fn verdict(&self) -> Result<&Value> {
        let mut verdicts = self.records.iter().filter(|r| r["type"] == "verdict");
        verdicts.next_back().context("no verdict")
    }

    /// Something that a verdict said at any time.
    fn said(&self, what: &str) -> bool {
        let verdicts = self.records.iter().filter(|r| r["type"] == "verdict");
        let mut sentences = verdicts.flat_map(|v| v["sentences"].as_array().into_iter().flatten());
        sentences.any(|sentence| sentence.as_str().is_some_and(|text| text.contains(what)))
    }

    /// Requires advice on a topic, and returns it.
    fn advised(&self, topic: &str) -> Result<&Value> {
        let found = self.advice.iter().find(|advice| advice["topic"] == topic);
        found.with_context(|| format!("no advice on {topic}"))
    }

    fn changes(&self, topic: &str, setting: &str) -> Result<()> {
        let change = &self.advised(topic)?["change"];
        ensure!(change["setting"] == setting, "{topic}: {change}");
        Ok(())
    }
}

/// Does something so many times a second, for some seconds.
fn paced(per_s: u32, seconds: u32, mut work: impl FnMut(u32) -> Result<()>) -> Result<()> {
    let start = Instant::now();
    for n in 0..per_s * seconds {
        let due = Duration::from_secs_f64(f64::from(n) / f64::from(per_s));
        thread::sleep(due.saturating_sub(start.elapsed()));
        work(n)?;
    }
    Ok(())
}

/// Connections that are kept open fill the table, evenly.
pub(super) fn leak() -> Result<()> {
    table_max(600)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let to = listener.local_addr()?;
    let incident = record("leak", "1s", || {
        let mut kept = Vec::new();
        paced(20, 22, |_| {
            kept.push((TcpStream::connect(to)?, listener.accept()?));
            Ok(())
        })
    })?;
    ensure!(incident.said("full in"), "no forecast");
    incident.advised("growth").map(drop)
}

/// One source makes more flows than the table has room for.
pub(super) fn full() -> Result<()> {
    table_max(1_000)?;
    let incident = record("full", "1s", || {
        // Assured: they are not evicted for others.
        let kept = Connections::establish(100)?;
        let load = udp(250.0)?;
        thread::sleep(Duration::from_secs(22));
        load.stop()?;
        drop(kept);
        Ok(())
    })?;
    ensure!(incident.said("evicted"), "nothing was evicted");
    ensure!(incident.said("100 % from 127.0.0.1"), "nobody is named");
    incident.changes("table_full", "net.netfilter.nf_conntrack_max")
}

/// A flood of SYN packets from many addresses, to a host that does not answer.
pub(super) fn syn_flood() -> Result<()> {
    table_max(2_000)?;
    faulty::silence()?;
    let sockets = RawSockets::open()?;
    let mut offered = Offered::default();
    let incident = record("syn-flood", "1s", || {
        paced(150, 22, |n| {
            let from = Ipv4Addr::from(0x7f0a_0000 + n);
            let to = Addresses::V4(from, Ipv4Addr::LOCALHOST);
            // A full table refuses what it can evict nothing for.
            offered.count(sockets.send(&Packet::tcp(to, (40_000, SILENT), flag::SYN)))?;
            Ok(())
        })
    })?;
    ensure!(incident.said("evicted"), "nothing was evicted");
    incident.advised("half_open").map(drop)
}

/// Short connections, whose entries wait in TIME_WAIT.
pub(super) fn time_wait() -> Result<()> {
    table_max(1_200)?;
    let incident = record("time-wait", "5s", || {
        let load = tcp(15.0)?;
        thread::sleep(Duration::from_secs(150));
        load.stop()
    })?;
    incident.changes(
        "timeout",
        "net.netfilter.nf_conntrack_tcp_timeout_time_wait",
    )
}

/// Bursts of some milliseconds that an average over a second does not show.
pub(super) fn bursts() -> Result<()> {
    table_max(700)?;
    let incident = record("bursts", "1s", || {
        let mut flows = UdpFlows::new()?;
        for _ in 0..6 {
            flows.offer(900)?;
            thread::sleep(Duration::from_secs(3));
        }
        Ok(())
    })?;
    ensure!(incident.said("bursts of new flows"), "no bursts");
    ensure!(incident.said("evicted"), "nothing was evicted");
    incident.advised("table_full").map(drop)
}

/// Two packets of the same flow at the same time: one of them is lost.
pub(super) fn twins() -> Result<()> {
    faulty::silence()?;
    let incident = record("twins", "1s", || {
        for network in 0..20 {
            let offered = race::tcp([127, 20 + network], 1_000)?;
            if offered.refused > 0 {
                break;
            }
        }
        Ok(())
    })?;
    ensure!(incident.said("failed"), "no race was lost");
    incident.advised("clashes").map(drop)
}

/// NAT to few ports.
pub(super) fn nat_ports() -> Result<()> {
    nat::rules()?;
    let incident = record("nat-ports", "1s", || {
        nat::crowd(nat::PORTS + 30, 4)?;
        thread::sleep(Duration::from_secs(11));
        nat::crowd(nat::PORTS + 30, 4).map(drop)
    })?;
    incident.advised("nat_ports").map(drop)
}

/// Far fewer buckets than entries.
pub(super) fn chains() -> Result<()> {
    let incident = record("chains", "1s", || chain::overfill().map(drop))?;
    incident.changes("chain_too_long", "net.netfilter.nf_conntrack_buckets")
}
