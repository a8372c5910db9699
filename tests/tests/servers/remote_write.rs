//! Remote write to real receivers: one is stopped, and ctpulse is killed and started again meanwhile. Afterwards the receiver has every
//! cell that `/stream` had, once, with its values.
//!
//! `CTPULSE_OUTAGE` is how many seconds the receiver is away: 6 by default.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::{BufRead, BufReader},
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use jiff::Timestamp;
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    authority::Authority,
    server::{self, Http, Server},
    serving::Serving,
    tree::Tree,
};

const STEP_MS: i64 = 100;

/// How long each part of the test is, besides the outage.
const WHILE: Duration = Duration::from_secs(3);

/// How long the receiver is away.
fn outage() -> Result<Duration> {
    let seconds = env::var("CTPULSE_OUTAGE").unwrap_or_else(|_| "6".to_owned());
    let seconds = seconds
        .parse()
        .context("CTPULSE_OUTAGE is no number of seconds")?;
    Ok(Duration::from_secs(seconds))
}

/// The values of a series by time.
type Points = Vec<(i64, f64)>;

/// The values of what is sent, by the names of the metrics and by the cells' ends in milliseconds.
type Cells = BTreeMap<i64, BTreeMap<String, f64>>;

struct Receiver {
    server: Server,
    command: fn(&Path, u16) -> Result<Command>,
    path: &'static str,
    /// All values of a metric.
    points: fn(Http, &str) -> Result<Points>,
}

impl Receiver {
    fn stop(&mut self) -> Result<()> {
        self.server.stop()
    }

    fn start_again(&mut self) -> Result<()> {
        let command = (self.command)(self.server.dir(), self.server.port())?;
        self.server.start_again(command)
    }
}

fn victoria_metrics_command(dir: &Path, port: u16) -> Result<Command> {
    let mut command = server::command("usr/bin/victoria-metrics")?;
    command
        .arg(format!("-storageDataPath={}", dir.join("data").display()))
        .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
        .arg("-dedup.minScrapeInterval=1ms");
    Ok(command)
}

fn victoria_metrics(command: impl Fn(&Path, u16) -> Result<Command>) -> Result<Receiver> {
    let points = |http: Http, name: &str| {
        http.get("/internal/force_flush")?;
        let text = http.get(&format!("/api/v1/export?match%5B%5D={name}"))?;
        let mut points = Points::new();
        for line in text.lines() {
            let series: Value = serde_json::from_str(line)?;
            let values = series["values"].as_array().context("no values")?;
            let times = series["timestamps"].as_array().context("no times")?;
            for (time, value) in times.iter().zip(values) {
                let time = time.as_i64().context("no time")?;
                points.push((time, value.as_f64().context("no number")?));
            }
        }
        points.sort_by_key(|point| point.0);
        Ok(points)
    };
    Ok(Receiver {
        server: Server::start("VictoriaMetrics", command)?,
        command: victoria_metrics_command,
        path: "/api/v1/write",
        points,
    })
}

fn prometheus() -> Result<Receiver> {
    let command = |dir: &Path, port: u16| {
        let config = dir.join("prometheus.yml");
        fs::write(
            &config,
            "storage:\n  tsdb:\n    out_of_order_time_window: 30m\n",
        )?;
        let mut command = server::command("usr/bin/prometheus")?;
        command
            .arg("--web.enable-remote-write-receiver")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                dir.join("data").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"));
        Ok(command)
    };
    let points = |http: Http, name: &str| {
        let answer = http.json(&format!("/api/v1/query?query={name}%5B20m%5D"))?;
        let series = answer["data"]["result"].as_array().context("no result")?;
        let mut points = Points::new();
        for of in series
            .iter()
            .flat_map(|series| series["values"].as_array())
            .flatten()
        {
            let seconds = of[0].as_f64().context("no time")?;
            let value = of[1].as_str().context("no value")?;
            points.push(((seconds * 1e3).round() as i64, value.parse()?));
        }
        points.sort_by_key(|point| point.0);
        Ok(points)
    };
    let mut server = Server::start("Prometheus", command)?;
    let http = server.http();
    server.wait_for("readiness", || http.get("/-/ready").map(Some))?;
    Ok(Receiver {
        server,
        command,
        path: "/api/v1/write",
        points,
    })
}

/// What a reader of `/stream` gets until it ends: what was read first after the end of each cell that it saw from its start on.
fn cells_of_stream(serving: &Serving) -> JoinHandle<Result<Cells>> {
    let url = format!("http://{}/stream", serving.address);
    thread::spawn(move || {
        let mut answer = ureq::get(&url).call()?;
        let lines = BufReader::new(answer.body_mut().as_reader()).lines();
        let mut cells = Cells::new();
        let mut last = None;
        for line in lines.map_while(Result::ok) {
            // The last line may be cut off.
            let Ok(record) = serde_json::from_str::<Value>(&line) else {
                break;
            };
            if record["type"] != "sample" {
                continue;
            }
            let time: Timestamp = record["time"].as_str().context("no time")?.parse()?;
            // A reading may be a little before the end of its cell.
            let end = (time.as_microsecond() + 1_000).div_euclid(STEP_MS * 1_000) * STEP_MS;
            if last.is_none_or(|last| last < end) && last.replace(end).is_some() {
                cells.insert(end, values(&record)?);
            }
        }
        Ok(cells)
    })
}

/// What of a sample is sent.
fn values(sample: &Value) -> Result<BTreeMap<String, f64>> {
    let number = |value: &Value| value.as_f64().context("no number");
    let mut values = BTreeMap::from([
        ("ctpulse_entries".to_owned(), number(&sample["entries"])?),
        ("ctpulse_entries_limit".to_owned(), number(&sample["max"])?),
    ]);
    for (name, total) in sample["counters"].as_object().context("no counters")? {
        if !total.is_null() {
            values.insert(format!("ctpulse_{name}_total"), number(total)?);
        }
    }
    Ok(values)
}

/// Changes the numbers of a tree all the time.
struct Load {
    end: Arc<AtomicBool>,
    thread: JoinHandle<Result<Tree>>,
}

impl Load {
    fn on(tree: Tree) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&end);
        let thread = thread::spawn(move || {
            let mut i = 0;
            while !ended.load(Ordering::Relaxed) {
                i += 1;
                tree.set_entries(100_000 + i * 7 % 50_000)?;
                tree.count("drop", i % 5)?;
                tree.count("insert_failed", 3)?;
                thread::sleep(Duration::from_millis(7));
            }
            Ok(tree)
        });
        Self { end, thread }
    }

    fn end(self) -> Result<Tree> {
        self.end.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .map_err(|_| anyhow!("the load panicked"))?
    }
}

fn join(stream: JoinHandle<Result<Cells>>) -> Result<Cells> {
    stream.join().map_err(|_| anyhow!("the reader panicked"))?
}

/// Waits until everything that waits was taken.
fn wait_until_sent(serving: &Serving) -> Result<()> {
    serving.wait_until("empty queue", |serving| {
        let failed = serving.metric("ctpulse_remote_write_oldest_age_seconds")?;
        // What is of the last second is never long in the queue.
        Ok(failed.is_none_or(|age| age < 2.5))
    })
}

fn every_cell_is_there_once(mut receiver: Receiver) -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let root = tree.root();
    let root = root.to_str().context("the path is no UTF-8")?;
    let queue = tempfile::tempdir()?;
    let dir = queue.path().join("queue");
    let url = format!(
        "http://127.0.0.1:{}{}",
        receiver.server.port(),
        receiver.path
    );
    let args = [
        "--remote-write",
        &url,
        "--remote-write-queue",
        dir.to_str().context("the path is no UTF-8")?,
        "--remote-write-label",
        "instance=gateway",
    ];
    let load = Load::on(tree);
    let first = Serving::start(root, &args)?;
    let first_stream = cells_of_stream(&first);
    thread::sleep(WHILE);
    receiver.stop()?;
    let half = outage()? / 2;
    thread::sleep(half);
    ensure!(
        first.metric("ctpulse_remote_write_waiting_samples")? > Some(0.0),
        "nothing waits"
    );
    first.program.signal(Signal::KILL)?;
    let ended = first.program.wait()?;
    ensure!(
        ended.stderr.contains("tried again until it works"),
        "{}",
        ended.stderr
    );

    let second = Serving::start(root, &args)?;
    let second_stream = cells_of_stream(&second);
    thread::sleep(half);
    receiver.start_again()?;
    wait_until_sent(&second)?;
    thread::sleep(WHILE);
    let dropped = ["queue_full", "refused", "not_stored"].map(|reason| {
        second.metric(&format!(
            "ctpulse_remote_write_dropped_samples_total{{reason=\"{reason}\"}}"
        ))
    });
    for dropped in dropped {
        ensure!(dropped? == Some(0.0), "some are dropped");
    }
    let ended = second.program.stop()?;
    ensure!(ended.stderr.contains("works again"), "{}", ended.stderr);
    ensure!(
        !ended.stderr.contains("after the next start"),
        "{}",
        ended.stderr
    );
    load.end()?;

    let mut first = join(first_stream)?;
    let second = join(second_stream)?;
    // What was read as it was killed may have been served and not stored.
    first.pop_last();
    let least = WHILE.as_millis() as usize / STEP_MS as usize / 2;
    ensure!(
        first.len() > least && second.len() > least,
        "too few samples to compare"
    );
    let compared = check(&mut receiver, &[first, second])?;
    ensure!(compared > 1_000, "{compared} values compared");
    Ok(())
}

/// What the receiver has is what the streams had: no more, no less, and nothing twice. Returns how many values that are.
fn check(receiver: &mut Receiver, streams: &[Cells]) -> Result<usize> {
    // A receiver may take a while until it shows what it has taken.
    let (http, points) = (receiver.server.http(), receiver.points);
    let last = streams.last().and_then(BTreeMap::last_key_value);
    let last = *last.context("no cells")?.0;
    receiver.server.wait_for("last cell", || {
        let entries = points(http, "ctpulse_entries")?;
        Ok(entries.iter().any(|point| point.0 == last).then_some(()))
    })?;
    let names: BTreeSet<&String> = streams
        .iter()
        .flat_map(|cells| cells.values())
        .flat_map(BTreeMap::keys)
        .collect();
    ensure!(names.len() > 10, "{} metrics", names.len());
    let mut compared = 0;
    for name in names {
        let points = points(http, name)?;
        let ends: Vec<i64> = points.iter().map(|point| point.0).collect();
        ensure!(
            ends.is_sorted_by(|a, b| a < b),
            "{name} has something twice"
        );
        ensure!(
            ends.iter().all(|end| end % STEP_MS == 0),
            "{name} has other times"
        );
        let points: BTreeMap<i64, f64> = points.into_iter().collect();
        for cells in streams {
            let (Some((start, _)), Some((last, _))) =
                (cells.first_key_value(), cells.last_key_value())
            else {
                continue;
            };
            let expected = cells
                .iter()
                .filter_map(|(end, values)| Some((*end, *values.get(name)?)));
            let expected: BTreeMap<i64, f64> = expected.collect();
            let found: BTreeMap<i64, f64> = points
                .range(start..=last)
                .map(|(end, value)| (*end, *value))
                .collect();
            let mut wrong = expected
                .iter()
                .filter(|(end, value)| found.get(end) != Some(*value));
            if let Some((end, value)) = wrong.next() {
                bail!(
                    "{name} is {:?}, not {value}, {} ms after the first cell that was read and {} before the last; {} more are wrong of {}",
                    found.get(end),
                    end - start,
                    last - end,
                    wrong.count(),
                    expected.len()
                );
            }
            ensure!(
                found.len() == expected.len(),
                "{name} has cells that nobody read"
            );
            compared += expected.len();
        }
    }
    Ok(compared)
}

#[test]
fn victoria_metrics_has_every_cell_once() -> Result<()> {
    every_cell_is_there_once(victoria_metrics(victoria_metrics_command)?)
}

const USER: &str = "gateway";
const PASSWORD: &str = "correct-horse-battery-staple";

#[test]
fn over_https_it_is_sent_to_the_server_that_is_meant_and_nowhere_else() -> Result<()> {
    let (authority, other) = (Authority::new()?, Authority::new()?);
    authority.certify("server")?;
    let mut receiver = victoria_metrics(|dir, port| {
        let mut command = victoria_metrics_command(dir, port)?;
        command
            .arg("-tls")
            .arg(format!(
                "-tlsCertFile={}",
                authority.file("server.pem").display()
            ))
            .arg(format!(
                "-tlsKeyFile={}",
                authority.file("server.key").display()
            ))
            .arg(format!("-httpAuth.username={USER}"))
            .arg(format!("-httpAuth.password={PASSWORD}"));
        Ok(command)
    })?;
    let (password, wrong) = (authority.file("password"), authority.file("wrong"));
    fs::write(&password, format!("{PASSWORD}\n"))?;
    fs::write(&wrong, "another\n")?;
    let tree = Tree::of("6.1/t0")?;
    let root = tree.root();
    let root = root.to_str().context("the path is no UTF-8")?;
    let url = format!(
        "https://localhost:{}{}",
        receiver.server.port(),
        receiver.path
    );
    let serve = |ca: &Path, password: &Path| {
        let (ca, password) = (ca.display().to_string(), password.display().to_string());
        Serving::start(
            root,
            &[
                "--remote-write",
                &url,
                "--remote-write-ca-file",
                &ca,
                "--remote-write-user",
                USER,
                "--remote-write-password-file",
                &password,
            ],
        )
    };
    let sent = |serving: &Serving| serving.metric("ctpulse_remote_write_sent_samples_total");
    let (ca, other) = (authority.file("ca.pem"), other.file("ca.pem"));
    for (ca, password, said) in [(&other, &password, "certificate"), (&ca, &wrong, "401")] {
        let serving = serve(ca, password)?;
        serving.wait_until(said, |serving| Ok(serving.program.stderr().contains(said)))?;
        ensure!(sent(&serving)? == Some(0.0), "{}", serving.program.stderr());
        let ended = serving.program.stop()?;
        ensure!(!ended.stderr.contains("another"), "{}", ended.stderr);
    }

    let load = Load::on(tree);
    let serving = serve(&ca, &password)?;
    let stream = cells_of_stream(&serving);
    thread::sleep(WHILE);
    serving.wait_until("samples", |serving| Ok(sent(serving)? > Some(0.0)))?;
    let ended = serving.program.stop()?;
    ensure!(!ended.stderr.contains("remote write"), "{}", ended.stderr);
    load.end()?;
    // What it has is read without encryption.
    receiver.stop()?;
    receiver.start_again()?;
    let compared = check(&mut receiver, &[join(stream)?])?;
    ensure!(compared > 100, "{compared} values compared");
    Ok(())
}

#[test]
fn prometheus_has_every_cell_once() -> Result<()> {
    every_cell_is_there_once(prometheus()?)
}
