//! Connecting to a server.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::oneshot,
    time::timeout,
};

use super::{address::HttpAddress, error::ClientError, tls::Authorities};
use crate::engine::worker;

/// How long finding an address, connecting and the answer may each take.
const WAIT: Duration = Duration::from_secs(10);

/// How long the connection to one of several addresses may take.
const WAIT_FOR_ONE: Duration = Duration::from_secs(3);

/// A connection, encrypted or not.
pub trait Connected: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Connected for T {}

/// Connects to a server. `authorities` are for an address that is encrypted.
///
/// # Errors
///
/// When it cannot be reached, or is not who it should be.
pub async fn connect(
    address: &HttpAddress,
    authorities: Option<&Authorities>,
) -> Result<Box<dyn Connected>, ClientError> {
    let found = in_time(
        "finding its address",
        addresses(address.host.clone(), address.port),
    );
    let addresses = io("finding its address", found.await?)?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let any = async {
        for address in addresses {
            match timeout(WAIT_FOR_ONE, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(last)
    };
    let stream = io("connecting", in_time("connecting", any).await?)?;
    Ok(match authorities {
        Some(tls) => Box::new(in_time("TLS", tls.connect(&address.host, stream)).await??),
        None => Box::new(stream),
    })
}

/// Work with the patience that each step of a request gets.
///
/// # Errors
///
/// When it takes longer.
pub async fn in_time<T>(
    what: &'static str,
    work: impl Future<Output = T>,
) -> Result<T, ClientError> {
    timeout(WAIT, work).await.map_err(|_| ClientError::Timeout {
        what,
        seconds: WAIT.as_secs(),
    })
}

fn io<T>(what: &'static str, result: io::Result<T>) -> Result<T, ClientError> {
    result.map_err(|source| ClientError::Io { what, source })
}

/// The addresses of a host. A thread of its own asks for them: whoever does not answer must not hold up the end of the program.
async fn addresses(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    let (sender, receiver) = oneshot::channel();
    worker::start("addresses", "finds addresses of hosts", move || {
        let found = (host.as_str(), port).to_socket_addrs();
        // Nobody may wait for it any more.
        let _ = sender.send(found.map(Iterator::collect));
    })
    .map_err(io::Error::other)?;
    receiver
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}
