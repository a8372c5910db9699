//! Entries for systemd's journal, by its native protocol: a datagram each, or a file in memory for those that are too long for one.

use std::{
    fs::File,
    io::{self, IoSlice, Write},
    mem::MaybeUninit,
    os::{fd::AsFd, unix::net::UnixDatagram},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create},
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, sendmsg_addr},
};

use super::entry::LogEntry;

/// How long a journal may take for one entry.
const WAIT: Duration = Duration::from_secs(1);

/// A journal's socket.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    socket: UnixDatagram,
}

impl Journal {
    /// Uses the socket at a path.
    ///
    /// # Errors
    ///
    /// When nobody listens there.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(WAIT))?;
        // Only to see that somebody is there: a journal that is started again has another socket at the path.
        UnixDatagram::unbound()?.connect(path)?;
        Ok(Self {
            path: path.to_owned(),
            socket,
        })
    }

    /// Writes an entry.
    ///
    /// # Errors
    ///
    /// When the journal is not there, or does not take it in time.
    pub(super) fn write(&self, entry: &LogEntry) -> io::Result<()> {
        let message = message(entry);
        match self.socket.send_to(&message, &self.path) {
            Ok(_) => Ok(()),
            Err(error) if is_too_long(&error) => self.write_long(&message),
            Err(error) => Err(error),
        }
    }

    fn write_long(&self, message: &[u8]) -> io::Result<()> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let mut file = File::from(memfd_create("ctpulse-event", flags)?);
        file.write_all(message)?;
        // The journal takes only what nobody can change any more.
        let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
        fcntl_add_seals(&file, seals)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let files = [file.as_fd()];
        control.push(SendAncillaryMessage::ScmRights(&files));
        let address = SocketAddrUnix::new(&self.path)?;
        let nothing = [IoSlice::new(&[])];
        sendmsg_addr(
            &self.socket,
            &address,
            &nothing,
            &mut control,
            SendFlags::NOSIGNAL,
        )?;
        Ok(())
    }
}

fn is_too_long(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMSGSIZE | libc::ENOBUFS))
}

/// An entry in the journal's protocol.
fn message(entry: &LogEntry) -> Vec<u8> {
    let mut message = Vec::new();
    let priority = (entry.priority as u8).to_string();
    field(&mut message, "MESSAGE", &entry.message);
    field(&mut message, "PRIORITY", &priority);
    field(&mut message, "SYSLOG_IDENTIFIER", "ctpulse");
    for (name, value) in &entry.fields {
        field(&mut message, &format!("CTPULSE_{name}"), value);
    }
    message
}

/// `NAME=VALUE`, or with a length where the value has several lines.
fn field(message: &mut Vec<u8>, name: &str, value: &str) {
    message.extend_from_slice(name.as_bytes());
    match value.contains('\n') {
        false => message.push(b'='),
        true => {
            message.push(b'\n');
            message.extend_from_slice(&(value.len() as u64).to_le_bytes());
        }
    }
    message.extend_from_slice(value.as_bytes());
    message.push(b'\n');
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

    use super::*;
    use crate::event_log::entry::Priority;

    fn entry(json: String) -> LogEntry {
        LogEntry {
            line: Vec::new(),
            message: "two\nlines".to_owned(),
            priority: Priority::Warning,
            fields: vec![("TYPE", "event".to_owned()), ("JSON", json)],
        }
    }

    /// What a journal gets: a datagram, or the file that came with it.
    fn receive(listener: &UnixDatagram) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 20];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [io::IoSliceMut::new(&mut bytes)];
        let got = recvmsg(listener, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC).unwrap();
        let length = got.bytes;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(mut files) = message
                && let Some(file) = files.next()
            {
                assert_eq!(length, 0);
                let seals = rustix::fs::fcntl_get_seals(&file).unwrap();
                assert!(seals.contains(SealFlags::WRITE | SealFlags::SEAL));
                let mut text = Vec::new();
                let mut file = File::from(file);
                io::Seek::rewind(&mut file).unwrap();
                file.read_to_end(&mut text).unwrap();
                return text;
            }
        }
        bytes.truncate(length);
        bytes
    }

    #[test]
    fn entries_arrive_however_long() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        assert_eq!(
            Journal::open(&path).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        let listener = UnixDatagram::bind(&path).unwrap();
        let journal = Journal::open(&path).unwrap();
        for length in [10, 3 << 20] {
            let json = "x".repeat(length);
            journal.write(&entry(json.clone())).unwrap();
            let mut expected = b"MESSAGE\n\x09\0\0\0\0\0\0\0two\nlines\n".to_vec();
            expected
                .extend_from_slice(b"PRIORITY=4\nSYSLOG_IDENTIFIER=ctpulse\nCTPULSE_TYPE=event\n");
            expected.extend_from_slice(format!("CTPULSE_JSON={json}\n").as_bytes());
            assert!(receive(&listener) == expected, "{length}");
        }
        // Another one at the same path.
        drop(listener);
        assert!(journal.write(&entry(String::new())).is_err());
        std::fs::remove_file(&path).unwrap();
        let listener = UnixDatagram::bind(&path).unwrap();
        journal.write(&entry(String::new())).unwrap();
        assert!(receive(&listener).ends_with(b"CTPULSE_JSON=\n"));
    }
}
