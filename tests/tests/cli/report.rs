//! `ctpulse report`: where the page goes, what it never overwrites, and what is left when it cannot be written.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::{program, tmux::Terminal};

/// How often a recording is repeated, one after the other, to make one that takes a while to read.
const COPIES: usize = 40;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/recordings")
        .join(name)
}

/// A directory with a recording in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Result<Self> {
        let place = Self(tempfile::tempdir()?);
        fs::copy(fixture("flush-6.12.ctp"), place.at("a.ctp"))?;
        Ok(place)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn path(&self, name: &str) -> Result<String> {
        let path = self.at(name);
        Ok(path.to_str().context("the path is no UTF-8")?.to_owned())
    }

    fn names(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.0.path())? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    /// What `report` says on stderr, when it ends with this status.
    fn report(&self, args: &[&str], status: i32) -> Result<String> {
        let recording = self.path("a.ctp")?;
        let output = program::run(&[&["report", &recording], args].concat())?
            .code(status)
            .stdout("")
            .get_output()
            .clone();
        Ok(String::from_utf8(output.stderr)?)
    }

    /// Requires that the recording is as it was.
    fn recording_is_whole(&self) -> Result<()> {
        let (now, before) = (
            fs::read(self.at("a.ctp"))?,
            fs::read(fixture("flush-6.12.ctp"))?,
        );
        ensure!(now == before, "the recording was changed");
        Ok(())
    }
}

#[test]
fn the_page_is_beside_the_recording_for_its_owner_and_reported() -> Result<()> {
    let place = Place::new()?;
    let stderr = place.report(&[], 0)?;
    assert_eq!(place.names()?, ["a.ctp", "a.html"]);
    let mode = fs::metadata(place.at("a.html"))?.permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let page = fs::read_to_string(place.at("a.html"))?;
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    let said = format!(
        "ctpulse: {}: page of 8.0 s written (",
        place.path("a.html")?
    );
    assert!(
        stderr.starts_with(&said) && stderr.lines().count() == 1,
        "{stderr}"
    );
    Ok(())
}

#[test]
fn a_page_that_exists_is_not_touched_unasked() -> Result<()> {
    let place = Place::new()?;
    fs::write(place.at("a.html"), "mine")?;
    let path = place.path("a.html")?;
    for args in [&[][..], &["-o", &path]] {
        let stderr = place.report(args, 1)?;
        assert_eq!(
            stderr,
            format!("ctpulse: {path}: exists; --force overwrites it, -o names another file\n")
        );
        assert_eq!(fs::read(place.at("a.html"))?, b"mine");
    }
    place.report(&["--force"], 0)?;
    assert!(fs::read_to_string(place.at("a.html"))?.starts_with("<!DOCTYPE html>"));
    assert_eq!(place.names()?, ["a.ctp", "a.html"]);
    // A link is replaced, not what it leads to.
    fs::write(place.at("kept"), "mine")?;
    symlink("kept", place.at("link.html"))?;
    place.report(&["--force", "-o", &place.path("link.html")?], 0)?;
    assert_eq!(fs::read(place.at("kept"))?, b"mine");
    assert!(fs::read_to_string(place.at("link.html"))?.starts_with("<!DOCTYPE html>"));
    Ok(())
}

#[test]
fn the_recording_is_never_overwritten_whatever_its_name() -> Result<()> {
    let place = Place::new()?;
    symlink("a.ctp", place.at("symbolic.html"))?;
    fs::hard_link(place.at("a.ctp"), place.at("hard.html"))?;
    for name in ["a.ctp", "symbolic.html", "hard.html"] {
        let stderr = place.report(&["--force", "-o", &place.path(name)?], 1)?;
        assert!(
            stderr.contains("is the recording itself"),
            "{name}: {stderr}"
        );
        place.recording_is_whole()?;
    }
    // From stdin, and to stdout.
    let (recording, path) = (place.path("a.ctp")?, program::path()?);
    let program = path.to_str().context("the path is no UTF-8")?;
    for (command, said) in [
        (
            format!("{program} report - --force -o hard.html < {recording}"),
            "is the recording itself",
        ),
        (
            format!("{program} report a.ctp -o - >> hard.html"),
            "standard output is the recording itself",
        ),
    ] {
        let output = Command::new("sh")
            .args(["-c", &command])
            .current_dir(place.0.path())
            .output()?;
        let stderr = String::from_utf8(output.stderr)?;
        assert_eq!(output.status.code(), Some(1), "{command}: {stderr}");
        assert!(stderr.contains(said), "{command}: {stderr}");
        place.recording_is_whole()?;
    }
    // A recording whose name is that of its page.
    fs::rename(place.at("a.ctp"), place.at("b.html"))?;
    let output = program::run(&["report", &place.path("b.html")?])?.code(1);
    let stderr = String::from_utf8(output.get_output().stderr.clone())?;
    assert!(stderr.contains("is the recording itself"), "{stderr}");
    Ok(())
}

#[test]
fn what_cannot_be_written_whole_leaves_nothing() -> Result<()> {
    let place = Place::new()?;
    fs::write(place.at("old.html"), "mine")?;
    let (path, recording) = (program::path()?, place.path("a.ctp")?);
    let program = path.to_str().context("the path is no UTF-8")?;
    for name in ["new.html", "old.html"] {
        // Where a file cannot have more than 16 blocks of 512 bytes, as on a disk that gets full.
        let command = format!(
            "trap '' XFSZ; ulimit -f 16; exec {program} report {recording} --force -o {}",
            place.path(name)?
        );
        let output = Command::new("sh").args(["-c", &command]).output()?;
        let stderr = String::from_utf8(output.stderr)?;
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(
            stderr.contains(&format!("{name}: cannot be written: File too large"))
                && stderr.contains("nothing was changed"),
            "{stderr}"
        );
        assert_eq!(place.names()?, ["a.ctp", "old.html"]);
        assert_eq!(fs::read(place.at("old.html"))?, b"mine");
    }
    Ok(())
}

#[test]
fn a_directory_without_room_for_it_is_named() -> Result<()> {
    let place = Place::new()?;
    // Nobody can make files there, root included.
    for (path, said) in [
        ("/sys/page.html", "/sys/page.html: cannot be written: "),
        ("/no/such/page.html", "No such file or directory"),
        ("/tmp", "Is a directory"),
        ("/dev/full", "No space left on device"),
    ] {
        let stderr = place.report(&["-o", path], 1)?;
        assert!(
            stderr.contains(said) && stderr.contains("-o names another file"),
            "{path}: {stderr}"
        );
    }
    place.report(&["-o", "/dev/null"], 0)?;
    Ok(())
}

#[test]
fn a_recording_without_a_name_needs_one_for_its_page() -> Result<()> {
    let output = program::run(&["report", "-"])?.code(2);
    let stderr = String::from_utf8(output.get_output().stderr.clone())?;
    assert!(stderr.contains("--output PAGE"), "{stderr}");
    Ok(())
}

#[test]
fn a_terminal_shows_how_much_was_read() -> Result<()> {
    let place = Place::new()?;
    let one = fs::read(fixture("incident-6.12.ctp"))?;
    fs::write(place.at("long.ctp"), one.repeat(COPIES))?;
    let program = program::path()?;
    let program = program.to_str().context("the path is no UTF-8")?;
    let directory = place.0.path().to_str().context("the path is no UTF-8")?;
    let terminal = Terminal::open(100, 24, &[])?;
    terminal.type_line(&format!("cd {directory}"))?;
    for (command, ended) in [
        ("report long.ctp", "long.html: page of "),
        (
            "replay long.ctp > replayed; echo replay ended",
            "replay ended\n",
        ),
    ] {
        terminal.type_line(&format!("clear; {program} {command}"))?;
        terminal.wait_for_text(" % read")?;
        terminal.wait_for_text(ended)?;
        let screen = terminal.screen()?;
        assert!(!screen.contains(" % read"), "{screen}");
    }
    // Not among what is shown.
    let shown = fs::read_to_string(place.at("replayed"))?;
    assert!(shown.contains("Table ") && !shown.contains("% read"));
    Ok(())
}
