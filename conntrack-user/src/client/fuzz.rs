//! What fuzzing gives to the client of remote write: the bytes of a receiver.

use hyper::body::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
    runtime::Runtime,
};

use super::post::{HttpSender, TEXT};
use crate::engine::event_loop;

thread_local! {
    static RUNTIME: Runtime = event_loop::start().expect("an event loop");
}

/// What a receiver answers, and then hangs up.
pub fn answer(data: &[u8]) {
    let address = "http://fuzzed:1/api/v1/write".parse().expect("an address");
    let mut sender = HttpSender::new(address, None, None, &[]);
    let (mut receiver, stream) = duplex(1 << 16);
    let body = Bytes::from_static(b"samples");
    let receiving = async {
        // All of the request has come when it is answered.
        let mut request = [0; 512];
        let _ = receiver.read(&mut request).await;
        let _ = receiver.write_all(data).await;
        drop(receiver);
    };
    let (answer, ()) = RUNTIME.with(|runtime| {
        runtime.block_on(async { tokio::join!(sender.post_first(stream, &body), receiving) })
    });
    match answer {
        Ok(answer) => {
            assert!((100..1000).contains(&answer.status), "{}", answer.status);
            assert!(answer.text.chars().count() <= TEXT);
        }
        Err(error) => assert!(error.to_string().len() < 1_000, "{error}"),
    }
}
