//! `--from`: the records of other hosts, from files and standard input, and what comes of them. From servers: [`crate::from_server`];
//! what is wrong or without end: [`crate::from_hostile`]; by ssh: `tests/servers`.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    http_server::{Answer, HttpServer},
    program::{self, Running, json_stream, run},
    schema,
    tmux::Terminal,
    tree::Tree,
};

fn fixture(name: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name);
    Ok(path.to_str().context("the path is no UTF-8")?.to_owned())
}

fn lines_of(name: &str) -> Result<Vec<String>> {
    let text = fs::read_to_string(fixture(name)?)?;
    Ok(text.lines().map(str::to_owned).collect())
}

fn stdout(args: &[&str]) -> Result<String> {
    let output = run(args)?.success().get_output().stdout.clone();
    Ok(String::from_utf8(output)?)
}

pub(crate) fn records(text: &str) -> Result<Vec<Value>> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).with_context(|| line.to_owned()))
        .collect()
}

/// The hello and the first samples of a stream that goes on, with the times of now.
pub(crate) struct Stream {
    pub(crate) hello: String,
    sample: Value,
}

impl Stream {
    pub(crate) fn new() -> Result<Self> {
        let lines = lines_of("records/filling-6.12.jsonl")?;
        let sample = lines.iter().find(|line| line.contains("\"sample\""));
        Ok(Self {
            hello: lines[0].clone(),
            sample: serde_json::from_str(sample.context("no sample")?)?,
        })
    }

    /// A sample of now, by a clock that is ahead.
    pub(crate) fn sample(&self, entries: u64, ahead: Duration) -> String {
        let mut sample = self.sample.clone();
        let now = jiff::Timestamp::now() + ahead;
        sample["time"] = format!("{now:.6}").into();
        sample["entries"] = entries.into();
        sample["charts"]["netfilter.conntrack_sockets"]["connections"] = (entries as f64).into();
        // A line is `type` first.
        let line = sample.to_string();
        let rest = line.replacen(",\"type\":\"sample\"", "", 1);
        let rest = rest.replacen("\"type\":\"sample\",", "", 1);
        rest.replacen('{', "{\"type\":\"sample\",", 1)
    }
}

#[test]
fn a_file_gives_the_records_that_are_in_it() -> Result<()> {
    let file = fixture("records/filling-6.12.jsonl")?;
    let read = records(&stdout(&["stream", "--format", "json", "--from", &file])?)?;
    let kinds: Vec<_> = read.iter().map(|record| record["type"].as_str()).collect();
    ensure!(kinds[..2] == [Some("hello"), Some("host")], "{kinds:?}");
    ensure!(kinds.last() == Some(&Some("summary")), "{kinds:?}");
    ensure!(read[0]["instances"][0]["name"] == "guest/self");
    ensure!(read[0]["instances"][0]["host"] == "guest");
    ensure!(
        read[1]["clock_ahead_ms"] == Value::Null,
        "a file has no clock"
    );
    // Besides the names, and verdicts that an old recording lacks, they are the same.
    let passed: Vec<Value> = read
        .into_iter()
        .filter(|record| {
            !["hello", "host", "verdict", "summary"]
                .contains(&record["type"].as_str().unwrap_or_default())
        })
        .collect();
    let mut written = records(&lines_of("records/filling-6.12.jsonl")?.join("\n"))?;
    written.retain(|record| record["type"] != "hello");
    for record in &mut written {
        record["instance"] = "guest/self".into();
    }
    ensure!(
        passed.len() == written.len(),
        "{} {}",
        passed.len(),
        written.len()
    );
    for (passed, written) in passed.iter().zip(written) {
        for (field, value) in written.as_object().context("an object")? {
            if field == "counters" {
                // Counters that were added since are null.
                for (name, count) in value.as_object().context("counters")? {
                    ensure!(passed[field][name] == *count, "{name}");
                }
            } else {
                ensure!(
                    passed[field] == *value,
                    "{field}: {} instead of {value}",
                    passed[field]
                );
            }
        }
    }
    Ok(())
}

#[test]
fn a_recording_can_be_read_as_well_and_from_standard_input() -> Result<()> {
    let file = fixture("recordings/incident-6.12.ctp")?;
    let text = stdout(&["stream", "--from", &format!("gateway={file}")])?;
    ensure!(text.contains("netns gateway/self"), "{text}");
    ensure!(text.contains("31 flows refused, 1927 evicted"), "{text}");
    ensure!(text.contains("gateway/self, 20.1 s"), "{text}");
    let mut command = assert_cmd::Command::new(program::path()?);
    let output = command
        .args(["stream", "--from", "gateway=-"])
        .write_stdin(fs::read(&file)?)
        .timeout(program::PATIENCE)
        .output()?;
    ensure!(output.status.success(), "{output:?}");
    ensure!(String::from_utf8(output.stdout)? == text);
    Ok(())
}

#[test]
fn several_hosts_are_several_instances() -> Result<()> {
    let json = fixture("records/filling-6.12.jsonl")?;
    let ctp = fixture("recordings/bursts-6.12.ctp")?;
    let args = ["stream", "--format", "json", "--from"];
    let read = records(&stdout(
        &[&args[..], &[&format!("a={json}"), &ctp]].concat(),
    )?)?;
    let hello = read
        .iter()
        .rfind(|record| record["type"] == "hello")
        .context("no hello")?;
    let names: Vec<_> = hello["instances"]
        .as_array()
        .context("instances")?
        .iter()
        .map(|i| i["name"].as_str())
        .collect();
    ensure!(
        names.contains(&Some("a/self")) && names.contains(&Some("guest/self")),
        "{names:?}"
    );
    for name in names {
        ensure!(
            read.iter()
                .any(|record| record["type"] == "sample" && record["instance"].as_str() == name)
        );
    }
    let text = stdout(&["stream", "--from", &format!("a={json}"), &ctp])?;
    ensure!(
        text.contains("a/self") && text.contains("guest/self, "),
        "{text}"
    );
    Ok(())
}

#[test]
fn a_recording_has_the_hosts_and_the_gap() -> Result<()> {
    let stream = Stream::new()?;
    let (hello, sample) = (stream.hello.clone(), stream.sample(1_111, Duration::ZERO));
    let server = HttpServer::start(move |request, connection| match connection {
        0 => {
            assert!(
                request.starts_with("GET /stream?buckets HTTP/1.1\r\n"),
                "{request}"
            );
            Answer::cut(&[&hello, &sample])
        }
        _ => Answer::nothing(),
    })?;
    let dir = TempDir::new()?;
    let file = dir.path().join("hosts.ctp");
    let file = file.to_str().context("UTF-8")?;
    let source = format!("gateway=http://127.0.0.1:{}/stream", server.port());
    let args = [
        "record", file, "--show", "--format", "json", "--from", &source,
    ];
    let mut running = Running::start(&args)?;
    running.wait_for_sample("sample without values", |sample| {
        sample["entries"].is_null()
    })?;
    running.stop()?;
    let lines = stdout(&["replay", file, "--format", "json"])?;
    schema::require(lines.lines())?;
    let read = records(&lines)?;
    let entries: Vec<_> = read
        .iter()
        .filter(|r| r["type"] == "sample")
        .map(|r| r["entries"].clone())
        .collect();
    ensure!(entries[..2] == [json!(1_111), Value::Null], "{entries:?}");
    let states: Vec<_> = read
        .iter()
        .filter(|r| r["type"] == "host")
        .map(|r| r["state"].clone())
        .collect();
    ensure!(states.contains(&"lost".into()), "{states:?}");
    let lost = read.iter().rfind(|r| r["type"] == "verdict");
    ensure!(
        lost.is_none_or(|verdict| verdict["severity"] == "unknown"),
        "{lost:?}"
    );
    // It is a source like any other.
    let again = stdout(&["stream", "--from", &format!("copy={file}")])?;
    ensure!(again.contains("copy/gateway/self"), "{again}");
    stdout(&["report", file, "-o", "-"])?;
    Ok(())
}

#[test]
fn checks_judge_other_hosts() -> Result<()> {
    let file = fixture("records/filling-6.12.jsonl")?;
    let line = |args: &[&str], status: i32| -> Result<String> {
        let output = run(&[&["check"], args].concat())?
            .code(status)
            .get_output()
            .clone();
        Ok(String::from_utf8(output.stdout)?)
    };
    let critical = line(&["--from", &file], 2)?;
    ensure!(
        critical.starts_with("CONNTRACK CRITICAL - 4000 of 4000 entries (100.0 %)"),
        "{critical}"
    );
    ensure!(!critical.contains("cannot be read"), "{critical}");
    let fine = line(&["--from", &file, "--warn", "100%", "--crit", "100%"], 0)?;
    ensure!(
        fine.contains("| entries=4000;4000;4000;0;4000 utilization=100.000%;100;100;0;100"),
        "{fine}"
    );
    let rates = line(
        &[
            "--from",
            &file,
            "--warn",
            "100",
            "--crit",
            "100",
            "--warn-early-drop",
            "1",
        ],
        1,
    )?;
    ensure!(
        rates.contains("early_drop ") && rates.contains("above 1/s"),
        "{rates}"
    );
    let unknown = line(&["--from", "x=http://127.0.0.1:1/stream"], 3)?;
    ensure!(
        unknown.starts_with("CONNTRACK UNKNOWN - x: lost: connecting: Connection refused"),
        "{unknown}"
    );
    let both = line(
        &[
            "--from",
            &format!("a={file}"),
            "x=http://127.0.0.1:1/stream",
        ],
        2,
    )?;
    ensure!(
        both.starts_with("CONNTRACK CRITICAL - a/self CRITICAL: 4000 of 4000"),
        "{both}"
    );
    ensure!(
        both.contains("; x UNKNOWN: lost: ") && both.contains("| 'a/self entries'=4000;"),
        "{both}"
    );
    Ok(())
}

#[test]
fn a_ctpulse_that_is_started_from_elsewhere_ends_with_its_input() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let root = tree.root();
    let root = root.to_str().context("UTF-8")?;
    let mut child = std::process::Command::new(program::path()?)
        .args(json_stream(root))
        .arg("--until-stdin-ends")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("a pipe")?).lines();
    ensure!(
        lines
            .next()
            .context("no line")??
            .starts_with("{\"type\":\"hello\"")
    );
    drop(child.stdin.take());
    let last = lines.last().context("no line")??;
    ensure!(last.starts_with("{\"type\":\"summary\""), "{last}");
    ensure!(child.wait()?.success());
    Ok(())
}

#[test]
fn the_live_view_shows_each_host_and_which_is_lost() -> Result<()> {
    let stream = Stream::new()?;
    let ahead = Duration::from_secs(7);
    let (hello, one) = (stream.hello.clone(), stream.sample(1_111, ahead));
    let cut = HttpServer::start(move |_, connection| match connection {
        0 => Answer::cut(&[&hello, &one]),
        _ => Answer::nothing(),
    })?;
    let file = fixture("records/filling-6.12.jsonl")?;
    for (columns, rows) in [(80, 24), (120, 40)] {
        cut.forget();
        let terminal = Terminal::open(
            columns,
            rows,
            &[("TERM", "screen-256color"), ("LC_ALL", "C.UTF-8")],
        )?;
        terminal.type_line(&format!(
            "{} live --from gateway=http://127.0.0.1:{}/stream old={file}; echo status $?",
            program::path()?.display(),
            cut.port()
        ))?;
        terminal.wait_for_text("host gateway lost since")?;
        terminal.press("i")?;
        terminal.wait_for_text("old/self")?;
        terminal.wait_for_text("lost")?;
        terminal.press("Escape")?;
        while !terminal.screen()?.contains("LOST since") {
            terminal.press("]")?;
            std::thread::sleep(Duration::from_millis(100));
        }
        if let Ok(dir) = std::env::var("CTPULSE_SCREENS") {
            fs::write(format!("{dir}/from-{columns}.txt"), terminal.screen()?)?;
        }
        terminal.press("q")?;
        terminal.wait_for_text("status 0")?;
        terminal.wait_until_given_back()?;
    }
    Ok(())
}
