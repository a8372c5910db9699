//! Outputs that take nothing: full disks, readers that read no more or never, FIFOs that nobody writes to. Nothing of that
//! kills the program, and signals end it all the same.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use rustix::{
    fs::{CWD, FileType, Mode, mknodat},
    process::Signal,
};
use serde_json::Value;

use crate::{
    program::{self, FORMATS, Running, count_lines, json_stream},
    spawned::{Spawned, Wait, closed_pipe, ctpulse, full_disk, full_pipe, start, start_as_it_is},
    tree::{STAT, Tree},
};

/// A tree, a recording of it, and room for more files.
struct Place {
    tree: Tree,
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Result<Self> {
        let place = Self {
            tree: Tree::of("6.1/t0")?,
            dir: tempfile::tempdir()?,
        };
        let (root, recording) = (place.root()?, place.path("old.ctp")?);
        let args = ["record", &recording, "--proc-root", &root];
        program::run(&[&args[..], &["--interval", "20ms", "--duration", "1s"]].concat())?.success();
        Ok(place)
    }

    fn root(&self) -> Result<String> {
        text(&self.tree.root())
    }

    fn path(&self, name: &str) -> Result<String> {
        text(&self.dir.path().join(name))
    }

    fn fifo(&self, name: &str) -> Result<String> {
        let path = self.dir.path().join(name);
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        text(&path)
    }

    /// Every command that writes and has its end to itself, by what to say instead of what it could not write.
    fn streams(&self) -> Result<Vec<Vec<String>>> {
        let (root, recording) = (self.root()?, self.path("old.ctp")?);
        let mut commands = Vec::new();
        for format in FORMATS {
            let stream = ["stream", "--proc-root", &root, "--interval", "10ms"];
            commands.push([&stream[..], &["--format", format]].concat());
            commands.push(vec!["replay", &recording, "--format", format]);
        }
        for format in ["text", "json"] {
            let events = ["events", "--probes", "off", "--duration", "1h"];
            commands.push([&events[..], &["--format", format]].concat());
        }
        let owned = |args: Vec<&str>| args.into_iter().map(str::to_owned).collect();
        Ok(commands.into_iter().map(owned).collect())
    }
}

fn text(path: &Path) -> Result<String> {
    Ok(path.to_str().context("the path is no UTF-8")?.to_owned())
}

fn refs(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

/// Commands whose reader is stuck, each with what keeps its pipe full.
fn stuck(commands: &[Vec<&str>]) -> Result<Vec<(Spawned, io::PipeReader)>> {
    let mut running = Vec::new();
    for args in commands {
        let (reader, writer) = full_pipe()?;
        let program = start(ctpulse(args)?.stdin(Stdio::null()).stdout(writer))?;
        running.push((program, reader));
    }
    for ((program, _), args) in running.iter_mut().zip(commands) {
        program
            .wait_until_it_waits(Wait::Reader)
            .with_context(|| format!("{args:?}"))?;
    }
    Ok(running)
}

/// That a signal has done what it does by default.
fn assert_killed(program: Spawned, signal: Signal, args: &[&str]) -> Result<()> {
    let end = program.end().with_context(|| format!("{args:?}"))?;
    assert_eq!(end.status.signal(), Some(signal.as_raw()), "{args:?}");
    Ok(())
}

#[test]
fn signals_end_what_writes_to_a_stuck_reader() -> Result<()> {
    let place = Place::new()?;
    let commands = place.streams()?;
    let commands: Vec<_> = commands.iter().map(|args| refs(args)).collect();
    for signal in [Signal::INT, Signal::TERM] {
        let running = stuck(&commands)?;
        for (program, _) in &running {
            program.signal(signal)?;
        }
        for ((program, _unread), args) in running.into_iter().zip(&commands) {
            let end = program.end().with_context(|| format!("{args:?}"))?;
            assert_eq!(end.status.code(), Some(1), "{args:?}: {}", end.stderr);
            // What is said when the machine is too busy for the former.
            let said = [
                "what came last is not written",
                "without waiting any longer",
            ];
            assert!(
                said.iter().any(|said| end.stderr.contains(said)),
                "{args:?}: {}",
                end.stderr
            );
        }
    }
    Ok(())
}

#[test]
fn signals_end_what_has_no_end_of_its_own() -> Result<()> {
    let place = Place::new()?;
    let (root, recording) = (place.root()?, place.path("old.ctp")?);
    let commands = [
        vec!["report", &recording, "-o", "-"],
        vec!["doctor"],
        vec!["doctor", "--format", "json"],
        vec!["config"],
        vec!["check", "--proc-root", &root],
        vec!["--help"],
    ];
    for signal in [Signal::INT, Signal::TERM] {
        let running = stuck(&commands)?;
        for (program, _) in &running {
            program.signal(signal)?;
        }
        for ((program, _unread), args) in running.into_iter().zip(&commands) {
            assert_killed(program, signal, args)?;
        }
    }
    Ok(())
}

#[test]
fn signals_end_a_recording_onto_a_stuck_reader() -> Result<()> {
    let place = Place::new()?;
    let root = place.root()?;
    for signal in [Signal::INT, Signal::TERM] {
        let args = vec!["record", "-", "--proc-root", &root, "--interval", "10ms"];
        let mut running = stuck(&[args])?;
        let (program, _unread) = running.pop().context("one is running")?;
        program.signal(signal)?;
        let end = program.end()?;
        assert_eq!(end.status.code(), Some(1), "{}", end.stderr);
        assert!(
            end.stderr.contains("-: writing is stuck")
                && end.stderr.contains("0 records kept (0 bytes)")
                || end.stderr.contains("without waiting any longer"),
            "{}",
            end.stderr
        );
    }
    Ok(())
}

/// How many samples a recording has, which ends as it should.
fn samples(recording: &str) -> Result<usize> {
    let replay = program::run(&["replay", recording, "--format", "json"])?
        .success()
        .stderr("");
    let lines = String::from_utf8(replay.get_output().stdout.clone())?;
    ensure!(
        lines
            .lines()
            .last()
            .is_some_and(|line| line.starts_with(r#"{"type":"summary""#)),
        "no summary"
    );
    Ok(count_lines(&lines, r#"{"type":"sample""#))
}

#[test]
fn a_recording_does_not_wait_for_whoever_should_read_what_is_shown() -> Result<()> {
    let place = Place::new()?;
    let (root, recording) = (place.root()?, place.path("new.ctp")?);
    let args = ["record", &recording, "--show", "--format", "json"];
    let more = ["--interval", "10ms", "--proc-root", &root];
    let (_unread, writer) = full_pipe()?;
    let mut program = start(
        ctpulse(&[&args[..], &more].concat())?
            .stdin(Stdio::null())
            .stdout(writer),
    )?;
    program.wait_until_it_waits(Wait::Reader)?;
    // Long after the first line was stuck, there is more than 1 MiB of others; the recording has them all.
    program.wait_until("recording", |_| {
        fs::metadata(&recording).is_ok_and(|file| file.len() > 60_000)
    })?;
    program.signal(Signal::TERM)?;
    let end = program.end()?;
    assert_eq!(end.status.code(), Some(0), "{}", end.stderr);
    for said in [
        "standard output is not being read: what is shown has gaps; recording goes on",
        "records kept up to",
        "standard output is not being read: what came last is not written",
    ] {
        assert_eq!(count_lines(&end.stderr, said), 1, "{}", end.stderr);
    }
    let samples = samples(&recording)?;
    assert!(samples > 300, "{samples} samples");
    Ok(())
}

#[test]
fn a_recording_outlives_the_disk_of_what_is_shown() -> Result<()> {
    let place = Place::new()?;
    let (root, recording) = (place.root()?, place.path("new.ctp")?);
    let args = ["record", &recording, "--show", "--proc-root", &root];
    let more = ["--interval", "20ms", "--duration", "2s"];
    let end = start(
        ctpulse(&[&args[..], &more].concat())?
            .stdin(Stdio::null())
            .stdout(full_disk()?),
    )?
    .end()?;
    assert_eq!(end.status.code(), Some(0), "{}", end.stderr);
    let said =
        "cannot write to standard output: No space left on device (os error 28); recording goes on";
    assert_eq!(count_lines(&end.stderr, said), 1, "{}", end.stderr);
    assert!(samples(&recording)? > 5);
    Ok(())
}

#[test]
fn a_reader_that_takes_its_time_gets_whole_lines() -> Result<()> {
    let place = Place::new()?;
    let recording = place.path("old.ctp")?;
    let (mut reader, writer) = full_pipe()?;
    let mut program = start(
        ctpulse(&["replay", &recording, "--format", "json"])?
            .stdin(Stdio::null())
            .stdout(writer),
    )?;
    program.wait_until_it_waits(Wait::Reader)?;
    program.signal(Signal::TERM)?;
    let mut read = Vec::new();
    reader.read_to_end(&mut read)?;
    let end = program.end()?;
    assert_eq!(end.status.code(), Some(0), "{}", end.stderr);
    let shown = String::from_utf8(read)?;
    let shown = shown.trim_start_matches('x');
    assert!(shown.ends_with('\n'), "a line is cut: {shown}");
    for line in shown.lines() {
        serde_json::from_str::<Value>(line).with_context(|| line.to_owned())?;
    }
    Ok(())
}

#[test]
fn a_full_disk_ends_what_writes_to_it_and_says_so() -> Result<()> {
    let place = Place::new()?;
    let (root, recording) = (place.root()?, place.path("old.ctp")?);
    let mut commands = place.streams()?;
    let others = [
        vec!["report", &recording, "-o", "-"],
        vec!["doctor"],
        vec!["doctor", "--format", "json"],
        vec!["config"],
    ];
    commands.extend(others.map(|args| args.into_iter().map(str::to_owned).collect()));
    for args in commands {
        let args = refs(&args);
        let end = start(ctpulse(&args)?.stdin(Stdio::null()).stdout(full_disk()?))?.end()?;
        assert_eq!(end.status.code(), Some(1), "{args:?}: {}", end.stderr);
        let said =
            "ctpulse: cannot write to standard output: No space left on device (os error 28)";
        let last = end.stderr.lines().last();
        assert_eq!(last, Some(said), "{args:?}: {}", end.stderr);
    }
    // To a monitor that gets no line, the state is unknown.
    let check = ["check", "--proc-root", &root];
    let end = start(ctpulse(&check)?.stdin(Stdio::null()).stdout(full_disk()?))?.end()?;
    assert_eq!(end.status.code(), Some(3), "{}", end.stderr);
    Ok(())
}

/// What standard error can be that takes nothing. The reader is to be kept.
fn deaf() -> Result<Vec<(&'static str, Stdio, Option<io::PipeReader>)>> {
    let (unread, full) = full_pipe()?;
    Ok(vec![
        ("a full disk", full_disk()?.into(), None),
        ("a pipe that is closed", closed_pipe()?.into(), None),
        ("a pipe that is full", full.into(), Some(unread)),
    ])
}

#[test]
fn a_stream_outlives_its_log() -> Result<()> {
    for (what, stderr, _unread) in deaf()? {
        // There is much to be said: files that are missing, and a command that fails.
        let tree = Tree::absent()?;
        let root = text(&tree.root())?;
        let args = ["stream", "--format", "json", "--interval", "20ms"];
        let more = ["--proc-root", &root, "--on-alert", "echo printed; exit 3"];
        let mut program = Running::start_with(&[&args[..], &more].concat(), stderr)?;
        program.wait_for_hello().context(what)?;
        program.wait_for_sample("sample", |_| true)?;
        tree.become_snapshot("6.1/t0")?;
        program.wait_for("alert", |record| record["type"] == "alert")?;
        for _ in 0..20 {
            program.wait_for_sample("sample", |sample| sample["entries"] == 242_000)?;
        }
        let ended = program.stop().context(what)?;
        let last = ended.records()?.pop().context("no record")?;
        assert_eq!(last["type"], "summary", "{what}");
    }
    Ok(())
}

#[test]
fn a_recorder_outlives_its_log() -> Result<()> {
    let place = Place::new()?;
    let recording = place.path("new.ctp")?;
    for (what, stderr, _unread) in deaf()? {
        let tree = Tree::absent()?;
        let root = text(&tree.root())?;
        let args = ["record", &recording, "--force", "--proc-root", &root];
        let more = ["--interval", "20ms", "--duration", "1s"];
        let end = start_as_it_is(
            ctpulse(&[&args[..], &more].concat())?
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(stderr),
        )?
        .end()
        .context(what)?;
        assert_eq!(end.status.code(), Some(0), "{what}");
        assert!(samples(&recording)? > 3, "{what}");
    }
    Ok(())
}

#[test]
fn what_a_log_could_not_take_is_counted() -> Result<()> {
    let tree = Tree::absent()?;
    let root = text(&tree.root())?;
    let (mut log, stderr) = full_pipe()?;
    let args = ["stream", "--format", "json", "--interval", "20ms"];
    let mut program = Running::start_with(
        &[&args[..], &["--proc-root", &root]].concat(),
        stderr.into(),
    )?;
    program.wait_for_hello()?;
    program.wait_for_sample("sample", |_| true)?;
    // Three files that do not exist. Then there is room, and something new to be said.
    let mut filler = vec![0; 60_000];
    log.read_exact(&mut filler)?;
    tree.become_snapshot("6.1/t0")?;
    program.wait_for_sample("the tree", |sample| {
        sample["entries"] == 242_000 && sample["max"] == 262_144
    })?;
    program.stop()?;
    let mut said = String::new();
    log.read_to_string(&mut said)?;
    let said = said.trim_start_matches('x');
    assert!(
        said.contains("(3 messages before this one could not be written)"),
        "{said:?}"
    );
    Ok(())
}

#[test]
fn a_second_signal_ends_it_at_once() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let root = text(&tree.root())?;
    let seen = tempfile::tempdir()?;
    let pid = seen.path().join("pid");
    // The table is nearly full, so that there is an alert at once; its command is waited for at the end.
    let command = format!("echo $$ > {}; exec sleep 1000", pid.display());
    let args = ["stream", "--format", "json", "--interval", "20ms"];
    let more = ["--proc-root", &root, "--on-alert", &command];
    let mut program = Running::start(&[&args[..], &more].concat())?;
    program.wait_for_sample("start of the command", |_| {
        fs::read_to_string(&pid).is_ok_and(|pid| pid.ends_with('\n'))
    })?;
    program.signal(Signal::TERM)?;
    program.wait_for("summary", |record| record["type"] == "summary")?;
    program.signal(Signal::TERM)?;
    let ended = program.wait()?;
    // Nothing ends the command then but whoever started ctpulse.
    let kill = Command::new("kill")
        .arg(fs::read_to_string(&pid)?.trim())
        .status()?;
    assert!(kill.success(), "it is gone already");
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert_eq!(ended.stderr, "", "it did not wait");
    Ok(())
}

#[test]
fn signals_end_what_waits_for_a_writer() -> Result<()> {
    let place = Place::new()?;
    let (fifo, page) = (place.fifo("fifo")?, place.path("page.html")?);
    let (recording, new) = (place.path("old.ctp")?, place.path("new.ctp")?);
    for args in [
        &["config", "--config", &fifo][..],
        &["stream", "--config", &fifo],
        &["live", "--config", &fifo],
        &["record", &new, "--config", &fifo],
        &["replay", &fifo],
        &["report", &fifo, "-o", &page],
        // Or for a reader.
        &["report", &recording, "-o", &fifo],
    ] {
        for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
            let mut command = ctpulse(args)?;
            let mut program = start(command.stdin(Stdio::null()).stdout(Stdio::null()))?;
            program.wait_until_it_waits(Wait::Partner)?;
            program.signal(signal)?;
            assert_killed(program, signal, args)?;
        }
    }
    Ok(())
}

#[test]
fn signals_end_what_waits_for_standard_input() -> Result<()> {
    let place = Place::new()?;
    let recording = place.path("old.ctp")?;
    let page = place.path("page.html")?;
    for (args, status) in [
        (&["replay", "-"][..], Some(1)),
        (&["replay", &recording, "--step"], Some(1)),
        (&["report", "-", "-o", &page], None),
    ] {
        for signal in [Signal::INT, Signal::TERM] {
            let (stdin, _nothing_to_read) = io::pipe()?;
            let mut command = ctpulse(args)?;
            let mut program = start(command.stdin(stdin).stdout(Stdio::null()))?;
            program.wait_until_it_waits(Wait::Writer)?;
            program.signal(signal)?;
            let end = program.end().with_context(|| format!("{args:?}"))?;
            assert_eq!(end.status.code(), status, "{args:?}: {}", end.stderr);
            let by_force = end
                .stderr
                .contains("ctpulse: ended without waiting any longer for the recording to be read");
            assert_eq!(by_force, status.is_some(), "{args:?}: {}", end.stderr);
        }
    }
    Ok(())
}

#[test]
fn a_recording_comes_through_a_fifo() -> Result<()> {
    let place = Place::new()?;
    let (fifo, recording) = (place.fifo("fifo")?, place.path("old.ctp")?);
    let whole = program::run(&["replay", &recording, "--format", "json"])?.success();
    let (out, writer) = (place.path("out")?, PathBuf::from(&fifo));
    // Its writer comes and goes before it is read to the end. With neither a reader nor a writer, what is in it is gone.
    let keep = File::options().read(true).write(true).open(&writer)?;
    let mut cat = Command::new("cp")
        .args([&recording, "/dev/stdout"])
        .stdout(keep.try_clone()?)
        .spawn()?;
    let mut command = ctpulse(&["replay", &fifo, "--format", "json"])?;
    let mut program = start(command.stdin(Stdio::null()).stdout(File::create(&out)?))?;
    assert!(cat.wait()?.success());
    program.wait_until("opening of the FIFO", |program| {
        let open = format!("/proc/{}/fd", program.pid().as_raw_nonzero());
        let mut open = fs::read_dir(open).into_iter().flatten().flatten();
        open.any(|open| fs::read_link(open.path()).is_ok_and(|path| path == writer))
    })?;
    drop(keep);
    let end = program.end()?;
    assert_eq!(end.status.code(), Some(0), "{}", end.stderr);
    assert_eq!(fs::read(&out)?, whole.get_output().stdout);
    Ok(())
}

#[test]
fn no_fifo_is_taken_for_a_file_of_the_kernel() -> Result<()> {
    let place = Place::new()?;
    let (root, fifo) = (place.root()?, place.fifo("fifo")?);
    place.tree.remove(STAT)?;
    fs::rename(&fifo, place.tree.path(STAT))?;
    let mut program = Running::start(&json_stream(&root))?;
    let sample = program.wait_for_sample("sample", |_| true)?;
    assert_eq!(sample["entries"], 242_000, "from the file of the count");
    assert_eq!(sample["counters"]["drop"], Value::Null);
    let ended = program.stop()?;
    let said = format!(
        "ctpulse: {}: is a FIFO; a regular file is expected\n",
        place.tree.path(STAT).display()
    );
    assert_eq!(ended.stderr, said);
    let check = program::run(&["check", "--proc-root", &root])?;
    let check = String::from_utf8(check.get_output().stdout.clone())?;
    assert!(check.contains("cannot be read"), "{check}");
    Ok(())
}

#[test]
fn a_fifo_is_no_namespace_and_no_program() -> Result<()> {
    let place = Place::new()?;
    let fifo = place.fifo("fifo")?;
    let namespace = format!("--netns {fifo}: {fifo} is no network namespace");
    let object = format!("{fifo}: is a FIFO; a regular file is expected");
    for (args, code, said) in [
        (&["stream", "--netns", &fifo][..], 1, &namespace),
        (&["events", "--netns", &fifo], 1, &namespace),
        (&["check", "--netns", &fifo], 3, &namespace),
        (&["stream", "--object", &fifo], 1, &object),
    ] {
        let output = program::run(args)?.code(code).get_output().clone();
        let output = [output.stdout, output.stderr].concat();
        let output = String::from_utf8(output)?;
        assert!(output.contains(said.as_str()), "{args:?}: {output}");
    }
    Ok(())
}

#[test]
fn recording_to_a_fifo_waits_for_nobody() -> Result<()> {
    let place = Place::new()?;
    let (root, fifo) = (place.root()?, place.fifo("fifo")?);
    for signal in [Signal::INT, Signal::TERM] {
        let args = ["record", &fifo, "--force", "--proc-root", &root];
        let mut command = ctpulse(&[&args[..], &["--interval", "10ms", "--show"]].concat())?;
        let (mut shown, stdout) = io::pipe()?;
        let program = start(command.stdin(Stdio::null()).stdout(stdout))?;
        // It is under way.
        shown.read_exact(&mut [0; 300])?;
        program.signal(signal)?;
        let end = program.end()?;
        assert_eq!(end.status.code(), Some(0), "{}", end.stderr);
    }
    Ok(())
}
