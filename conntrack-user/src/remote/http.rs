//! JSON lines from `http(s)://host:port/stream`.

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
    task::JoinSet,
    time::timeout,
};

use crate::{
    client::{Authorities, ClientError, HttpAddress, connect, in_time},
    clock::Clock,
    remote::{HttpSettings, error::ConnectionError, feed::LineFeed},
};

/// The most bytes of the header of an answer.
const HEADER: usize = 32 << 10;

/// A server.
pub(super) struct HttpSource {
    pub(super) address: HttpAddress,
    pub(super) settings: HttpSettings,
    /// For an encrypted connection.
    pub(super) tls: Option<Authorities>,
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
        let stream = connect(&self.address, self.tls.as_ref()).await?;
        self.read_from(stream, lines).await
    }

    async fn read_from<C: Clock>(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        lines: &mut LineFeed<'_, C>,
    ) -> Result<(), ConnectionError> {
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEADER)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(ClientError::from)?;
        // It ends with this function.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let answer = in_time("the answer", sender.send_request(self.request()?)).await?;
        let answer = answer.map_err(ClientError::from)?;
        check(&answer)?;
        let mut body = answer.into_body();
        loop {
            let patience = lines.feed.patience.get();
            let Ok(frame) = timeout(patience, body.frame()).await else {
                return Err(ConnectionError::Silent(patience.as_secs()));
            };
            match frame.transpose().map_err(ClientError::from)? {
                None => return Ok(()),
                Some(frame) => {
                    if let Some(piece) = frame.data_ref() {
                        lines.push(piece).await;
                    }
                }
            }
        }
    }

    fn request(&self) -> Result<Request<Empty<Bytes>>, ClientError> {
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
