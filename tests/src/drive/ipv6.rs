//! UDP flows over IPv6.

use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};

use anyhow::{Context, Result};

use crate::{kernel::run, traffic::Offered};

/// Addresses that are local after [`accept`].
const NETWORK: &str = "fd00:c7::/64";

/// Makes all addresses of a network local: loopback has only one.
pub fn accept() -> Result<()> {
    run(&[
        "ip", "-6", "route", "replace", "local", NETWORK, "dev", "lo",
    ])
    .map(drop)
}

/// Sends a packet to each of `flows` addresses, each creating a flow. A socket receives them without being read, so that there
/// are no ICMPv6 errors.
pub fn udp(flows: u32) -> Result<Offered> {
    let bind = || UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).context("bind");
    let (socket, sink) = (bind()?, bind()?);
    let port = sink.local_addr()?.port();
    let mut offered = Offered::default();
    for flow in 0..flows {
        let [high, low] = [(flow >> 16) as u16, flow as u16];
        let address = Ipv6Addr::new(0xfd00, 0xc7, 0, 0, 1, 0, high, low);
        let to = SocketAddrV6::new(address, port, 0, 0);
        offered
            .count(socket.send_to(b"ctpulse", to))
            .with_context(|| format!("send to {to}"))?;
    }
    Ok(offered)
}
