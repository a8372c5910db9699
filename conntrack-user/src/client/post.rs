//! Requests with a body, over a connection that is kept.

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1::{self, SendRequest},
    header::{AUTHORIZATION, HOST, HeaderValue, RETRY_AFTER, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
};

use super::{
    address::HttpAddress,
    connect::{connect, in_time},
    error::ClientError,
    tls::Authorities,
};

/// The most bytes of the header of an answer.
const HEADER: usize = 32 << 10;

/// The most bytes of an answer's body that are read. A connection with more is not used again.
const BODY: usize = 64 << 10;

/// The most characters of it that are kept.
pub(super) const TEXT: usize = 300;

/// Sends requests to one server.
pub struct HttpSender {
    address: HttpAddress,
    authorities: Option<Authorities>,
    authorization: Option<HeaderValue>,
    headers: &'static [(&'static str, &'static str)],
    open: Option<OpenConnection>,
}

struct OpenConnection {
    sender: SendRequest<Full<Bytes>>,
    /// What moves the bytes. It ends with this.
    _driver: JoinSet<Result<(), hyper::Error>>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct PostAnswer {
    pub status: u16,
    /// How long the server wants to be left alone.
    pub retry_after: Option<Duration>,
    /// The start of what it says.
    pub text: String,
}

impl HttpSender {
    /// Sends with these headers. `authorities` are for an address that is encrypted.
    #[must_use]
    pub fn new(
        address: HttpAddress,
        authorities: Option<Authorities>,
        authorization: Option<HeaderValue>,
        headers: &'static [(&'static str, &'static str)],
    ) -> Self {
        Self {
            address,
            authorities,
            authorization,
            headers,
            open: None,
        }
    }

    /// Sends a body, and waits for the answer.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub async fn post(&mut self, body: &Bytes) -> Result<PostAnswer, ClientError> {
        let kept = self.open.take_if(|open| !open.sender.is_closed());
        self.open = None;
        if let Some(kept) = kept
            && let Ok(answer) = self.post_over(kept, body).await
        {
            return Ok(answer);
        }
        // A connection that was kept may have been closed by the server at any time.
        let stream = connect(&self.address, self.authorities.as_ref()).await?;
        self.post_first(stream, body).await
    }

    /// Sends the first body over a connection.
    pub(super) async fn post_first(
        &mut self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        body: &Bytes,
    ) -> Result<PostAnswer, ClientError> {
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(HEADER)
            .handshake(TokioIo::new(stream))
            .await?;
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let open = OpenConnection {
            sender,
            _driver: driver,
        };
        self.post_over(open, body).await
    }

    async fn post_over(
        &mut self,
        mut open: OpenConnection,
        body: &Bytes,
    ) -> Result<PostAnswer, ClientError> {
        let request = self.request(body)?;
        let exchange = async {
            open.sender.ready().await?;
            let answer = open.sender.send_request(request).await?;
            let status = answer.status();
            let retry_after = answer.headers().get(RETRY_AFTER).and_then(seconds);
            let (text, is_whole) = read(answer.into_body()).await?;
            Ok::<_, hyper::Error>((status, retry_after, text, is_whole))
        };
        let (status, retry_after, text, is_whole) = in_time("the answer", exchange).await??;
        if is_whole && status != StatusCode::REQUEST_TIMEOUT {
            self.open = Some(open);
        }
        Ok(PostAnswer {
            status: status.as_u16(),
            retry_after,
            text,
        })
    }

    fn request(&self, body: &Bytes) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request = Request::post(&self.address.path)
            .header(HOST, &self.address.authority)
            .header(USER_AGENT, concat!("ctpulse/", env!("CARGO_PKG_VERSION")));
        for (name, value) in self.headers {
            request = request.header(*name, *value);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        Ok(request.body(Full::new(body.clone()))?)
    }
}

/// The start of a body, and whether all of it was read.
async fn read(mut body: Incoming) -> Result<(String, bool), hyper::Error> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        bytes.extend(frame?.into_data().unwrap_or_default());
        if bytes.len() > BODY {
            return Ok((start_of(&bytes), false));
        }
    }
    Ok((start_of(&bytes), true))
}

fn start_of(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim().chars().take(TEXT).collect()
}

/// A length of time in seconds. A date, which the header may also have, is left to our own patience.
fn seconds(value: &HeaderValue) -> Option<Duration> {
    value
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
        .map(Duration::from_secs)
}
