//! JSON lines, or a recording, from a file or standard input. A thread reads it: a pipe may have nothing for a long time.

use std::{
    fs::File,
    io::{self, Cursor, Read},
    path::{Path, PathBuf},
};

use crate::{
    clock::Clock,
    files::Remedied,
    recording::{
        self,
        player::{Player, PlayerItem},
        reader::Ending,
    },
    remote::{
        feed::{HostEvent, HostFeed},
        lines::{LineBatch, LineSplitter, MAX_LINE},
    },
};

/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

/// How a gzip member starts, and so a recording.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What is read.
pub(super) enum FileSource {
    Path(PathBuf),
    Stdin,
}

impl FileSource {
    /// Whether it is a regular file: all of it is there.
    pub(super) fn is_regular(&self) -> io::Result<bool> {
        match self {
            Self::Path(path) => Ok(metadata(path)?.is_file()),
            Self::Stdin => {
                use std::os::fd::AsFd;
                let stdin = File::from(io::stdin().as_fd().try_clone_to_owned()?);
                Ok(stdin.metadata()?.is_file())
            }
        }
    }

    /// Reads all of it, and says how that ended.
    pub(super) fn read<C: Clock>(self, feed: &HostFeed<C>) {
        let read = match self {
            Self::Path(path) => match recording::open(&path) {
                Ok(file) => read(file, feed),
                Err(error) => {
                    feed.blocking_send(HostEvent::Refused(error.to_string().into()));
                    return;
                }
            },
            Self::Stdin => read(io::stdin().lock(), feed),
        };
        feed.blocking_send(match read {
            Ok(()) => HostEvent::Ended,
            Err(error) => HostEvent::Refused(Remedied(&error).to_string().into()),
        });
    }
}

fn metadata(path: &Path) -> io::Result<std::fs::Metadata> {
    path.metadata()
}

/// Reads until the end, or until nobody listens.
fn read<C: Clock>(mut input: impl Read, feed: &HostFeed<C>) -> io::Result<()> {
    let mut start = vec![0; GZIP.len()];
    let mut read = 0;
    while read < start.len() {
        match retry(|| input.read(&mut start[read..]))? {
            0 => break,
            bytes => read += bytes,
        }
    }
    start.truncate(read);
    if start == GZIP {
        read_recording(Cursor::new(start).chain(input), feed)
    } else {
        read_lines(Cursor::new(start).chain(input), feed)
    }
}

fn retry<T>(mut work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match work() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

fn read_lines<C: Clock>(mut input: impl Read, feed: &HostFeed<C>) -> io::Result<()> {
    let mut splitter = LineSplitter::default();
    let mut chunk = vec![0; CHUNK];
    loop {
        let bytes = retry(|| input.read(&mut chunk))?;
        let lines = match bytes {
            0 => splitter.finish(),
            bytes => splitter.push(&chunk[..bytes]),
        };
        if !lines.is_empty() && !feed.blocking_send(HostEvent::Lines(lines, feed.clock.now())) {
            return Ok(());
        }
        if bytes == 0 {
            return Ok(());
        }
    }
}

fn read_recording<C: Clock>(input: impl Read, feed: &HostFeed<C>) -> io::Result<()> {
    let mut player = Player::new(input, None, None);
    let mut lines = LineBatch::default();
    loop {
        let item = player.next_item().map_err(io::Error::other)?;
        match &item {
            Some(PlayerItem::Line(line)) if line.text.len() > MAX_LINE => lines.too_long += 1,
            Some(PlayerItem::Line(line)) => {
                lines.bytes.extend_from_slice(line.text.as_bytes());
                lines.bytes.push(b'\n');
            }
            Some(PlayerItem::Damage(damage)) => {
                feed.blocking_send(HostEvent::Note(damage.to_string().into()));
            }
            None => {}
        }
        if lines.bytes.len() >= CHUNK || item.is_none() {
            let ready = std::mem::take(&mut lines);
            if !feed.blocking_send(HostEvent::Lines(ready, feed.clock.now())) {
                return Ok(());
            }
        }
        if item.is_none() {
            break;
        }
    }
    if player.ending() != Ending::Complete {
        let note =
            "it ends without a summary: its recorder was stopped short, or is still recording";
        feed.blocking_send(HostEvent::Note(note.into()));
    }
    Ok(())
}
