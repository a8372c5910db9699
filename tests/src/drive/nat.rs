//! Source NAT to few ports, so that flows compete for ports.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use anyhow::{Context, Result, ensure};

use super::packet::{Addresses, Packet, RawSockets, flag};
use crate::{
    kernel::{nft, run, run_in},
    traffic::Offered,
};

/// The ports for flows.
pub const PORTS: u16 = 16;

/// The first of them.
pub const FIRST: u16 = 7_001;

/// Rewrites the sources of UDP flows to 127.3.x.x to [`PORTS`] ports of one address, and those to 127.4.x.x to any port, chosen
/// at random for every flow; of TCP flows to 127.5.x.x and of UDP flows to fd00:c7:: to [`PORTS`] ports as well. TCP packets to
/// 127.5.x.x are dropped before anything answers.
pub fn rules() -> Result<()> {
    let ports = format!("{FIRST}-{}", FIRST + PORTS - 1);
    nft(&format!(
        "add chain inet t nat {{ type nat hook postrouting priority 100; }}
        add rule inet t nat ip daddr 127.3.0.0/16 meta l4proto udp snat ip to 127.0.0.1:{ports}
        add rule inet t nat ip daddr 127.4.0.0/16 meta l4proto udp snat ip to 127.0.0.1:20000-60000 random
        add rule inet t nat ip daddr 127.5.0.0/16 meta l4proto tcp snat ip to 127.0.0.1:{ports}
        add rule inet t nat ip6 daddr fd00:c7::/64 meta l4proto udp snat ip6 to [::1]:{ports}
        add chain inet t i {{ type filter hook input priority 0; }}
        add rule inet t i ip daddr 127.5.0.0/16 drop"
    ))
}

/// Sends a packet from each of `sources` ports to each of `destinations` addresses that share [`PORTS`]: that many flows get a
/// port, the others find all of them taken.
pub fn crowd(sources: u16, destinations: u8) -> Result<Offered> {
    let to = |n| Ipv4Addr::new(127, 3, 0, n).into();
    crowd_to((0..destinations).map(to), sources)
}

/// The same over IPv6.
pub fn crowd_ipv6(sources: u16, destinations: u8) -> Result<Offered> {
    let to = |n| Ipv6Addr::new(0xfd00, 0xc7, 0, 0, 0, 0, 3, n).into();
    crowd_to((0..u16::from(destinations)).map(to), sources)
}

fn crowd_to(to: impl Iterator<Item = IpAddr>, sources: u16) -> Result<Offered> {
    let to: Vec<IpAddr> = to.collect();
    let here: IpAddr = match to.first().context("no destination")? {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let sink = match here {
        IpAddr::V4(_) => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)),
        IpAddr::V6(_) => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let sink = sink.context("bind")?;
    let port = sink.local_addr()?.port();
    let mut offered = Offered::default();
    // All stay open: a port that is given back may be given again, and its flows would be those there are already.
    let bind = |_| UdpSocket::bind((here, 0)).context("bind");
    let sockets: Vec<UdpSocket> = (0..sources).map(bind).collect::<Result<_>>()?;
    for socket in &sockets {
        for to in &to {
            let to = SocketAddr::new(*to, port);
            offered
                .count(socket.send_to(b"ctpulse", to))
                .with_context(|| format!("send to {to}"))?;
        }
    }
    Ok(offered)
}

/// A destination for which no port is left.
pub struct Crowded {
    /// The senders that have the ports, and the receiver.
    _sockets: Vec<UdpSocket>,
    to: SocketAddr,
}

impl Crowded {
    /// Takes all [`PORTS`].
    pub fn new() -> Result<Self> {
        let bind = |_| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context("bind");
        let sockets: Vec<UdpSocket> = (0..=PORTS).map(bind).collect::<Result<_>>()?;
        let (sink, senders) = sockets.split_first().context("no sockets")?;
        let to = SocketAddr::new(
            Ipv4Addr::new(127, 3, 0, 1).into(),
            sink.local_addr()?.port(),
        );
        for socket in senders {
            socket.send_to(b"ctpulse", to).context("send")?;
        }
        Ok(Self {
            _sockets: sockets,
            to,
        })
    }

    /// Offers that many flows, each of which is refused.
    pub fn refuse(&self, flows: u32) -> Result<()> {
        // A refused flow leaves nothing, so one socket can offer it again.
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context("bind")?;
        let mut offered = Offered::default();
        for _ in 0..flows {
            offered.count(socket.send_to(b"ctpulse", self.to))?;
        }
        ensure!(offered.refused == u64::from(flows), "{offered:?}");
        Ok(())
    }
}

/// The destination port of TCP flows.
const TCP_PORT: u16 = 443;

/// The same by TCP: the first packets of connections, with this sequence number, from ports that start with `first`.
pub fn crowd_tcp(first: u16, sources: u16, destinations: u8, sequence: u32) -> Result<Offered> {
    let raw = RawSockets::open()?;
    let mut offered = Offered::default();
    for source in first..first + sources {
        for destination in 0..destinations {
            offered.count(raw.send(&segment(source, destination, flag::SYN, sequence)))?;
        }
    }
    Ok(offered)
}

/// Resets the connections that [`crowd_tcp`] began: their entries remain, as closed.
pub fn reset_tcp(first: u16, sources: u16, destinations: u8, sequence: u32) -> Result<()> {
    let raw = RawSockets::open()?;
    for source in first..first + sources {
        for destination in 0..destinations {
            let reset = segment(source, destination, flag::RST, sequence + 1);
            // Those of connections that were refused are refused as well.
            let sent: io::Result<usize> = raw.send(&reset);
            Offered::default().count(sent)?;
        }
    }
    Ok(())
}

fn segment(source: u16, destination: u8, flags: u8, sequence: u32) -> Packet {
    let to = Addresses::V4(Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 5, 0, destination));
    Packet::tcp_at(to, (source, TCP_PORT), flags, sequence)
}

/// Sends from one port to two addresses that are one service: NAT changes the destination of both to the same, and then the source
/// port of the second, so that none is refused. Returns what became of the packets.
pub fn same_service(sources: u16) -> Result<Offered> {
    let sink = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("bind")?;
    let port = sink.local_addr()?.port();
    nft(&format!(
        "add chain inet t service {{ type nat hook output priority -100; }}
        add rule inet t service ip daddr 127.6.0.0/16 meta l4proto udp dnat ip to 127.0.0.1:{port}"
    ))?;
    let mut offered = Offered::default();
    let sockets: Vec<UdpSocket> = (0..sources)
        .map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("bind"))
        .collect::<Result<_>>()?;
    for socket in &sockets {
        for address in [1, 2] {
            let to = SocketAddr::new(Ipv4Addr::new(127, 6, 0, address).into(), 53);
            offered.count(socket.send_to(b"ctpulse", to))?;
        }
    }
    Ok(offered)
}

/// Sends a packet to each of `flows` addresses, from 127.7.0.0 on, which are all one service: NAT changes their destination to
/// [`SERVICE`].
pub fn one_service(flows: u32) -> Result<Offered> {
    let sink = UdpSocket::bind((SERVICE, 0)).context("bind")?;
    let port = sink.local_addr()?.port();
    nft(&format!(
        "add chain inet t service {{ type nat hook output priority -100; }}
        add rule inet t service ip daddr 127.7.0.0/16 meta l4proto udp dnat ip to {SERVICE}:{port}"
    ))?;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("bind")?;
    let mut offered = Offered::default();
    for n in 0..flows {
        let to = SocketAddr::new(Ipv4Addr::from(0x7f07_0000 + n).into(), 53);
        offered.count(socket.send_to(b"ctpulse", to))?;
    }
    Ok(offered)
}

/// The address of [`one_service`].
pub const SERVICE: Ipv4Addr = Ipv4Addr::new(127, 8, 0, 1);

/// This guest as a gateway between a client and a server in namespaces of their own. What it drops, the client does not see: the
/// server does.
pub struct Gateway;

/// The client's namespace.
pub const CLIENT: &str = "client";
/// The address in it.
pub const CLIENT_ADDRESS: &str = "10.77.1.2";
const SERVER: &str = "server";

impl Gateway {
    /// Makes the namespaces, and masquerades UDP flows from the client as [`PORTS`] ports of the gateway's address.
    pub fn new() -> Result<Self> {
        for (netns, network) in [(CLIENT, "10.77.1"), (SERVER, "10.77.2")] {
            run(&["ip", "netns", "add", netns])?;
            let link = format!("to-{netns}");
            let near = [
                "ip", "link", "add", &link, "type", "veth", "peer", "name", "eth0",
            ];
            run(&[&near[..], &["netns", netns]].concat())?;
            run(&[
                "ip",
                "address",
                "add",
                &format!("{network}.1/24"),
                "dev",
                &link,
            ])?;
            run(&["ip", "link", "set", &link, "up"])?;
            let address = format!("{network}.2/24");
            let gateway = format!("{network}.1");
            for command in [
                &["address", "add", &address, "dev", "eth0"][..],
                &["link", "set", "eth0", "up"],
                &["link", "set", "lo", "up"],
                &["route", "add", "default", "via", &gateway],
            ] {
                run(&[&["ip", "-n", netns], command].concat())?;
            }
        }
        run(&["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"])?;
        let ports = format!("{FIRST}-{}", FIRST + PORTS - 1);
        nft(&format!(
            "add chain inet t gateway {{ type nat hook postrouting priority 100; }}
            add rule inet t gateway ip saddr 10.77.1.0/24 meta l4proto udp masquerade to :{ports}"
        ))?;
        Ok(Self)
    }

    /// Sends a packet from each of `flows` ports of the client's to the server. Returns those that arrived as accepted.
    pub fn crowd(&self, flows: u16) -> Result<Offered> {
        let received = "/proc/net/snmp";
        let before = datagrams(&run_in(SERVER, &["cat", received])?)?;
        let sent = run_in(
            CLIENT,
            &[
                "ctgen",
                "--from-ports",
                &flows.to_string(),
                "--to",
                "10.77.2.2:9",
            ],
        )?;
        ensure!(sent.contains("sent"), "{sent}");
        crate::kernel::settle()?;
        let arrived = datagrams(&run_in(SERVER, &["cat", received])?)? - before;
        Ok(Offered {
            accepted: arrived,
            refused: u64::from(flows) - arrived,
        })
    }
}

/// UDP datagrams that arrived, for a socket or for none, by `/proc/net/snmp`.
fn datagrams(snmp: &str) -> Result<u64> {
    let mut rows = snmp.lines().filter(|line| line.starts_with("Udp:"));
    let (names, values) = rows.next().zip(rows.next()).context("no rows of UDP")?;
    let values = names.split_whitespace().zip(values.split_whitespace());
    let wanted = values.filter(|(name, _)| matches!(*name, "InDatagrams" | "NoPorts"));
    let counts = wanted.map(|(_, value)| value.parse::<u64>().context("a count"));
    counts.sum()
}
