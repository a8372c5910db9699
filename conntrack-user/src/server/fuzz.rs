//! What fuzzing gives to the HTTP server: the bytes of a client.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
    runtime::Runtime,
    task::yield_now,
};

use super::{
    Besides, Credentials, ServerSettings, credentials::MadeOfFiles as _, listener, routes,
    shared::Shared, tokens::TokenFile,
};
use crate::{
    SystemClock,
    engine::{diagnostics::Diagnostics, event_loop},
    model::record::Record,
};

/// How often the server may go on after the last byte; every answer is written by then.
const TURNS: usize = 64;

/// More than an answer has.
const ANSWER: usize = 4 << 20;

/// A server that asks for nothing, with some records.
struct FuzzedServer {
    runtime: Runtime,
    shared: Arc<Shared>,
}

impl FuzzedServer {
    fn new() -> Self {
        let settings = ServerSettings {
            listen: ([127, 0, 0, 1], 0).into(),
            longest_tick: Duration::MAX,
            tls: None,
            token_file: None,
        };
        let clock = Arc::new(SystemClock);
        let shared = Shared::new(settings, Credentials::default(), clock, Diagnostics::new());
        let record: Record = serde_json::from_str(SAMPLE).expect("a record");
        shared.publish(&[record], Besides::default());
        Self {
            runtime: event_loop::start().expect("an event loop"),
            shared: Arc::new(shared),
        }
    }
}

const SAMPLE: &str = r#"{"type":"sample","time":"2026-11-27T12:00:00Z","interval_s":1.0,"instance":"a","entries":1,"max":100,
"utilization":1.0,"charts":{},"sources":{},"counters":{},"peaks":{},"alerts":{},"verdict":null}"#;

thread_local! {
    static SERVER: FuzzedServer = FuzzedServer::new();
}

/// What a client sends, in pieces that end at a byte which no request has.
pub fn request(data: &[u8]) {
    tokens(data);
    SERVER.with(|server| {
        let answer = server.runtime.block_on(answers(&server.shared, data));
        let start = b"HTTP/1.";
        assert!(
            answer.is_empty() || answer.starts_with(start),
            "{:?}",
            answer.first()
        );
        assert_eq!(
            server.shared.connections.count().0,
            0,
            "connections stay open"
        );
    });
}

/// Sends the bytes, and returns what was answered until the client hangs up.
async fn answers(shared: &Arc<Shared>, data: &[u8]) -> Vec<u8> {
    let (mut client, server) = duplex(1 << 16);
    let admitted = shared.connections.admit();
    let router = routes::router(Arc::clone(shared));
    let address = ([127, 0, 0, 1], 1).into();
    let mut serving = pin!(listener::requests(
        server,
        address,
        &admitted,
        Arc::clone(shared),
        router,
    ));
    let mut answer = Vec::new();
    let talking = async {
        for piece in data.split(|&byte| byte == 0xff) {
            if client.write_all(piece).await.is_err() {
                break;
            }
            read_what_is_there(&mut client, &mut answer, 1).await;
        }
        let _ = client.shutdown().await;
        read_what_is_there(&mut client, &mut answer, TURNS).await;
    };
    tokio::select! {
        biased;
        () = &mut serving => {}
        () = talking => {}
    }
    answer
}

/// Reads without waiting for what may never come.
async fn read_what_is_there(
    client: &mut tokio::io::DuplexStream,
    answer: &mut Vec<u8>,
    turns: usize,
) {
    for _ in 0..turns {
        yield_now().await;
        let mut buffer = [0; 4096];
        tokio::select! {
            biased;
            read = client.read(&mut buffer) => match read {
                Ok(length) if length > 0 => answer.extend_from_slice(&buffer[..length]),
                _ => return,
            },
            () = std::future::ready(()) => {}
        }
        assert!(answer.len() < ANSWER, "an answer goes on");
    }
}

/// A file of tokens, and what is shown for it.
fn tokens(data: &[u8]) {
    let file = TokenFile("fuzzed".into());
    let _ = file.make(&[data.to_vec()]).map(|_| ());
}
