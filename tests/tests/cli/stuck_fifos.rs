//! FIFOs that nobody writes to or reads, or in place of other files: signals end what waits for them, and none is taken for what it is
//! not. Standard input is waited for likewise.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    program::{self, Running, json_stream},
    spawned::{Wait, ctpulse, start},
    stuck::{Place, assert_killed},
    tree::STAT,
};

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
        // It has started.
        shown.read_exact(&mut [0; 300])?;
        program.signal(signal)?;
        let end = program.end()?;
        assert_eq!(end.status.code(), Some(0), "{}", end.stderr);
    }
    Ok(())
}
