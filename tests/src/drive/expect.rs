//! Expectations, created by protocol helpers and over ctnetlink.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket},
};

use anyhow::{Context, Result};

use super::{
    ctnetlink::{Answer, Ctnetlink, Flow, Tuple},
    packet::{Addresses, Packet, RawSockets, flag, protocol},
    tcp::connect_from,
};
use crate::kernel::{nft, run};

/// Assigns the helpers of FTP and SIP to their ports.
pub fn helpers() -> Result<()> {
    run(&["modprobe", "-a", "nf_conntrack_ftp", "nf_conntrack_sip"])?;
    nft("add ct helper inet t ftp { type \"ftp\" protocol tcp; }
        add ct helper inet t sip { type \"sip\" protocol udp; }
        add rule inet t o tcp dport 21 ct helper set \"ftp\"
        add rule inet t o udp dport 5060 ct helper set \"sip\"")
}

/// Simulates active FTP: the client sends the port on which it expects the server, the helper creates an expectation, the server
/// connects. For each of the `transfers` an expectation is created at both crossings of loopback, where the second replaces the
/// first, and fulfilled.
pub fn ftp(transfers: u32) -> Result<()> {
    let control = TcpListener::bind("127.0.0.1:21").context("listen on the FTP port")?;
    let mut client = TcpStream::connect("127.0.0.1:21")?;
    let (mut server, _) = control.accept()?;
    // The helper only parses a line after it has seen the end of the previous one.
    let mut say = |line: String| {
        client.write_all(line.as_bytes())?;
        server.read_exact(&mut vec![0; line.len()])
    };
    say("USER ctpulse\r\n".to_owned())?;
    for _ in 0..transfers {
        let data = TcpListener::bind("127.0.0.1:0")?;
        let port = data.local_addr()?.port();
        say(format!("PORT 127,0,0,1,{},{}\r\n", port >> 8, port & 0xff))?;
        // As FTP servers do for active transfers.
        drop(connect_from(
            20,
            SocketAddrV4::new(Ipv4Addr::LOCALHOST, port),
        )?);
        data.accept()?;
    }
    Ok(())
}

/// Rewrites the sources of SIP calls, with NAT's helper for SIP.
pub fn sip_nat() -> Result<()> {
    run(&["modprobe", "nf_nat_sip"])?;
    nft(
        "add chain inet t nat { type nat hook postrouting priority 100; }
        add rule inet t nat udp dport 5060 snat ip to 127.0.0.9",
    )
}

/// Sends INVITEs of `calls` different calls, each with one media stream. At both crossings of loopback the helper deletes the
/// call's previous expectations, and creates one for the stream and one for its control.
pub fn sip(calls: u16) -> Result<()> {
    let _callee = UdpSocket::bind("127.0.0.2:5060").context("listen on the SIP port")?;
    for call in 0..calls {
        let caller = UdpSocket::bind("127.0.0.1:0").context("bind")?;
        let port = caller.local_addr()?.port();
        let session = format!(
            "v=0\r\no=ctpulse {call} 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
            m=audio {} RTP/AVP 0\r\n",
            30_000 + 2 * call
        );
        let invitation = format!(
            "INVITE sip:callee@127.0.0.2 SIP/2.0\r\n\
            Via: SIP/2.0/UDP 127.0.0.1:{port}\r\n\
            From: <sip:caller@127.0.0.1:{port}>;tag=1\r\n\
            To: <sip:callee@127.0.0.2>\r\n\
            Contact: <sip:caller@127.0.0.1:{port}>\r\n\
            Call-ID: {call}@127.0.0.1\r\n\
            CSeq: 1 INVITE\r\n\
            Content-Type: application/sdp\r\n\
            Content-Length: {}\r\n\r\n{session}",
            session.len()
        );
        caller
            .send_to(invitation.as_bytes(), "127.0.0.2:5060")
            .context("send an invitation")?;
    }
    Ok(())
}

/// A flow with expectations created over ctnetlink, as by a helper in user space.
pub struct Master {
    ctnetlink: Ctnetlink,
    tuple: Tuple,
}

impl Master {
    /// Creates the flow, with FTP's helper, which allows one expectation at a time.
    pub fn make(port: u16) -> Result<Self> {
        let ctnetlink = Ctnetlink::open()?;
        let tuple = tcp(port, 21);
        let flow = Flow {
            helper: Some("ftp"),
            ..Flow::of(tuple)
        };
        ctnetlink.insert(&flow)?.context("make the master")?;
        Ok(Self { ctnetlink, tuple })
    }

    /// Expects a flow to a port; this deletes the previous expectation.
    pub fn expect(&self, port: u16) -> Result<()> {
        self.ask(port)?.context("make an expectation")
    }

    /// The same, and what the kernel answers.
    pub fn ask(&self, port: u16) -> Result<Answer> {
        self.ctnetlink.expect(&self.tuple, &tcp(0, port))
    }

    /// Makes the expectation expire. Some kernels only notice when they come across it.
    pub fn expire(&self, port: u16) -> Result<()> {
        self.ctnetlink
            .expire(&self.tuple, &tcp(0, port))?
            .context("make an expectation expire")
    }

    /// Sends the expected packet.
    pub fn send_expected(&self, port: u16, sockets: &RawSockets) -> Result<()> {
        let (from, to) = (tcp(0, port).from.0, tcp(0, port).to.0);
        sockets
            .send(&Packet::tcp(
                Addresses::V4(from, to),
                (10_002, port),
                flag::SYN,
            ))
            .map(drop)
            .context("send what is expected")
    }

    /// Deletes the expectation.
    pub fn delete(&self, port: u16) -> Result<()> {
        self.ctnetlink
            .unexpect(&tcp(0, port))?
            .context("delete an expectation")
    }

    /// Deletes all expectations of all flows.
    pub fn delete_all(&self) -> Result<()> {
        self.ctnetlink
            .unexpect_all()?
            .context("delete all expectations")
    }
}

/// Between two addresses that no other driver uses.
fn tcp(from: u16, to: u16) -> Tuple {
    Tuple {
        protocol: protocol::TCP,
        from: (Ipv4Addr::new(127, 9, 0, 1), from),
        to: (Ipv4Addr::new(127, 9, 0, 2), to),
    }
}
