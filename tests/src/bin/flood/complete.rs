//! All flows of a flood, as several watchers count them in the same run.

use std::{
    fmt::Display,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use ctpulse_tests::{cpu_time::cpu_time, kernel::settle, markdown};
use serde_json::Value;

use crate::{
    probes,
    process::Process,
    report, table,
    traffic::Flood,
    watcher::{self, first_record, lost_events},
};

/// How `conntrack -E` is run: as it is, and with a buffer of 64 MiB for the kernel's messages.
const CONNTRACK: [&[&str]; 2] = [&[], &["-b", "67108864"]];

/// bpftrace counts in the kernel, and prints a line for each flow as well, as `conntrack -E` does: by kprobe on the
/// function that inserts a flow.
const SCRIPT: &str =
    "kprobe:__nf_conntrack_hash_insert { @flows = count(); printf(\"+ %llx\\n\", arg0); }";

/// What a watcher has written is whole when nothing was added for so long.
const QUIET: Duration = Duration::from_secs(3);

/// Runs, and returns the report.
pub(crate) fn run(flows: u32) -> Result<String> {
    probes::require_none()?;
    table::prepare(flows)?;
    let flood = Flood::new()?;
    let mut runs = Vec::new();
    for options in CONNTRACK {
        eprintln!("flood: {flows} flows, conntrack -E {}", options.join(" "));
        runs.push(once(&flood, flows, options)?);
    }
    let (machine, emulated) = report::machine(flood.cpus())?;
    let emulated = match emulated {
        true => ", emulated in software",
        false => "",
    };
    let rates: Vec<_> = runs.iter().map(|run| format!("{:.0}", run.rate)).collect();
    let text = format!(
        "{}\n{flows} UDP flows a run, made from all CPUs at once as fast as they can ({} a second), while all of these watch; \
         then the table is flushed. The kernel's count of entries was {flows} each time, and no packet was refused. ctpulse's \
         probes were attached by {}; its checks: {}.\n\n{}{emulated}, {}.\n",
        rows(&runs),
        rates.join(" and "),
        runs[0].mode,
        runs.iter()
            .map(|run| run.checks.as_str())
            .collect::<Vec<_>>()
            .join("; "),
        machine.trim(),
        jiff::Timestamp::now().strftime("%Y-%m-%d"),
    );
    Ok(text)
}

/// What was seen in a run.
struct Run {
    flows: u64,
    /// Flows a second.
    rate: f64,
    /// How ctpulse's probes were attached.
    mode: String,
    /// How many of ctpulse's checks agree.
    checks: String,
    seen: Vec<Seen>,
}

/// What a watcher has counted.
struct Seen {
    what: &'static str,
    count: u64,
    /// The CPU time of its process while flows were made and its output was written.
    cpu: Option<Duration>,
}

fn once(flood: &Flood, flows: u32, conntrack: &[&str]) -> Result<Run> {
    let mut bpftrace = Process::start(&["bpftrace", "-B", "full", "-e", SCRIPT])?;
    bpftrace.until("bpftrace has attached its probe", |_| {
        // Its output is buffered: what the kernel lists is not.
        Ok(!probes::attached()?.is_empty())
    })?;
    let mut listener = Process::start(&[&["conntrack", "-E", "-e", "NEW"], conntrack].concat())?;
    listener.until("conntrack listens", |_| Ok(lost_events()?.is_some()))?;
    let ctpulse = watcher::ctpulse(&["--probes", "flow", "--buckets"])?;
    thread::sleep(QUIET);

    let processes = [&ctpulse, &bpftrace, &listener];
    let before = times(&processes)?;
    let took = flood.make(flows)?;
    table::holds(flows)?;
    settle()?;
    until_quiet(&processes)?;
    let after = times(&processes)?;
    let cpu = |i: usize| Some(after[i].saturating_sub(before[i]));
    eprintln!(
        "flood: the kernel says that it lost {:?} messages to conntrack",
        lost_events()?
    );
    table::empty()?;
    settle()?;
    thread::sleep(QUIET);

    let text = ctpulse.stop()?;
    let hello = first_record(&text)?.context("ctpulse has no hello")?;
    let records: Vec<Value> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .context("ctpulse writes JSON")?;
    let summary = &records.last().context("ctpulse wrote nothing")?["instances"][0];
    let total = |counter: &str| {
        let total = &summary["totals"][counter]["probe"];
        total
            .as_u64()
            .with_context(|| format!("{counter}: {total}"))
    };
    let printed = bpftrace.stop()?;
    let events = listener.stop()?;
    probes::until_none()?;
    let lines = |text: &str, start: &str| {
        let all = text.lines().map(str::trim_start);
        all.filter(|line| line.starts_with(start)).count() as u64
    };
    let seen = vec![
        Seen {
            what: "ctpulse: new flows",
            count: total("new")?,
            cpu: cpu(0),
        },
        Seen {
            what: "ctpulse: new flows, all buckets of 1.05 ms added up",
            count: buckets(&records)?,
            cpu: None,
        },
        Seen {
            what: "ctpulse: flows inserted",
            count: total("inserted")?,
            cpu: None,
        },
        Seen {
            what: "ctpulse: flows removed by the flush",
            count: total("deleted")?,
            cpu: None,
        },
        Seen {
            what: "bpftrace: `count()`",
            count: counted(&printed)?,
            cpu: cpu(1),
        },
        Seen {
            what: "bpftrace: a line for each flow",
            count: lines(&printed, "+ "),
            cpu: None,
        },
        Seen {
            what: "`conntrack -E -e NEW`: a line for each flow",
            count: lines(&events, "[NEW]"),
            cpu: cpu(2),
        },
    ];
    Ok(Run {
        flows: flows.into(),
        rate: f64::from(flows) / took.as_secs_f64(),
        mode: hello["probes"]["mode"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        checks: checks(summary)?,
        seen,
    })
}

/// CPU time so far.
fn times(processes: &[&Process]) -> Result<Vec<Duration>> {
    processes
        .iter()
        .map(|process| cpu_time(process.id()))
        .collect()
}

/// Waits until the processes take next to no CPU time, so that they have written all that they were sent.
fn until_quiet(processes: &[&Process]) -> Result<()> {
    const IDLE: Duration = Duration::from_millis(300);
    let deadline = Instant::now() + Duration::from_secs(600);
    loop {
        let before = times(processes)?;
        thread::sleep(QUIET);
        let after = times(processes)?;
        let idle = |(before, after): (&Duration, &Duration)| after.saturating_sub(*before) < IDLE;
        if before.iter().zip(&after).all(idle) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "a watcher is busy for ever");
    }
}

/// What the buckets of all samples hold.
fn buckets(records: &[Value]) -> Result<u64> {
    let mut sum = 0;
    for sample in records.iter().filter(|record| record["type"] == "sample") {
        let counts = sample["buckets"]["new"]["counts"].as_array();
        // The first sample has none.
        for count in counts.into_iter().flatten() {
            sum += count.as_u64().context("a count")?;
        }
    }
    Ok(sum)
}

/// The count that bpftrace prints at its end: `@flows: 1000000`.
fn counted(printed: &str) -> Result<u64> {
    let line = printed
        .lines()
        .find_map(|line| line.strip_prefix("@flows: "));
    let count = line.context("bpftrace printed no count")?;
    count.trim().parse().with_context(|| format!("{count:?}"))
}

/// How many checks agree, and those that do not.
fn checks(summary: &Value) -> Result<String> {
    let checks = summary["crosscheck"].as_array().context("no checks")?;
    let good = |check: &&Value| check["verdict"] == "exact" || check["verdict"] == "within_bracket";
    let made = checks
        .iter()
        .filter(|check| check["verdict"] != "not_comparable");
    let (agree, made) = (checks.iter().filter(good).count(), made.count());
    Ok(format!("{agree} of {made} agree"))
}

fn rows(runs: &[Run]) -> String {
    let first = &runs[0];
    let lost = |run: &Run, i: usize| {
        let (flows, count) = (run.flows as f64, run.seen[i].count);
        match run.flows.cmp(&count) {
            std::cmp::Ordering::Equal => "0".to_owned(),
            std::cmp::Ordering::Greater => {
                let lost = run.flows - count;
                format!("{lost} ({:.1} %)", lost as f64 / flows * 100.0)
            }
            std::cmp::Ordering::Less => format!("{} too many", count - run.flows),
        }
    };
    let shown = |value: Option<&dyn Display>| value.map_or(String::new(), ToString::to_string);
    let row = |(i, seen): (usize, &Seen)| {
        let cpu = seen.cpu.map(|cpu| format!("{:.1}", cpu.as_secs_f64()));
        let again = &runs[runs.len() - 1];
        [
            seen.what.to_owned(),
            seen.count.to_string(),
            lost(first, i),
            again.seen[i].count.to_string(),
            lost(again, i),
            shown(cpu.as_ref().map(|cpu| cpu as &dyn Display)),
        ]
    };
    let rows: Vec<_> = first.seen.iter().enumerate().map(row).collect();
    markdown::table(
        [
            "",
            "counted",
            "lost",
            "counted, `conntrack -b` 64 MiB",
            "lost",
            "s of CPU of its process",
        ],
        1,
        &rows,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lost_is_said() {
        let run = |counts: [u64; 3]| Run {
            flows: 1000,
            rate: 1.0,
            mode: "fentry".to_owned(),
            checks: String::new(),
            seen: counts
                .map(|count| Seen {
                    what: "a",
                    count,
                    cpu: None,
                })
                .into(),
        };
        let text = rows(&[run([1000, 900, 1001]), run([1000, 1000, 1000])]);
        let rows: Vec<_> = text.lines().skip(2).collect();
        for (row, part) in rows
            .iter()
            .zip([" 0 |", " 100 (10.0 %) |", " 1 too many |"])
        {
            assert!(row.contains(part), "{text}");
        }
        assert_eq!(rows.len(), 3);
    }

    #[test]
    fn the_count_that_bpftrace_prints() -> Result<()> {
        assert_eq!(counted("+ 1\n\n@flows: 12\n@ready: 1\n")?, 12);
        assert!(counted("+ 1\n").is_err());
        Ok(())
    }
}
