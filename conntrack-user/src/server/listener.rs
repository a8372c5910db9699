//! Accepts connections, and serves each until it ends, is too slow, or has to make room.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, HttpBody as _},
    http::{Request, Response},
};
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{
    connections::{Admitted, Client},
    descriptors, limits,
    patient::Patient,
    routes,
    shared::Shared,
    systemd,
};

/// How long to wait when no connection can be accepted, for want of file descriptors for example.
const ACCEPT_AGAIN: Duration = Duration::from_millis(5);

/// Serves until it is told to end.
pub(super) async fn serve(
    listener: std::net::TcpListener,
    shared: Arc<Shared>,
    mut ending: watch::Receiver<bool>,
) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            let message = format_args!("cannot answer requests: {error}");
            return shared.diagnostics.notify(message);
        }
    };
    let router = routes::router(Arc::clone(&shared));
    tokio::spawn(systemd::watchdog(Arc::clone(&shared)));
    if let Some(tls) = shared.credentials.tls.clone() {
        let what = "the certificate or its key";
        tokio::spawn(tls.watch(what, shared.diagnostics.clone()));
    }
    if let Some(tokens) = shared.credentials.tokens.clone() {
        tokio::spawn(tokens.watch("the file of tokens", shared.diagnostics.clone()));
    }
    loop {
        tokio::select! {
            // An error means that the other end is gone, and so is the run.
            _ = ending.wait_for(|end| *end) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    if descriptors::are_scarce(&stream) {
                        shared.connections.make_room();
                        // Until it has: others would be accepted first.
                        sleep(ACCEPT_AGAIN).await;
                    }
                    tokio::spawn(connection(stream, address, Arc::clone(&shared), router.clone()));
                }
                Err(_) => {
                    shared.connections.make_room();
                    sleep(ACCEPT_AGAIN).await;
                }
            },
        }
    }
    drop(listener);
    let drained = async {
        while shared.broadcast.count().0 > 0 {
            sleep(Duration::from_millis(5)).await;
        }
        // What they were sent last is on its way.
        sleep(Duration::from_millis(20)).await;
    };
    tokio::select! {
        () = drained => {}
        () = sleep(limits::LAST_WRITE) => {}
    }
}

async fn connection(stream: TcpStream, address: SocketAddr, shared: Arc<Shared>, router: Router) {
    // Answers are written at once; without it a part of one may wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let admitted = shared.connections.admit();
    let Some(tls) = &shared.credentials.tls else {
        return requests(stream, address, &admitted, shared, router).await;
    };
    let handshake = TlsAcceptor::from(tls.current()).accept(stream);
    let encrypted = tokio::select! {
        // How it failed concerns the client alone.
        shaken = timeout(limits::REQUEST_TIME, handshake) => match shaken {
            Ok(Ok(encrypted)) => encrypted,
            Ok(Err(_)) | Err(_) => return,
        },
        () = admitted.connection.evicted() => return,
    };
    // What a connection takes is most of what the tasks of all take together.
    Box::pin(requests(encrypted, address, &admitted, shared, router)).await;
}

/// Answers the requests of a connection.
pub(super) async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    address: SocketAddr,
    admitted: &Admitted,
    shared: Arc<Shared>,
    router: Router,
) {
    let client = Client {
        connection: Arc::clone(&admitted.connection),
        address,
    };
    let io = Patient::new(stream, Arc::clone(&admitted.connection));
    let service = hyper::service::service_fn(move |request| {
        answer(request, client.clone(), Arc::clone(&shared), router.clone())
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::IDLE_TIME)
        .max_header_size(limits::HEADER_BYTES)
        .max_buf_size(limits::HEADER_BYTES)
        .max_headers(limits::HEADERS)
        .serve_connection(TokioIo::new(io), service);
    tokio::select! {
        // How it ended concerns the client alone.
        _ = served => {}
        () = admitted.connection.evicted() => {}
    }
}

async fn answer(
    mut request: Request<Incoming>,
    client: Client,
    shared: Arc<Shared>,
    router: Router,
) -> Result<Response<Body>, std::convert::Infallible> {
    client.connection.requested();
    if !request.body().is_end_stream() {
        return Ok(routes::no_body_expected());
    }
    if let Some(refusal) = routes::refusal(&request, &shared) {
        return Ok(refusal);
    }
    request.extensions_mut().insert(client);
    TowerToHyperService::new(router).call(request).await
}
