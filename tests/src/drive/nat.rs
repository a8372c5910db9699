//! Source NAT to few ports, so that flows compete for ports.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

use anyhow::{Context, Result};

use crate::{kernel::nft, traffic::Offered};

/// The ports for flows.
pub const PORTS: u16 = 16;

/// Rewrites the sources of UDP flows to 127.3.x.x to [`PORTS`] ports of one address, and those to 127.4.x.x to any port, chosen
/// at random for every flow.
pub fn rules() -> Result<()> {
    nft(&format!(
        "add chain inet t nat {{ type nat hook postrouting priority 100; }}
        add rule inet t nat ip daddr 127.3.0.0/16 meta l4proto udp snat ip to 127.0.0.1:7001-{}
        add rule inet t nat ip daddr 127.4.0.0/16 meta l4proto udp snat ip to 127.0.0.1:20000-60000 random",
        7_000 + PORTS
    ))
}

/// Sends a packet from each of `sources` ports to each of `destinations` addresses that share [`PORTS`]: that many flows get a
/// port, the others find all of them taken.
pub fn crowd(sources: u16, destinations: u8) -> Result<Offered> {
    let sink = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context("bind")?;
    let port = sink.local_addr()?.port();
    let mut offered = Offered::default();
    // All stay open: a port that is given back may be given again, and its flows would be those there are already.
    let sockets: Vec<UdpSocket> = (0..sources)
        .map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("bind"))
        .collect::<Result<_>>()?;
    for socket in &sockets {
        for destination in 0..destinations {
            let to = SocketAddrV4::new(Ipv4Addr::new(127, 3, 0, destination), port);
            offered
                .count(socket.send_to(b"ctpulse", to))
                .with_context(|| format!("send to {to}"))?;
        }
    }
    Ok(offered)
}
