//! `w` in the live view: what was shown so far is kept in memory, and written as a recording and its page.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::{
    cli::recordings::PartArgs,
    clock::SystemClock,
    commands::{Failure, replay::Opened, report},
    engine::{
        diagnostics::Diagnostics,
        signals::Shutdown,
        worker::{self, Holds},
    },
    model::record::Record,
    output::live::Input,
    recording::{
        file::{Existing, OpenError, RecordingFile},
        held::{HeldPart, HeldRecording, MAX_HELD},
        writer::Medium,
    },
    text::{PlainPath, Text},
};

/// Only the owner may read what is written, as it holds addresses and names of processes.
const MODE: u32 = 0o600;

/// How many names are tried, where others of the same second exist.
const NAMES: u32 = 100;

/// The longest part of a host's name that is in the name of a file.
const HOST_CHARS: usize = 64;

/// Keeps the last records, and writes them when asked to.
pub(super) struct Keeper {
    held: HeldRecording<SystemClock>,
    host: Text,
    /// What could not be kept, until it is reported.
    trouble: Option<io::Error>,
    finished: UnboundedSender<String>,
    outcomes: UnboundedReceiver<String>,
    /// How many are being written.
    writing: usize,
    /// The outcomes so far.
    told: Vec<String>,
}

impl Keeper {
    pub(super) fn new() -> Self {
        let (finished, outcomes) = unbounded_channel();
        Self {
            held: HeldRecording::new(SystemClock, MAX_HELD),
            host: "unknown".into(),
            trouble: None,
            finished,
            outcomes,
            writing: 0,
            told: Vec::new(),
        }
    }

    /// Keeps the records among these.
    pub(super) fn keep(&mut self, inputs: &[Input]) {
        for input in inputs {
            let Input::Record(record) = input else {
                continue;
            };
            if let Record::Hello(hello) = record {
                self.host = hello.hostname.clone();
            }
            if let Err(error) = self.held.add(record) {
                self.trouble = Some(error);
            }
        }
        if let Err(error) = self.held.flush() {
            self.trouble = Some(error);
        }
    }

    /// Starts to write what is kept, to new files in the current directory. Returns what to tell the user meanwhile.
    pub(super) fn write(&mut self) -> String {
        let part = match self.held.part() {
            Ok(Some(part)) => part,
            Ok(None) => return "nothing to write yet: no sample has come".to_owned(),
            Err(error) => return format!("what is kept cannot be written: {error}"),
        };
        let lacking = match self.trouble.take() {
            Some(error) => format!("; some of it could not be kept: {error}"),
            None => String::new(),
        };
        let stem = stem(&self.host, &part);
        let finished = self.finished.clone();
        let started = worker::start_holding(
            Holds::AsStarter,
            "writer",
            "writes what the view holds",
            move || {
                let outcome = match write(Path::new(""), &stem, &part) {
                    Ok(names) => format!("wrote {names}{lacking}"),
                    Err(failure) => format!("{failure}{lacking}"),
                };
                // Nobody waits for it any more when the program ends.
                let _ = finished.send(outcome);
            },
        );
        match started {
            Ok(_) => {
                self.writing += 1;
                "writing a recording and its page …".to_owned()
            }
            Err(error) => format!("what is kept cannot be written: {error}"),
        }
    }

    /// Waits until something was written; for ever when nothing is being written.
    pub(super) async fn outcome(&mut self) -> String {
        let outcome = match self.outcomes.recv().await {
            Some(outcome) => outcome,
            // `self` has a sender of its own, so that this never happens.
            None => std::future::pending().await,
        };
        self.writing = self.writing.saturating_sub(1);
        self.told.push(outcome.clone());
        outcome
    }

    /// Waits until all is written, unless a signal comes, and tells where it is.
    pub(super) async fn finish(mut self, shutdown: &mut Shutdown, diagnostics: &Diagnostics) {
        while self.writing > 0 && !shutdown.is_requested() {
            tokio::select! {
                () = shutdown.requested() => diagnostics.notify("what was being written is not complete"),
                _ = self.outcome() => {}
            }
        }
        for outcome in &self.told {
            diagnostics.notify(outcome);
        }
    }
}

/// The name of the files, without what tells one from the other: `ctpulse-HOST-20260102T150405Z`.
fn stem(host: &Text, part: &HeldPart) -> String {
    let host: String = host
        .raw()
        .chars()
        .take(HOST_CHARS)
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => c,
            _ => '_',
        })
        .collect();
    format!("ctpulse-{host}-{}", part.until.strftime("%Y%m%dT%H%M%SZ"))
}

/// Writes the recording and the page; returns their names, and what is in them.
fn write(directory: &Path, stem: &str, part: &HeldPart) -> Result<String, Failure> {
    let (recording, page, mut file) = create(directory, stem)?;
    let written = part.write(&mut file).and_then(|()| file.sync());
    if let Err(source) = written {
        drop(file);
        // The error that is reported is the first.
        let _ = fs::remove_file(&recording);
        return Err(Failure::file(&recording, source));
    }
    let contents = format!(
        "{} ({} records from {} to {} UTC)",
        PlainPath(&recording),
        part.records,
        part.from.strftime("%H:%M:%S"),
        part.until.strftime("%H:%M:%S"),
    );
    match write_page(&recording, &page) {
        Ok(()) => Ok(format!("{contents} and {}", PlainPath(&page))),
        Err(failure) => Ok(format!("{contents}, but no page of it: {failure}")),
    }
}

/// Creates the recording under a name that is free for both.
fn create(directory: &Path, stem: &str) -> Result<(PathBuf, PathBuf, RecordingFile), Failure> {
    let mut number = 1;
    loop {
        let name = match number {
            1 => stem.to_owned(),
            n => format!("{stem}-{n}"),
        };
        let recording = directory.join(format!("{name}.ctp"));
        let page = directory.join(format!("{name}.html"));
        let is_last = number == NAMES;
        number += 1;
        if page.symlink_metadata().is_ok() && !is_last {
            continue;
        }
        match RecordingFile::open(&recording, Existing::Refuse) {
            Err(OpenError::Exists(_)) if !is_last => {}
            opened => return Ok((recording, page, opened?)),
        }
    }
}

fn write_page(recording: &Path, page: &Path) -> Result<(), Failure> {
    let part = PartArgs {
        from: None,
        to: None,
    };
    let html = report::html(&mut Opened::open(recording, &part, None)?, recording, None)?;
    new_file(page, &html).map_err(|source| Failure::file(page, source))
}

/// Writes a file that must not exist yet, and removes it if that fails.
#[expect(clippy::disallowed_methods, reason = "the user asked for that file")]
fn new_file(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(path)?;
    file.write_all(text.as_bytes()).inspect_err(|_| {
        // The error that is reported is the first.
        let _ = fs::remove_file(path);
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const RECORDING: &str = include_str!("../../../tests/fixtures/records/filling-6.12.jsonl");

    fn kept() -> Keeper {
        let mut keeper = Keeper::new();
        let inputs: Vec<Input> = RECORDING
            .lines()
            .map(|line| Input::Record(serde_json::from_str(line).expect("a record")))
            .collect();
        keeper.keep(&inputs);
        keeper
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("a directory");
        let mut names: Vec<String> = entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_written_is_new_and_for_its_owner_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let part = kept().held.part().expect("encoded").expect("records");
        for n in 1..=3 {
            let told = write(directory.path(), "a", &part).unwrap_or_else(|e| panic!("{e}"));
            assert!(told.contains(" records from 14:52:0"), "{told}");
            assert_eq!(names(directory.path()).len(), 2 * n, "{told}");
        }
        assert_eq!(
            names(directory.path()),
            [
                "a-2.ctp", "a-2.html", "a-3.ctp", "a-3.html", "a.ctp", "a.html"
            ]
        );
        for name in names(directory.path()) {
            let metadata = fs::metadata(directory.path().join(&name)).expect("a file");
            assert_eq!(metadata.permissions().mode() & 0o777, MODE, "{name}");
            assert!(metadata.len() > 1_000, "{name}");
        }
        // A name that is taken by either is taken.
        fs::remove_file(directory.path().join("a.ctp")).expect("a file");
        write(directory.path(), "a", &part).unwrap_or_else(|e| panic!("{e}"));
        assert!(names(directory.path()).contains(&"a-4.ctp".to_owned()));
    }

    #[test]
    fn what_cannot_be_written_says_where_and_why() {
        let directory = tempfile::tempdir().expect("a directory");
        let part = kept().held.part().expect("encoded").expect("records");
        let error = write(&directory.path().join("gone"), "a", &part).map_err(|e| e.to_string());
        let error = error.expect_err("there is no such directory");
        assert!(
            error.ends_with("gone/a.ctp: No such file or directory (os error 2)"),
            "{error}"
        );
        assert_eq!(names(directory.path()), [""; 0]);
    }

    #[test]
    fn a_hosts_name_is_no_path() {
        let part = kept().held.part().expect("encoded").expect("records");
        let stem = stem(&"../\u{1b}[2J/etc x".into(), &part);
        assert!(stem.starts_with("ctpulse-.._"), "{stem}");
        assert!(!stem.contains(['/', '\u{1b}', ' ']), "{stem}");
    }

    #[test]
    fn without_a_sample_nothing_is_written() {
        let told = Keeper::new().write();
        assert_eq!(told, "nothing to write yet: no sample has come");
    }
}
