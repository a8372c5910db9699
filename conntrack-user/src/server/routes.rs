//! What is answered to which request.

use std::sync::Arc;

use axum::{
    Extension, Router,
    body::{Body, Bytes},
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header},
    routing::get,
};

use super::{
    broadcast::StreamForm,
    connections::Client,
    limits, readers,
    shared::{Health, Shared},
    tokens::Credential,
};
use crate::output::{live_page::live_page, metrics::format_for};

/// What is here, for people.
const INDEX: &str = include_str!("index.html");

const PLAIN: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const LINES: &str = "application/x-ndjson";
const EVENTS: &str = "text/event-stream";

/// Where anybody may ask whether it is alive.
const HEALTH: &str = "/healthz";

/// The most names of instances in an answer.
const NAMES: usize = 10;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let page = live_page();
    let live = Arc::new((Bytes::from(page.html), page.policy));
    Router::new()
        .route("/live", get(async move || self::live(&live)))
        .route("/events", get(events))
        .route("/", get(index))
        .route("/metrics", get(metrics))
        .route(HEALTH, get(healthz))
        .route("/readyz", get(readyz))
        .route("/stream", get(stream))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .with_state(shared)
}

/// An answer that nothing keeps.
fn answer(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        let headers = response.headers_mut();
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn text(status: StatusCode, text: impl Into<String>) -> Response<Body> {
    answer(status, PLAIN, text.into() + "\n")
}

/// The answer to a request with a body; the connection is closed, as the body is not read.
pub(super) fn no_body_expected() -> Response<Body> {
    let mut response = text(
        StatusCode::PAYLOAD_TOO_LARGE,
        "a request with a body is not expected here",
    );
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// What a request gets that has no token where one is expected. Whether ctpulse is alive, anybody may know.
pub(super) fn refusal<B>(request: &Request<B>, shared: &Shared) -> Option<Response<Body>> {
    let tokens = shared.credentials.tokens.as_ref()?.current();
    if request.uri().path() == HEALTH {
        return None;
    }
    let error = match tokens.check(request.headers()) {
        Credential::Valid => return None,
        Credential::Missing => "",
        Credential::Invalid => ", error=\"invalid_token\"",
    };
    let mut response = text(
        StatusCode::UNAUTHORIZED,
        "a token of --token-file is expected: `Authorization: Bearer TOKEN`, or as the password, with any name",
    );
    for challenge in [
        format!("Bearer realm=\"ctpulse\"{error}"),
        "Basic realm=\"ctpulse: a token as the password\", charset=\"UTF-8\"".to_owned(),
    ] {
        if let Ok(challenge) = HeaderValue::try_from(challenge) {
            let headers = response.headers_mut();
            headers.append(header::WWW_AUTHENTICATE, challenge);
        }
    }
    Some(response)
}

async fn not_found() -> Response<Body> {
    text(
        StatusCode::NOT_FOUND,
        "there is no such page; / says what there is",
    )
}

async fn not_allowed() -> Response<Body> {
    text(
        StatusCode::METHOD_NOT_ALLOWED,
        "only GET and HEAD are answered",
    )
}

async fn index() -> Response<Body> {
    let mut response = answer(StatusCode::OK, HTML, INDEX);
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"),
    );
    response
}

fn live((html, policy): &(Bytes, String)) -> Response<Body> {
    let mut response = answer(StatusCode::OK, HTML, html.clone());
    if let Ok(policy) = HeaderValue::try_from(policy) {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

async fn metrics(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response<Body> {
    // Several headers of that name mean the same as one with all values.
    let accept: Vec<&str> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    let format = format_for(Some(&accept.join(",")));
    match shared.metrics(format) {
        Ok(body) => answer(StatusCode::OK, format.content_type(), body),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

async fn healthz(State(shared): State<Arc<Shared>>) -> Response<Body> {
    match shared.health() {
        Health::Alive => text(StatusCode::OK, "alive"),
        Health::Stuck(since) => text(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("the counters were not read for {} s", since.as_secs()),
        ),
    }
}

async fn readyz(State(shared): State<Arc<Shared>>) -> Response<Body> {
    let unready = |why| text(StatusCode::SERVICE_UNAVAILABLE, why);
    match shared.awaited().as_deref() {
        None => unready("the run has not started yet".to_owned()),
        Some([]) => text(StatusCode::OK, "ready"),
        Some(names) => {
            let shown = names.len().min(NAMES);
            let more = match names.len() - shown {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let names = names[..shown].join(", ");
            unready(format!("there is no sample yet of {names}{more}"))
        }
    }
}

async fn stream(
    State(shared): State<Arc<Shared>>,
    Extension(client): Extension<Client>,
    RawQuery(query): RawQuery,
    method: Method,
) -> Response<Body> {
    let with_buckets = query.is_some_and(|query| {
        query
            .split('&')
            .any(|part| part == "buckets" || part.starts_with("buckets="))
    });
    let form = match with_buckets {
        true => StreamForm::WithBuckets,
        false => StreamForm::Plain,
    };
    send(shared, client, form, LINES, method).await
}

async fn events(
    State(shared): State<Arc<Shared>>,
    Extension(client): Extension<Client>,
    method: Method,
) -> Response<Body> {
    send(shared, client, StreamForm::Events, EVENTS, method).await
}

async fn send(
    shared: Arc<Shared>,
    client: Client,
    form: StreamForm,
    kind: &'static str,
    method: Method,
) -> Response<Body> {
    if method == Method::HEAD {
        return answer(StatusCode::OK, kind, Body::empty());
    }
    client.connection.becomes_stream();
    match readers::start(shared, form, client).await {
        Some(body) => answer(StatusCode::OK, kind, Body::new(body)),
        None => {
            let mut response = text(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("there are {} readers already", limits::STREAM_CLIENTS),
            );
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            response
        }
    }
}
