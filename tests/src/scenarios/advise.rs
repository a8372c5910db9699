//! `ctpulse advise`, tried: what it predicts is held against what the kernel then does.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;

use crate::{
    kernel::{gained, proc_columns, sysctl, table_max},
    traffic::UdpFlows,
};

/// How far a prediction may be off.
const TOLERANCE: f64 = 0.1;

const MAX: &str = "net.netfilter.nf_conntrack_max";

const SYSCTLS: &str = "net/netfilter/nf_conntrack_";

/// Traffic that goes on until this is dropped.
pub(super) struct Load {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Load {
    /// Does `work` as often as `per_s` says. It catches up after a delay, so that the average holds.
    fn start(per_s: f64, mut work: impl FnMut() -> Result<()> + Send + 'static) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ends);
        let thread = thread::spawn(move || {
            let start = Instant::now();
            let mut done = 0.0;
            while !end.load(Ordering::Relaxed) {
                while done < start.elapsed().as_secs_f64() * per_s {
                    work()?;
                    done += 1.0;
                }
                thread::sleep(Duration::from_millis(5));
            }
            Ok(())
        });
        Self {
            ends,
            thread: Some(thread),
        }
    }

    pub(super) fn stop(mut self) -> Result<()> {
        self.ends.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("it runs")?;
        thread.join().map_err(|_| anyhow!("the load panicked"))?
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
    }
}

/// UDP flows of one packet each.
pub(super) fn udp(per_s: f64) -> Result<Load> {
    let mut flows = UdpFlows::new()?;
    Ok(Load::start(per_s, move || flows.offer(1).map(drop)))
}

/// TCP connections that are closed at once, and go to TIME_WAIT.
pub(super) fn tcp(per_s: f64) -> Result<Load> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    Ok(Load::start(per_s, move || {
        let client = TcpStream::connect(address)?;
        let (server, _) = listener.accept()?;
        drop(client);
        drop(server);
        Ok(())
    }))
}

/// What `advise` says.
fn advise(args: &[&str]) -> Result<Vec<Value>> {
    let output = Command::new("ctpulse")
        .args(["advise", "--format", "json"])
        .args(args)
        .output()
        .context("run ctpulse")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{stderr}");
    let lines = String::from_utf8(output.stdout)?;
    println!("{stderr}{lines}");
    lines
        .lines()
        .map(|line| serde_json::from_str(line).context("not JSON"))
        .collect()
}

fn of<'a>(advice: &'a [Value], topic: &str) -> Result<&'a Value> {
    let found = advice.iter().find(|advice| advice["topic"] == topic);
    found.with_context(|| format!("no advice of {topic}"))
}

fn entries() -> Result<u64> {
    let count = fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count")?;
    Ok(count.trim().parse()?)
}

/// The average and the most entries while this long.
fn watched(length: Duration) -> Result<(f64, u64)> {
    let start = Instant::now();
    let (mut sum, mut number, mut most) = (0, 0, 0);
    while start.elapsed() < length {
        let now = entries()?;
        (sum, number, most) = (sum + now, number + 1, most.max(now));
        thread::sleep(Duration::from_millis(100));
    }
    Ok((sum as f64 / f64::from(number), most))
}

/// What is predicted of a shorter timeout, and of more traffic, is what then is.
fn predicted(
    load: &dyn Fn(f64) -> Result<Load>,
    per_s: f64,
    setting: &str,
    [long, short]: [u64; 2],
) -> Result<()> {
    let name = format!("{SYSCTLS}{setting}");
    sysctl(&name, long)?;
    let running = load(per_s)?;
    // Until it is steady, and the collector of garbage has come.
    let steady = Duration::from_secs(long * 3);
    thread::sleep(steady);
    let what_if = format!("{setting}={short}");
    let watch = format!("{}s", long * 3);
    let advice = advise(&["--duration", &watch, "--what-if", &what_if])?;
    let shorter = of(&advice, "what_if")?["predicted"]["expected"].as_f64();
    sysctl(&name, short)?;
    thread::sleep(steady);
    let (measured, _) = watched(steady)?;
    near("with a shorter timeout", shorter, measured)?;
    let advice = advise(&["--duration", &watch, "--what-if", "rate=2"])?;
    let more = of(&advice, "what_if")?["predicted"]["expected"].as_f64();
    running.stop()?;
    let running = load(per_s * 2.0)?;
    thread::sleep(steady);
    let (measured, _) = watched(steady)?;
    near("with twice the traffic", more, measured)?;
    running.stop()
}

fn near(what: &str, predicted: Option<f64>, measured: f64) -> Result<()> {
    let predicted = predicted.context("no prediction")?;
    let off = predicted / measured - 1.0;
    println!(
        "{what}: {predicted} predicted, {measured:.0} measured, {:+.1} %",
        off * 100.0
    );
    ensure!(
        off.abs() <= TOLERANCE,
        "{what}: {predicted} predicted, {measured:.0} measured"
    );
    Ok(())
}

pub(super) fn udp_timeout() -> Result<()> {
    predicted(&udp, 150.0, "udp_timeout", [20, 8])
}

pub(super) fn time_wait() -> Result<()> {
    predicted(&tcp, 60.0, "tcp_timeout_time_wait", [20, 8])
}

/// The maximum that is recommended for a table that is too small holds the same traffic, and leaves free what was said.
pub(super) fn maximum() -> Result<()> {
    sysctl(&format!("{SYSCTLS}udp_timeout"), 20)?;
    table_max(1_500)?;
    let running = udp(150.0)?;
    thread::sleep(Duration::from_secs(30));
    let advice = advise(&["--duration", "40s"])?;
    let change = &of(&advice, "table_full")?["change"];
    let to = change["to"].as_u64().context("no maximum")?;
    ensure!(change["setting"] == MAX, "{change}");
    sysctl(&format!("{SYSCTLS}max"), to)?;
    thread::sleep(Duration::from_secs(40));
    let before = proc_columns()?;
    let (mean, most) = watched(Duration::from_secs(40))?;
    let gained = gained(&before, &proc_columns()?)?;
    for counter in ["drop", "early_drop"] {
        let lost = gained.get(counter).copied().unwrap_or(0);
        ensure!(lost == 0, "{lost} {counter} with {to}");
    }
    let free = 100.0 * (1.0 - most as f64 / to as f64);
    println!("{to}: {mean:.0} on average, {most} at most, {free:.1} % free");
    ensure!(
        (15.0..=35.0).contains(&free),
        "{free:.1} % of {to} are free"
    );
    running.stop()
}
