//! The flood: UDP packets, each of a new flow, from every CPU at once.

use std::{
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    sync::{
        Barrier,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use ctpulse_tests::cpus;

/// The first destination; every flow of a round has its own.
const FIRST: u32 = u32::from_be_bytes([127, 1, 0, 0]);

/// Flows that a sender takes at a time. All senders finish at nearly the same time, however busy their CPUs are with other work.
const BATCH: u32 = 64;

/// A sender on each CPU, and a socket that receives their packets. It is not read: when it is full the kernel drops packets
/// there, after conntrack, and does not send ICMP errors.
pub(crate) struct Flood {
    senders: Vec<(usize, UdpSocket)>,
    sink: UdpSocket,
}

impl Flood {
    /// Creates senders on every CPU of this process. The sockets are kept for all rounds, so that all rounds create the same
    /// flows, on the same chains of the table.
    pub(crate) fn new() -> Result<Self> {
        let bind = || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context("bind a UDP socket");
        Ok(Self {
            senders: cpus::available()?
                .into_iter()
                .map(|cpu| Ok((cpu, bind()?)))
                .collect::<Result<_>>()?,
            sink: bind()?,
        })
    }

    /// The number of CPUs that send.
    pub(crate) fn cpus(&self) -> usize {
        self.senders.len()
    }

    /// Creates flows as fast as possible; returns the time from the first packet to the last.
    pub(crate) fn make(&self, flows: u32) -> Result<Duration> {
        let port = self.sink.local_addr()?.port();
        let next = AtomicU32::new(0);
        let start_line = Barrier::new(self.cpus());
        let times = thread::scope(|scope| {
            let threads: Vec<_> = self
                .senders
                .iter()
                .map(|(cpu, socket)| {
                    let (next, start_line) = (&next, &start_line);
                    scope.spawn(move || {
                        let here = cpus::stay_on(*cpu);
                        // Waits even if it could not be pinned: the others must not wait forever.
                        start_line.wait();
                        let _here = here?;
                        let start = Instant::now();
                        send(socket, port, next, flows)?;
                        Ok((start, Instant::now()))
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().map_err(|_| anyhow!("a sender panicked"))?)
                .collect::<Result<Vec<(Instant, Instant)>>>()
        })?;
        let start = times.iter().map(|&(start, _)| start).min();
        let end = times.iter().map(|&(_, end)| end).max();
        let (start, end) = start.zip(end).context("no CPU to send from")?;
        Ok(end - start)
    }
}

fn send(socket: &UdpSocket, port: u16, next: &AtomicU32, flows: u32) -> Result<()> {
    loop {
        let first = next.fetch_add(BATCH, Ordering::Relaxed);
        if first >= flows {
            return Ok(());
        }
        for flow in first..flows.min(first + BATCH) {
            let to = SocketAddrV4::new(Ipv4Addr::from(FIRST + flow), port);
            socket
                .send_to(b"ctpulse", to)
                .with_context(|| format!("send to {to}"))?;
        }
    }
}
