//! TCP connections.

use std::{
    io::Read,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream},
};

use anyhow::{Context, Result, bail};
use rustix::{
    fd::OwnedFd,
    net::{
        AddressFamily, SocketType, bind, connect, ipproto, socket, sockopt::set_socket_reuseaddr,
    },
};

use crate::kernel::settle;

/// Established connections. They are assured: a full table does not evict them.
pub struct Connections {
    _listener: TcpListener,
    _ends: Vec<(TcpStream, TcpStream)>,
}

impl Connections {
    /// Establishes `count` connections; each is one flow.
    pub fn establish(count: usize) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listen")?;
        let to = listener.local_addr()?;
        let pair = |_| {
            let near = TcpStream::connect(to).context("connect")?;
            let (far, _) = listener.accept().context("accept")?;
            Ok((near, far))
        };
        let ends = (0..count).map(pair).collect::<Result<_>>()?;
        Ok(Self {
            _listener: listener,
            _ends: ends,
        })
    }
}

/// Connects `times` times from the same port to the same listener, closing each connection before the next. Every attempt after
/// the first finds the previous flow in TIME_WAIT, and conntrack replaces it by a new one.
pub fn reopen(times: u32) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listen")?;
    let SocketAddr::V4(to) = listener.local_addr()? else {
        bail!("an IPv4 listener without an IPv4 address");
    };
    let reserved = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
    let from = reserved.local_addr()?.port();
    drop(reserved);
    for _ in 0..times {
        let mut near = TcpStream::from(connect_from(from, to)?);
        let (far, _) = listener.accept().context("accept")?;
        // The listener's side closes first, so that TIME_WAIT does not occupy the other's port.
        drop(far);
        near.read_to_end(&mut Vec::new())?;
        drop(near);
        // The flow is in TIME_WAIT once the other side has acknowledged the end.
        settle()?;
    }
    Ok(())
}

/// Connects from a port that may have been used before.
pub fn connect_from(port: u16, to: SocketAddrV4) -> Result<OwnedFd> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, Some(ipproto::TCP))?;
    set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
        .with_context(|| format!("bind port {port}"))?;
    connect(&socket, &to).with_context(|| format!("connect from port {port} to {to}"))?;
    Ok(socket)
}
