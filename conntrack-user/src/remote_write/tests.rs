//! The thread, with a receiver that answers what it is told to.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::mpsc,
    time::Instant as TestInstant,
};

use super::*;
use crate::{
    clock::SystemClock,
    model::cells::{GridCell, GridMetric},
};

/// Requests: their heads in small letters, and their bodies.
type Requests = mpsc::Receiver<(String, Vec<u8>)>;

/// Answers requests with these, then with success.
fn receiver(answers: &'static [&'static str]) -> (u16, Requests) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, requests) = mpsc::channel();
    std::thread::spawn(move || {
        let mut answers = answers.iter();
        for stream in listener.incoming().map_while(Result::ok) {
            while let Some(request) = request(&stream) {
                let answer = answers.next().unwrap_or(&"204 No Content");
                if sender.send(request).is_err() {
                    return;
                }
                if *answer == "close" {
                    break;
                }
                let _ = write!(&stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
            }
        }
    });
    (port, requests)
}

fn request(stream: &TcpStream) -> Option<(String, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1)?.lines().next()?;
    let mut body = vec![0; length.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

fn settings(port: u16) -> RemoteWriteSettings {
    let address: crate::client::HttpAddress = format!("http://127.0.0.1:{port}").parse().unwrap();
    RemoteWriteSettings {
        address: address.or_path(PATH),
        step: "100ms".parse().unwrap(),
        labels: Vec::new(),
        queue: QueueSettings {
            dir: None,
            limit: 1 << 20,
        },
        credentials: None,
        authorities: None,
    }
}

fn start(settings: &RemoteWriteSettings) -> (RemoteWriter, Diagnostics) {
    let diagnostics = Diagnostics::new();
    diagnostics.keep();
    let writer = RemoteWriter::start(settings, "host", SystemClock, diagnostics.clone()).unwrap();
    (writer, diagnostics)
}

fn give(writer: &RemoteWriter, end_ms: i64) {
    let cell = GridCell {
        end_ms,
        values: vec![(GridMetric::Entries, 1.0), (GridMetric::Limit, 2.0)],
    };
    let cells = InstanceCells {
        instance: "a".into(),
        cells: vec![cell],
    };
    writer.cells.try_send(vec![cells]).unwrap();
}

fn next(requests: &Requests) -> (String, Vec<u8>) {
    requests.recv_timeout(Duration::from_secs(60)).unwrap()
}

fn wait_until(is: impl Fn() -> bool) {
    let start = TestInstant::now();
    while !is() {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_same_bytes_come_until_they_are_taken() {
    let (port, requests) = receiver(&["500 Sorry", "close", "429 Slow\r\nRetry-After: 1"]);
    let (writer, diagnostics) = start(&settings(port));
    give(&writer, 100);
    let (head, body) = next(&requests);
    assert!(
        head.starts_with("post /api/v1/write http/1.1\r\n"),
        "{head}"
    );
    for header in [
        "content-type: application/x-protobuf",
        "content-encoding: snappy",
        "x-prometheus-remote-write-version: 0.1.0",
    ] {
        assert!(head.contains(header), "{head}");
    }
    // What comes meanwhile is not in it.
    give(&writer, 200);
    for _ in 0..3 {
        assert_eq!(next(&requests).1, body);
    }
    assert_ne!(next(&requests).1, body);
    wait_until(|| writer.metrics().sent == 4);
    let metrics = writer.metrics();
    // A kept connection that the server closes is no failure.
    assert_eq!(
        (metrics.failed_requests, metrics.waiting, metrics.refused),
        (2, 0, 0)
    );
    assert_eq!(metrics.oldest_seconds, None);
    let lines = diagnostics.take().join("\n");
    assert!(
        lines.contains("/api/v1/write: it answers 500; tried again until it works; "),
        "{lines}"
    );
    assert!(
        lines.contains("works again, after 2 failed requests"),
        "{lines}"
    );
}

#[test]
fn what_is_refused_is_dropped_and_counted() {
    let (port, requests) = receiver(&["400 Bad"]);
    let (writer, diagnostics) = start(&settings(port));
    give(&writer, 100);
    let refused = next(&requests).1;
    give(&writer, 200);
    assert_ne!(next(&requests).1, refused);
    wait_until(|| writer.metrics().sent == 2);
    assert_eq!(writer.metrics().refused, 2);
    let lines = diagnostics.take().join("\n");
    assert!(
        lines.contains("it answers 400; samples that it refused are dropped, 2 so far"),
        "{lines}"
    );
}

#[test]
fn secrets_are_sent_and_their_absence_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    let (port, requests) = receiver(&[]);
    let basic = CredentialFile::Basic {
        user: "me".to_owned(),
        password: file.clone(),
    };
    for (credentials, header) in [
        (
            CredentialFile::Bearer(file.clone()),
            "authorization: bearer s3cret",
        ),
        // me:s3cret
        (basic, "authorization: basic bwu6czmnzwv0"),
    ] {
        let settings = RemoteWriteSettings {
            credentials: Some(credentials.clone()),
            ..settings(port)
        };
        std::fs::write(&file, "\n").unwrap();
        let error = RemoteWriter::start(&settings, "h", SystemClock, Diagnostics::new());
        let error = error
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(
            error.ends_with("its first line is empty; the secret is expected there"),
            "{error}"
        );
        std::fs::write(&file, "s3cret\n").unwrap();
        let (writer, _) = start(&settings);
        give(&writer, 100);
        let (head, _) = next(&requests);
        let header = header.replace("bwu6czmnzwv0", &"bWU6czNjcmV0".to_ascii_lowercase());
        assert!(head.contains(&header), "{head}");
    }
}

#[test]
fn nobody_is_believed_without_a_certificate() {
    let (port, _requests) = receiver(&[]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
    let settings = RemoteWriteSettings {
        address: format!("https://127.0.0.1:{port}/").parse().unwrap(),
        authorities: Some(file),
        ..settings(port)
    };
    let (writer, diagnostics) = start(&settings);
    give(&writer, 100);
    wait_until(|| writer.metrics().failed_requests > 0);
    let lines = diagnostics.take().join("\n");
    assert!(lines.contains("TLS: "), "{lines}");
}
