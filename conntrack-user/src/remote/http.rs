//! JSON lines from `http(s)://host:port/stream`.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    time::Duration,
};

use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1,
    header::{ACCEPT, AUTHORIZATION, HOST, HeaderValue, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::oneshot,
    task::JoinSet,
    time::timeout,
};

use crate::{
    clock::Clock,
    engine::worker,
    remote::{
        HttpSettings, address::HttpAddress, error::ConnectionError, feed::LineFeed, tls::Tls,
    },
};

/// How long finding an address, connecting and the answer may each take.
const WAIT: Duration = Duration::from_secs(10);

/// How long the connection to one of several addresses may take.
const WAIT_FOR_ONE: Duration = Duration::from_secs(3);

/// The most bytes of the header of an answer.
const HEADER: usize = 32 << 10;

/// A server.
pub(super) struct HttpSource {
    pub(super) address: HttpAddress,
    pub(super) settings: HttpSettings,
    /// For an encrypted connection.
    pub(super) tls: Option<Tls>,
}

impl HttpSource {
    /// Reads until the connection ends, or the run is to end.
    pub(super) async fn read<C: Clock>(
        &self,
        lines: &mut LineFeed<'_, C>,
    ) -> Result<(), ConnectionError> {
        let feed = lines.feed;
        tokio::select! {
            () = feed.ending() => Ok(()),
            read = self.read_to_end(lines) => read,
        }
    }

    async fn read_to_end<C: Clock>(
        &self,
        lines: &mut LineFeed<'_, C>,
    ) -> Result<(), ConnectionError> {
        let stream = self.connect().await?;
        match &self.tls {
            Some(tls) => {
                let stream = in_time("TLS", tls.connect(&self.address.host, stream)).await??;
                self.read_from(stream, lines).await
            }
            None => self.read_from(stream, lines).await,
        }
    }

    async fn read_from<C: Clock>(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        lines: &mut LineFeed<'_, C>,
    ) -> Result<(), ConnectionError> {
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEADER)
            .handshake(TokioIo::new(stream))
            .await?;
        // It ends with this function.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let answer = in_time("the answer", sender.send_request(self.request()?)).await??;
        check(&answer)?;
        let mut body = answer.into_body();
        loop {
            let patience = lines.feed.patience.get();
            let Ok(frame) = timeout(patience, body.frame()).await else {
                return Err(ConnectionError::Silent(patience.as_secs()));
            };
            match frame.transpose()? {
                None => return Ok(()),
                Some(frame) => {
                    if let Some(piece) = frame.data_ref() {
                        lines.push(piece).await;
                    }
                }
            }
        }
    }

    fn request(&self) -> Result<Request<Empty<Bytes>>, ConnectionError> {
        let mut request = Request::get(self.path())
            .header(HOST, &self.address.authority)
            .header(ACCEPT, "application/x-ndjson, application/json, */*;q=0.1")
            .header(USER_AGENT, concat!("ctpulse/", env!("CARGO_PKG_VERSION")));
        if let Some(token) = &self.settings.token {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.secret()))
                .map_err(hyper::http::Error::from)?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        Ok(request.body(Empty::new())?)
    }

    /// The path, which asks for buckets unless it asks for something.
    fn path(&self) -> String {
        let path = &self.address.path;
        match self.settings.buckets && !path.contains('?') {
            true => format!("{path}?buckets"),
            false => path.clone(),
        }
    }

    async fn connect(&self) -> Result<TcpStream, ConnectionError> {
        let HttpAddress { host, port, .. } = &self.address;
        let found = in_time("finding its address", addresses(host.clone(), *port)).await?;
        let addresses = io("finding its address", found)?;
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
        let connected = in_time("connecting", any).await?;
        io("connecting", connected)
    }
}

/// Whether the answer has records.
fn check(answer: &Response<Incoming>) -> Result<(), ConnectionError> {
    let status = answer.status();
    if status == StatusCode::OK {
        return Ok(());
    }
    let (advice, is_final) = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => (
            ": it asks for another token; CTPULSE_TOKEN or --from-token-file has it",
            true,
        ),
        StatusCode::NOT_FOUND => (": is that the address of `ctpulse serve`, /stream?", true),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => ("", false),
        other => ("", other.is_client_error() || other.is_redirection()),
    };
    Err(ConnectionError::Status {
        status: status.as_u16(),
        advice,
        is_final,
    })
}

async fn in_time<T>(
    what: &'static str,
    work: impl Future<Output = T>,
) -> Result<T, ConnectionError> {
    timeout(WAIT, work)
        .await
        .map_err(|_| ConnectionError::Timeout {
            what,
            seconds: WAIT.as_secs(),
        })
}

fn io<T>(what: &'static str, result: io::Result<T>) -> Result<T, ConnectionError> {
    result.map_err(|source| ConnectionError::Io { what, source })
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
