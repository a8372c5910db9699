//! Recordings from a minute to a day: what it takes to make, replay, report and search them.

use std::{
    env, fs,
    io::BufWriter,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, ensure};
use ctpulse_tests::markdown;

use super::{Step, bars, repeated::Repeated};
use crate::measured::{self, Taken};

/// Lengths in seconds.
const LENGTHS: [(&str, u64); 5] = [
    ("1 min", 60),
    ("10 min", 600),
    ("1 h", 3_600),
    ("6 h", 21_600),
    ("24 h", 86_400),
];

/// A directory for the recordings, removed at the end.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left is where such things are removed.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A table, and plots of what a second of a recording costs.
pub(super) fn table(ctpulse: &Path, recording: &Path) -> Result<String> {
    let lines = Command::new(ctpulse)
        .arg("replay")
        .arg(recording)
        .arg("--format=json")
        .output()
        .context("replay the recording")?;
    ensure!(
        lines.status.success(),
        "{}",
        String::from_utf8_lossy(&lines.stderr)
    );
    let repeated = Repeated::of(std::str::from_utf8(&lines.stdout)?)?;
    let directory =
        Directory(env::temp_dir().join(format!("ctpulse-growth-{}", std::process::id())));
    fs::create_dir_all(&directory.0)?;
    let (mut rows, mut replays, mut reports) = (Vec::new(), Vec::new(), Vec::new());
    for (name, seconds) in LENGTHS {
        eprintln!("growth: a recording of {name}");
        let file = directory.0.join("growth.ctp");
        let (made, json) = record(ctpulse, &repeated, seconds, &file)?;
        let command = |command: &str, more: &[String]| -> Result<Taken> {
            let mut run = vec![ctpulse.as_os_str().to_owned(), command.into()];
            run.push(file.clone().into());
            run.extend(more.iter().map(Into::into));
            measured::run(&run)
        };
        let replay = command("replay", &[])?;
        let html = directory.0.join("growth.html");
        let report = command(
            "report",
            &["--force".to_owned(), format!("--output={}", html.display())],
        )?;
        let late = seconds * 9 / 10;
        let seek = command(
            "replay",
            &[format!("--from=+{late}s"), format!("--to=+{}s", late + 2)],
        )?;
        let of_file = fs::metadata(&file)?.len();
        let both = |taken: &Taken| {
            [
                format!("{:.2}", taken.cpu.as_secs_f64()),
                format!("{:.0}", taken.peak_kib as f64 / 1024.0),
            ]
        };
        let [replay_s, replay_mib] = both(&replay);
        let [report_s, report_mib] = both(&report);
        let [seek_s, seek_mib] = both(&seek);
        rows.push([
            name.to_owned(),
            format!("{:.1}", json as f64 / 1e6),
            format!("{:.2}", of_file as f64 / 1e6),
            format!("{:.2}", made.cpu.as_secs_f64()),
            replay_s,
            replay_mib,
            report_s,
            report_mib,
            seek_s,
            seek_mib,
        ]);
        let step = |cpu: Duration| Step {
            of: name.to_owned(),
            number: seconds,
            cpu,
        };
        replays.push(step(replay.cpu));
        reports.push(step(report.cpu));
    }
    let table = markdown::table(
        [
            "recording of",
            "JSON, MB",
            "file, MB",
            "record, s",
            "replay, s",
            "MiB",
            "report, s",
            "MiB",
            "2 s near its end, s",
            "MiB",
        ],
        1,
        &rows,
    );
    Ok(format!(
        "Recordings, a sample with its buckets and checks a second, with bursts and events: CPU time, and memory at its peak. They are \
         the records of a run of 20 s again and again at later times, recorded by `record --from` and replayed to text.\n\n\
         {table}\nReplaying, for each second that was recorded:\n\n{}\nReporting:\n\n{}",
        bars(&replays, "a second"),
        bars(&reports, "a second"),
    ))
}

/// Records so many seconds.
fn record(ctpulse: &Path, repeated: &Repeated, seconds: u64, file: &Path) -> Result<(Taken, u64)> {
    let mut command = measured::command(&[
        ctpulse.as_os_str().to_owned(),
        "record".into(),
        file.into(),
        "--force".into(),
        "--from".into(),
        "-".into(),
    ])?;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let stdin = child.stdin.take().context("standard input is piped")?;
    let bytes = thread::scope(|scope| {
        let write = scope.spawn(|| repeated.write(seconds, &mut BufWriter::new(stdin)));
        write.join().map_err(|_| anyhow!("the writer panicked"))?
    })?;
    Ok((measured::taken(child.wait_with_output()?)?, bytes))
}
