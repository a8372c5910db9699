//! The sockets of a network namespace: /proc/net/{tcp,tcp6,udp,udp6}.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
};

use crate::{files, reading::sockets::Socket, text::PlainPath};

/// The files and their protocols.
const FILES: [(&str, u8); 4] = [("tcp", 6), ("tcp6", 6), ("udp", 17), ("udp6", 17)];

/// The most bytes of a line. The kernel pads lines of IPv4 to 149 bytes (`TMPSZ` of net/ipv4/tcp_ipv4.c); those of IPv6 have
/// some 180.
const LONGEST_LINE: u64 = 4096;

/// Why sockets cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum SocketsError {
    /// A file cannot be read.
    #[error("{}: {source}", PlainPath(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A line is too long for such a file.
    #[error("{}: a line has more than {LONGEST_LINE} bytes; the rest was not read", PlainPath(.0))]
    LongLine(PathBuf),
}

/// Gives each socket of the calling thread's namespace to `each`. A file that does not exist (no IPv6) has no sockets.
///
/// # Errors
///
/// When a file cannot be read; `each` may have been given a part.
pub fn read(net: &Path, mut each: impl FnMut(Socket)) -> Result<(), SocketsError> {
    for (name, protocol) in FILES {
        let path = net.join(name);
        match files::open(&path) {
            Ok(file) => lines(file, path, |line| {
                if let Some(socket) = parse(line, protocol) {
                    each(socket);
                }
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(SocketsError::Read { path, source }),
        }
    }
    Ok(())
}

/// Gives each line after the header to `each`.
fn lines(file: File, path: PathBuf, mut each: impl FnMut(&str)) -> Result<(), SocketsError> {
    let mut file = BufReader::new(file);
    let mut line = Vec::new();
    for number in 0_u64.. {
        line.clear();
        match (&mut file).take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(read) if read as u64 == LONGEST_LINE => return Err(SocketsError::LongLine(path)),
            Ok(_) if number == 0 => {}
            Ok(_) => each(&String::from_utf8_lossy(&line)),
            Err(source) => return Err(SocketsError::Read { path, source }),
        }
    }
    Ok(())
}

/// Parses a line; `None` for a socket that no process has (such as one in TIME_WAIT):
///
/// ```text
///    0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 …
/// ```
#[must_use]
pub fn parse(line: &str, protocol: u8) -> Option<Socket> {
    let mut fields = line.split_whitespace();
    let (local, port) = endpoint(fields.nth(1)?)?;
    let (remote, _) = endpoint(fields.next()?)?;
    let inode = fields.nth(6)?.parse().ok()?;
    (inode != 0).then_some(Socket {
        protocol,
        local,
        port,
        remote,
        inode,
    })
}

/// Address in words of the host's byte order, and port.
fn endpoint(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let word = |at: usize| -> Option<[u8; 4]> {
        let word = u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut octets = [0; 16];
            for (i, part) in octets.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                *part = word(i * 8)?;
            }
            // An IPv6 socket may have an IPv4 address.
            let address = Ipv6Addr::from(octets);
            address
                .to_ipv4_mapped()
                .map_or(IpAddr::V6(address), IpAddr::V4)
        }
        _ => return None,
    };
    Some((address, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn a_line() {
        let line = "   0: 0100007F:1F90 0200000A:01BB 01 00000000:00000000 00:00000000 00000000     0        0 12345 1 0000000000000000 100 0 0 10 0";
        let socket = Socket {
            protocol: 6,
            local: [127, 0, 0, 1].into(),
            port: 8080,
            remote: [10, 0, 0, 2].into(),
            inode: 12345,
        };
        assert_eq!(parse(line, 6), Some(socket));
        assert_eq!(parse(&line.replace("12345", "0"), 6), None);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_line_of_ipv6() {
        let line = "  12: 0000000000000000FFFF00000100007F:0035 B80D0120000000000000000001000000:0000 07 00000000:00000000 00:00000000 00000000   101        0 77 2 0 0";
        let socket = parse(line, 17).unwrap();
        assert_eq!(socket.local, IpAddr::from([127, 0, 0, 1]));
        assert_eq!(socket.remote.to_string(), "2001:db8::1");
        assert_eq!((socket.port, socket.inode), (53, 77));
    }

    /// Our own listener is found in our own files.
    #[test]
    fn this_kernel() {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut found = false;
        read(Path::new("/proc/thread-self/net"), |socket| {
            found |= socket.protocol == 6
                && socket.port == port
                && socket.local == IpAddr::V4(Ipv4Addr::LOCALHOST);
        })
        .unwrap();
        assert!(found);
    }

    #[test]
    fn a_line_without_end_is_not_read_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create(dir.path().join("tcp")).unwrap();
        file.set_len(1 << 40).unwrap();
        let error = read(dir.path(), |_| ()).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("/tcp: a line has more than 4096 bytes; the rest was not read")
        );
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_not(line in "[ 0-9A-F:]{0,120}") {
            let _ = parse(&line, 6);
        }
    }
}
