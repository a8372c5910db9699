//! Traffic that goes on at a steady rate while it is observed.

use std::{
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};

use crate::{
    drive::{
        faulty,
        packet::{Addresses, Packet, RawSockets, flag},
        race,
    },
    traffic::{Offered, UdpFlows},
};

/// Traffic that goes on until this is dropped.
pub(super) struct Load {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Load {
    /// Does `work` as often as `per_s` says. It catches up after a delay, so that the average holds.
    fn start(per_s: f64, mut work: impl FnMut() -> Result<()> + Send + 'static) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ends);
        let thread = thread::spawn(move || {
            let start = Instant::now();
            let mut done = 0.0;
            while !end.load(Ordering::Relaxed) {
                while done < start.elapsed().as_secs_f64() * per_s {
                    work()?;
                    done += 1.0;
                }
                thread::sleep(Duration::from_millis(5));
            }
            Ok(())
        });
        Self {
            ends,
            thread: Some(thread),
        }
    }

    pub(super) fn stop(mut self) -> Result<()> {
        self.ends.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("it runs")?;
        thread.join().map_err(|_| anyhow!("the load panicked"))?
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
    }
}

/// UDP flows of one packet each. Those that a full table refuses are lost.
pub(super) fn udp(per_s: f64) -> Result<Load> {
    let mut flows = UdpFlows::new()?;
    Ok(Load::start(per_s, move || flows.offer(1).map(drop)))
}

/// TCP connections that are closed at once, and go to TIME_WAIT.
pub(super) fn tcp(per_s: f64) -> Result<Load> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    Ok(Load::start(per_s, move || {
        let client = TcpStream::connect(address)?;
        let (server, _) = listener.accept()?;
        drop(client);
        drop(server);
        Ok(())
    }))
}

/// First packets of TCP connections from many addresses, to a port that does not answer.
pub(super) fn syn_flood(per_s: f64) -> Result<Load> {
    /// Where nothing answers, not even with a reset ([`faulty::silence`]).
    const SILENT: u16 = 9;

    faulty::silence()?;
    let sockets = RawSockets::open()?;
    let mut from = 0x7f0a_0000;
    Ok(Load::start(per_s, move || {
        from += 1;
        let to = Addresses::V4(Ipv4Addr::from(from), Ipv4Addr::LOCALHOST);
        let syn = Packet::tcp(to, (40_000, SILENT), flag::SYN);
        // A full table refuses what it can evict nothing for.
        Ok(Offered::default().count(sockets.send(&syn))?)
    }))
}

/// Two packets of each flow at the same time, as a resolver sends its questions for A and AAAA.
pub(super) fn twins(per_s: f64) -> Result<Load> {
    /// Flows of a race: threads are started for each.
    const FLOWS: u32 = 10;

    Ok(Load::start(per_s / f64::from(FLOWS), || {
        // From another port each time.
        race::udp([127, 8], FLOWS).map(drop)
    }))
}

/// UDP flows whose sources are translated to [`nat::PORTS`] ports for each destination.
pub(super) fn few_ports(per_s: f64) -> Result<Load> {
    const SOURCES: u32 = 64;
    const DESTINATIONS: u32 = 256;

    let bind = |address| UdpSocket::bind((address, 0)).context("bind");
    let sink = bind(Ipv4Addr::UNSPECIFIED)?;
    let port = sink.local_addr()?.port();
    let senders: Vec<UdpSocket> = (0..SOURCES)
        .map(|_| bind(Ipv4Addr::LOCALHOST))
        .collect::<Result<_>>()?;
    let mut flow = 0;
    Ok(Load::start(per_s, move || {
        let _open = &sink;
        let to = Ipv4Addr::from(0x7f03_0000 + flow % DESTINATIONS);
        let from = senders
            .get((flow / DESTINATIONS % SOURCES) as usize)
            .context("a sender")?;
        flow += 1;
        Ok(Offered::default().count(from.send_to(b"ctpulse", SocketAddrV4::new(to, port)))?)
    }))
}

/// UDP flows to a service of this host.
pub(super) fn service(port: u16, per_s: f64) -> Result<Load> {
    let sink = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).context("bind the service")?;
    let sender = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context("bind")?;
    let mut to = 0x7f40_0000;
    Ok(Load::start(per_s, move || {
        let _open = &sink;
        to += 1;
        let to = SocketAddrV4::new(Ipv4Addr::from(to), port);
        Ok(Offered::default().count(sender.send_to(b"ctpulse", to))?)
    }))
}
