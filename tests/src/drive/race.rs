//! Two CPUs that create the same flow at the same time.

use std::{
    hint, io,
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use anyhow::{Context, Result, anyhow, ensure};

use super::packet::{Addresses, Packet, RawSockets, flag};
use crate::{cpus, traffic::Offered};

/// How often to check whether the other thread has arrived before yielding.
const SPINS: u32 = 10_000;

/// Races `rounds` times to create one UDP flow to `network`.0.0 and up. The slower packet joins the flow of the faster one or, if
/// NAT has given it another port, keeps a flow that is only found by replies.
pub fn udp(network: [u8; 2], rounds: u32) -> Result<Offered> {
    let sink = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context("bind")?;
    let port = sink.local_addr()?.port();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("bind")?;
    run(rounds, |round| {
        socket.send_to(b"ctpulse", SocketAddrV4::new(nth(network, round), port))
    })
}

/// Races `rounds` times to create one TCP flow to `network`.0.0 and up. TCP flows are not joined: the slower packet is dropped.
pub fn tcp(network: [u8; 2], rounds: u32) -> Result<Offered> {
    let sockets = RawSockets::open()?;
    run(rounds, |round| {
        let to = Addresses::V4(Ipv4Addr::LOCALHOST, nth(network, round));
        sockets.send(&Packet::tcp(to, (10_001, 9), flag::SYN))
    })
}

fn nth(network: [u8; 2], round: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from_be_bytes([network[0], network[1], 0, 0]) + round)
}

/// Does the same on two CPUs at the same time, `rounds` times.
fn run(rounds: u32, send: impl Fn(u32) -> io::Result<usize> + Sync) -> Result<Offered> {
    let cpus = cpus::available()?;
    ensure!(cpus.len() >= 2, "a race needs two CPUs");
    let arrived = AtomicU32::new(0);
    let runner = |cpu: usize| {
        let here = cpus::stay_on(cpu);
        let mut outcome = here
            .as_ref()
            .map(drop)
            .map_err(|error| anyhow!("{error:#}"));
        let mut offered = Offered::default();
        for round in 0..rounds {
            // After an error the other thread must not wait forever.
            arrived.fetch_add(1, Ordering::AcqRel);
            let mut spins = 0;
            while arrived.load(Ordering::Acquire) < 2 * (round + 1) {
                spins += 1;
                // The other thread may be waiting for this CPU.
                if spins > SPINS {
                    thread::yield_now();
                } else {
                    hint::spin_loop();
                }
            }
            if outcome.is_ok() {
                outcome = offered.count(send(round)).context("send");
            }
        }
        outcome.map(|()| offered)
    };
    thread::scope(|scope| {
        let other = scope.spawn(|| runner(cpus[1]));
        // The first one gets a thread too, whose pinning ends with it.
        let one = scope.spawn(|| runner(cpus[0]));
        let mut total = Offered::default();
        for runner in [one, other] {
            let offered = runner
                .join()
                .map_err(|_| anyhow!("a racing thread panicked"))??;
            total.accepted += offered.accepted;
            total.refused += offered.refused;
        }
        Ok(total)
    })
}
