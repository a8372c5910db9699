//! The sockets of a network namespace: /proc/net/{tcp,tcp6,udp,udp6}.

use crate::reading::sockets::Socket;
use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
};

/// The files and their protocols.
const FILES: [(&str, u8); 4] = [("tcp", 6), ("tcp6", 6), ("udp", 17), ("udp6", 17)];

/// Reads them, as the calling thread's namespace has them. A file that is not there (no IPv6) has no
/// sockets.
///
/// # Errors
///
/// When a file cannot be read.
pub fn read(net: &Path, mut each: impl FnMut(Socket)) -> io::Result<()> {
    for (file, protocol) in FILES {
        let path = net.join(file);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for line in BufReader::new(file).lines().skip(1) {
            if let Some(socket) = parse(&line?, protocol) {
                each(socket);
            }
        }
    }
    Ok(())
}

/// A line of these files; `None` for a socket that no process has (TIME_WAIT and the like):
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
            // An IPv6 socket that speaks IPv4.
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

    proptest! {
        #[test]
        fn any_line_is_read_or_not(line in "[ 0-9A-F:]{0,120}") {
            let _ = parse(&line, 6);
        }
    }
}
