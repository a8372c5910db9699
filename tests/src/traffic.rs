//! Traffic for conntrack, on loopback only.

use std::{
    hint, io,
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    thread,
    time::{Duration, Instant},
};

/// How long before a packet is due its sender stops sleeping, and spins.
const SPIN: Duration = Duration::from_millis(5);

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;

/// When traffic was sent, by the sender's clock. A sender can be delayed anywhere, also between reading the clock and sending. So
/// each end is a time span, from just before to just after the call that sent its packet.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// The span of the first packet.
    pub first: [Timestamp; 2],
    /// The span of the last packet.
    pub last: [Timestamp; 2],
}

impl Sent {
    /// Just before the first packet.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        self.first[0]
    }

    /// Just after the last.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        self.last[1]
    }
}

/// The fate of packets that the kernel may reject.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offered {
    /// Sent.
    pub accepted: u64,
    /// Dropped by netfilter on output.
    pub refused: u64,
}

impl Offered {
    /// Counts the result of sending a packet; rejection by netfilter is the only expected error.
    pub fn count(&mut self, sent: io::Result<usize>) -> io::Result<()> {
        match sent {
            Ok(_) => self.accepted += 1,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => self.refused += 1,
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// A sender of UDP flows. Each packet goes to another address in 127.0.0.0/8, so each creates a flow. All arrive at one socket
/// that is not read, so that there are no ICMP errors.
pub struct UdpFlows {
    socket: UdpSocket,
    _sink: UdpSocket,
    port: u16,
    next: u32,
}

/// The first destination; the addresses below are for other drivers.
const FIRST: u32 = u32::from_be_bytes([127, 1, 0, 0]);

impl UdpFlows {
    /// Binds a source port that no earlier sender has used while this one lives.
    pub fn new() -> Result<Self> {
        let bind = |what| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context(what);
        let sink = bind("bind the socket that takes the flows")?;
        let port = sink.local_addr()?.port();
        Ok(Self {
            socket: bind("bind the sender's socket")?,
            _sink: sink,
            port,
            next: FIRST,
        })
    }

    /// Sends `flows` packets as fast as possible, each creating a flow.
    pub fn send(&mut self, flows: u32) -> Result<Sent> {
        let first = self.send_one()?;
        let offered = self.offer(flows.saturating_sub(2))?;
        ensure!(offered.refused == 0, "{offered:?}");
        let last = if flows > 1 { self.send_one()? } else { first };
        Ok(Sent { first, last })
    }

    /// Sends a packet after each of these pauses, and returns the time span of each. A sender that was delayed does not catch up.
    pub fn send_paced(
        &mut self,
        pauses: impl IntoIterator<Item = Duration>,
    ) -> Result<Vec<[Timestamp; 2]>> {
        let mut sent = Vec::new();
        let mut due = Instant::now();
        for pause in pauses {
            due = Instant::now().max(due + pause);
            // Sleep wakes up too late for short pauses.
            while Instant::now() < due {
                let left = due.saturating_duration_since(Instant::now());
                match left.checked_sub(SPIN) {
                    Some(sleep) => thread::sleep(sleep),
                    None => hint::spin_loop(),
                }
            }
            sent.push(self.send_one()?);
        }
        Ok(sent)
    }

    /// Sends a packet, and returns its time span.
    fn send_one(&mut self) -> Result<[Timestamp; 2]> {
        let before = Timestamp::now();
        let offered = self.offer(1)?;
        let after = Timestamp::now();
        ensure!(offered.refused == 0, "{offered:?}");
        Ok([before, after])
    }

    /// The same if the kernel may drop them.
    pub fn offer(&mut self, flows: u32) -> Result<Offered> {
        let mut offered = Offered::default();
        for _ in 0..flows {
            let to = self.destination();
            offered
                .count(self.socket.send_to(b"ctpulse", to))
                .with_context(|| format!("send to {to}"))?;
            self.next += 1;
        }
        Ok(offered)
    }

    /// Starts again at the first flow.
    pub fn rewind(&mut self) {
        self.next = FIRST;
    }

    /// The destination of the next flow.
    fn destination(&self) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::from(self.next), self.port)
    }

    /// The destination port of all flows.
    pub fn port(&self) -> u16 {
        self.port
    }
}
