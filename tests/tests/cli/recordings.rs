//! Recordings: a replay shows what the recorder showed, also after a kill and on a full disk.

use std::{fs, io::Write, os::unix::fs::PermissionsExt, path::Path};

use anyhow::{Context, Result};
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    program::{self, FORMATS, Running, run},
    spawned::limited,
    tree::Tree,
};

/// A tree, and a directory for recordings.
struct Place {
    tree: Tree,
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Result<Self> {
        Ok(Self {
            tree: Tree::of("4.4/t0")?,
            dir: tempfile::tempdir()?,
        })
    }

    fn path(&self, name: &str) -> Result<String> {
        let path = self.dir.path().join(name);
        Ok(path.to_str().context("the path is no UTF-8")?.to_owned())
    }

    /// Starts recording to a file, with more arguments.
    fn record(&self, file: &str, args: &[&str]) -> Result<Running> {
        let root = self.tree.root();
        let root = root.to_str().context("the path is no UTF-8")?;
        let own = ["record", file, "--proc-root", root, "--interval", "20ms"];
        Running::start(&[&own[..], args].concat())
    }
}

fn stdout(args: &[&str]) -> Result<String> {
    Ok(String::from_utf8(
        run(args)?.success().get_output().stdout.clone(),
    )?)
}

fn stderr_of_failure(args: &[&str]) -> Result<String> {
    let output = run(args)?.code(1).get_output().clone();
    Ok(String::from_utf8(output.stderr)?)
}

#[test]
fn a_replay_shows_what_the_stream_showed() -> Result<()> {
    let place = Place::new()?;
    let file = place.path("a.ctp")?;
    for format in FORMATS {
        let mut program = place.record(&file, &["--force", "--show", "--format", format])?;
        program.wait_for_text("a line", |_| true)?;
        place.tree.become_snapshot("4.4/t1")?;
        for _ in 0..100 {
            program.next_line()?;
        }
        place.tree.become_snapshot("4.4/t0")?;
        program.signal(Signal::INT)?;
        let ended = program.wait()?.successful()?;
        assert!(
            ended.stderr.contains("records kept up to"),
            "{}",
            ended.stderr
        );
        let shown = ended.lines.join("\n") + "\n";
        let replayed = run(&["replay", &file, "--format", format])?
            .success()
            .stderr("");
        assert!(replayed.get_output().stdout == shown.as_bytes(), "{format}");
    }
    Ok(())
}

#[test]
fn gzip_reads_it_too() -> Result<()> {
    let place = Place::new()?;
    let file = place.path("a.ctp")?;
    place
        .record(&file, &["--duration", "1500ms"])?
        .wait()?
        .successful()?;
    let unpacked = std::process::Command::new("gzip")
        .args(["-dc", &file])
        .stdin(fs::File::open(&file)?)
        .output()?;
    assert_eq!(String::from_utf8_lossy(&unpacked.stderr), "");
    assert_eq!(
        String::from_utf8(unpacked.stdout)?,
        stdout(&["replay", &file, "--format", "json"])?
    );
    Ok(())
}

#[test]
fn a_killed_recorder_leaves_all_but_the_last_second() -> Result<()> {
    let mut place = Place::new()?;
    // In memory, where the writing of a block does not wait for a disk that others use.
    place.dir = tempfile::tempdir_in("/dev/shm")?;
    let file = place.path("a.ctp")?;
    let mut program = place.record(&file, &["--show", "--format", "json"])?;
    program.wait_for("sample after a while", |record| {
        record["type"] == "sample" && fs::metadata(&file).is_ok_and(|file| file.len() > 8_000)
    })?;
    program.signal(Signal::KILL)?;
    let shown = program.wait()?.lines;
    let replay = run(&["replay", &file, "--format", "json"])?
        .success()
        .get_output()
        .clone();
    let replayed = String::from_utf8(replay.stdout)?;
    let replayed: Vec<&str> = replayed.lines().collect();
    assert!(!replayed.is_empty());
    assert_eq!(shown[..replayed.len()], replayed[..]);
    // Of whole lines only: the kill may have cut the last one.
    let time = |line: &str| -> Option<jiff::Timestamp> {
        serde_json::from_str::<Value>(line).ok()?["time"]
            .as_str()?
            .parse()
            .ok()
    };
    let last = |lines: &[&str]| lines.iter().rev().find_map(|line| time(line));
    let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
    let (kept, seen) = last(&replayed).zip(last(&shown)).context("no time")?;
    let lost = seen.duration_since(kept);
    // A second, and the intervals at its edges, which may have been held up: the one before a block's first
    // sample, the one that was shown and not yet in a block, and one while a block was written.
    let interval = |line: &&str| -> Option<f64> {
        serde_json::from_str::<Value>(line).ok()?["interval_s"].as_f64()
    };
    let longest = shown[replayed.len()..]
        .iter()
        .filter_map(interval)
        .fold(0.0, f64::max);
    let allowed = 1.0 + 3.0 * longest;
    assert!(lost.as_secs_f64() <= allowed, "{lost:?} of {allowed} s");
    let stderr = String::from_utf8(replay.stderr)?;
    assert!(
        stderr.contains("without a summary: its recorder was stopped short"),
        "{stderr}"
    );
    Ok(())
}

#[test]
fn a_cut_recording_shows_what_is_there_and_where_it_ends() -> Result<()> {
    let place = Place::new()?;
    let file = place.path("a.ctp")?;
    place
        .record(&file, &["--duration", "2500ms"])?
        .wait()?
        .successful()?;
    let whole = stdout(&["replay", &file, "--format", "json"])?;
    let bytes = fs::read(&file)?;
    fs::write(&file, &bytes[..bytes.len() - 100])?;
    let replay = run(&["replay", &file, "--format", "json"])?
        .success()
        .get_output()
        .clone();
    let there = String::from_utf8(replay.stdout)?;
    assert!(whole.starts_with(&there) && !there.is_empty());
    let stderr = String::from_utf8(replay.stderr)?;
    assert!(
        stderr.contains("breaks off in the middle of a block"),
        "{stderr}"
    );
    Ok(())
}

#[test]
fn a_full_disk_ends_it_and_what_is_kept_is_reported() -> Result<()> {
    let place = Place::new()?;
    let program = place.record("/dev/full", &["--force"])?;
    let ended = program.wait()?;
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(
        ended.stderr,
        "ctpulse: /dev/full: No space left on device (os error 28); 0 records kept (0 bytes), and nothing \
         after that\n"
    );
    Ok(())
}

#[test]
fn a_limit_of_file_sizes_is_like_a_full_disk() -> Result<()> {
    let place = Place::new()?;
    let file = place.path("a.ctp")?;
    let root = place.tree.root().display().to_string();
    let args = ["record", &file, "--proc-root", &root, "--interval", "10ms"];
    let output = limited("--fsize=16384", &args)?.output()?;
    let stderr = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(1), "{}: {stderr}", output.status);
    assert!(
        stderr.contains("File too large (os error 27); "),
        "{stderr}"
    );
    // What was kept can be read.
    let replayed = run(&["replay", &file, "--format", "json"])?;
    let lines = String::from_utf8(replayed.get_output().stdout.clone())?;
    let kept = stderr
        .split("; ")
        .find_map(|part| part.split_once(" records kept"));
    let (kept, _) = kept.context("how many were kept is not said")?;
    assert_eq!(lines.lines().count(), kept.parse::<usize>()?);
    Ok(())
}

#[test]
fn a_file_that_exists_is_not_touched_unasked() -> Result<()> {
    let place = Place::new()?;
    let file = place.path("a.ctp")?;
    let once = |args: &[&str]| -> Result<program::Ended> {
        let args = [&["--duration", "50ms"], args].concat();
        place.record(&file, &args)?.wait()
    };
    once(&[])?.successful()?;
    let mode = fs::metadata(&file)?.permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it has addresses");
    let first = stdout(&["replay", &file, "--format", "json"])?;

    let refused = once(&[])?;
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stderr.contains("--append") && refused.stderr.contains("--force"));
    assert_eq!(stdout(&["replay", &file, "--format", "json"])?, first);

    once(&["--append"])?.successful()?;
    let both = stdout(&["replay", &file, "--format", "json"])?;
    assert!(both.starts_with(&first) && both.len() > first.len());
    assert_eq!(both.matches(r#"{"type":"hello""#).count(), 2);

    once(&["--force"])?.successful()?;
    let last = stdout(&["replay", &file, "--format", "json"])?;
    assert_eq!(last.matches(r#"{"type":"hello""#).count(), 1);
    Ok(())
}

#[test]
fn nothing_is_appended_to_what_is_no_recording() -> Result<()> {
    let place = Place::new()?;
    let file = place.path("notes.txt")?;
    fs::write(&file, "dear diary\n")?;
    let ended = place
        .record(&file, &["--append", "--duration", "50ms"])?
        .wait()?;
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(
        ended.stderr,
        format!("ctpulse: {file}: is not a recording of ctpulse; nothing was appended to it\n")
    );
    assert_eq!(fs::read_to_string(&file)?, "dear diary\n");
    Ok(())
}

#[test]
fn two_do_not_record_to_one_file() -> Result<()> {
    let place = Place::new()?;
    let file = place.path("a.ctp")?;
    let mut first = place.record(&file, &["--show", "--format", "json"])?;
    first.wait_for_hello()?;
    for how in ["--append", "--force"] {
        let second = place.record(&file, &[how])?.wait()?;
        assert_eq!(
            second.stderr,
            format!("ctpulse: {file}: another ctpulse records to it\n")
        );
    }
    first.signal(Signal::INT)?;
    first.wait()?.successful()?;
    Ok(())
}

#[test]
fn stdout_can_be_the_file() -> Result<()> {
    let place = Place::new()?;
    let root = place.tree.root();
    let root = root.to_str().context("the path is no UTF-8")?;
    let recording = run(&["record", "-", "--duration", "300ms", "--proc-root", root])?
        .success()
        .get_output()
        .stdout
        .clone();
    let mut replay = assert_cmd::Command::new(program::path()?);
    let replay = replay
        .args(["replay", "-", "--format", "json"])
        .write_stdin(recording);
    let output = replay.assert().success().stderr("").get_output().clone();
    assert!(output.stdout.starts_with(br#"{"type":"hello""#));
    Ok(())
}

#[test]
fn a_part_has_what_is_watched_and_no_summary() -> Result<()> {
    let place = Place::new()?;
    let file = place.path("a.ctp")?;
    let mut program = place.record(&file, &["--show", "--format", "json"])?;
    for _ in 0..60 {
        program.wait_for_sample("sample", |_| true)?;
    }
    program.stop()?;
    let of = |args: &[&str]| -> Result<Vec<Value>> {
        stdout(&[&["replay", &file, "--format", "json"], args].concat())?
            .lines()
            .map(|line| Ok(serde_json::from_str(line)?))
            .collect()
    };
    let all: Vec<Value> = of(&[])?
        .into_iter()
        .filter(|r| r["time"].is_string())
        .collect();
    let [from, to] =
        [&all[20], &all[40]].map(|r| r["time"].as_str().unwrap_or_default().to_owned());
    let part = of(&["--from", &from, "--to", &to])?;
    assert_eq!(part[0]["type"], "hello");
    assert_eq!(part[1..], all[20..=40]);
    Ok(())
}

#[test]
fn steps_are_asked_for() -> Result<()> {
    let place = Place::new()?;
    let file = place.path("a.ctp")?;
    place
        .record(&file, &["--duration", "1s"])?
        .wait()?
        .successful()?;
    let mut replay = assert_cmd::Command::new(program::path()?);
    let output = replay
        .args(["replay", &file, "--format", "csv", "--step"])
        .write_stdin("\n3\nwhat\nq\n")
        .assert()
        .success()
        .get_output()
        .clone();
    assert!(stderr_of_failure(&["replay", "-", "--step"])?.contains("--step asks stdin"));
    // The header, the first interval, one, and three more.
    assert_eq!(String::from_utf8(output.stdout)?.lines().count(), 6);
    Ok(())
}

#[test]
fn what_is_no_recording_is_refused() -> Result<()> {
    let mut file = tempfile::NamedTempFile::new()?;
    let path = |file: &tempfile::NamedTempFile| -> Result<String> {
        Ok(file
            .path()
            .to_str()
            .context("the path is no UTF-8")?
            .to_owned())
    };
    let name = path(&file)?;
    let refusal = |name: &str| stderr_of_failure(&["replay", name]);
    assert_eq!(
        refusal(&name)?,
        format!("ctpulse: {name}: is empty: nothing was recorded\n")
    );
    file.write_all(b"{\"type\":\"hello\"}\n")?;
    assert_eq!(
        refusal(&name)?,
        format!("ctpulse: {name}: is not a recording of ctpulse\n")
    );
    assert!(!Path::new("/no/such/file").exists());
    assert!(refusal("/no/such/file")?.starts_with("ctpulse: /no/such/file: No such file"));
    Ok(())
}
