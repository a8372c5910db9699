//! `ctpulse serve` with encryption, certificates of clients and tokens.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};

use crate::{
    authority::Authority,
    program::run,
    serving::{Answer, Serving, allow_many_clients},
    tree::Tree,
};

const TOKEN: &str = "correct-horse-battery-staple";

fn connect(
    serving: &Serving,
    client: &Arc<ClientConfig>,
) -> Result<StreamOwned<ClientConnection, TcpStream>> {
    let name = ServerName::try_from("localhost")?;
    let connection = ClientConnection::new(Arc::clone(client), name)?;
    Ok(StreamOwned::new(connection, serving.connect()?))
}

fn get(serving: &Serving, client: &Arc<ClientConfig>, path: &str, more: &str) -> Result<Answer> {
    let mut stream = connect(serving, client)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Answer::parse(&answer)
}

fn start(tree: &Tree, args: &[&str]) -> Result<Serving> {
    let root = tree.root().display().to_string();
    Serving::listening(&[&["--proc-root", &root, "--interval", "20ms"], args].concat())
}

/// Waits until there is a sample.
fn is_ready(serving: &Serving, client: &Arc<ClientConfig>) -> Result<()> {
    serving.wait_until("sample", |serving| {
        Ok(get(serving, client, "/readyz", "")?.status == 200)
    })
}

fn as_strs(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

#[test]
fn answers_are_encrypted_and_a_new_certificate_is_used() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let (authority, other) = (Authority::new()?, Authority::new()?);
    authority.certify("server")?;
    let arguments = authority.arguments("server");
    let serving = start(&tree, &as_strs(&arguments))?;
    ensure!(
        serving
            .program
            .stderr()
            .contains("serving https://127.0.0.1:")
    );
    let (old, new) = (authority.client(None)?, other.client(None)?);
    is_ready(&serving, &old)?;
    let answer = get(&serving, &old, "/metrics", "")?;
    ensure!(answer.status == 200 && answer.text().contains("ctpulse_build_info"));
    ensure!(
        get(&serving, &new, "/metrics", "").is_err(),
        "it is not known"
    );
    // Without encryption there is nothing.
    ensure!(serving.get("/metrics", "").is_err());

    // A key without its certificate is not used; nor is what is no certificate.
    other.certify("server")?;
    fs::copy(other.file("server.key"), authority.file("server.key"))?;
    serving.wait_until("complaint", |serving| {
        Ok(serving
            .program
            .stderr()
            .contains("the last one stays in use"))
    })?;
    ensure!(get(&serving, &old, "/healthz", "")?.status == 200);
    fs::copy(other.file("server.pem"), authority.file("server.pem"))?;
    serving.wait_until("new certificate", |serving| {
        Ok(get(serving, &new, "/healthz", "").is_ok_and(|answer| answer.status == 200))
    })?;
    ensure!(get(&serving, &old, "/healthz", "").is_err());
    ensure!(
        serving
            .program
            .stderr()
            .contains("the certificate or its key changed and is used")
    );
    serving.stop()?;
    Ok(())
}

#[test]
fn clients_are_known_by_their_certificates() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let (authority, other) = (Authority::new()?, Authority::new()?);
    for name in ["server", "scraper"] {
        authority.certify(name)?;
        other.certify(name)?;
    }
    let ca = authority.file("ca.pem").display().to_string();
    let arguments = authority.arguments("server");
    let serving = start(
        &tree,
        &[&as_strs(&arguments)[..], &["--client-ca", &ca]].concat(),
    )?;
    let known = authority.client(Some((&authority, "scraper")))?;
    is_ready(&serving, &known)?;
    ensure!(get(&serving, &known, "/metrics", "")?.status == 200);
    for unknown in [None, Some((&other, "scraper"))] {
        let client = authority.client(unknown)?;
        ensure!(get(&serving, &client, "/healthz", "").is_err());
    }
    serving.stop()?;
    Ok(())
}

#[test]
fn who_has_no_token_is_not_answered() -> Result<()> {
    let tree = Tree::of("6.1/t0")?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("tokens");
    fs::write(&file, format!("{TOKEN}\n"))?;
    let path = file.display().to_string();
    let serving = start(&tree, &["--token-file", &path])?;
    let ask = |path: &str, authorization: &str| {
        serving.ask(&format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{authorization}\r\n"
        ))
    };
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    for page in ["/", "/metrics", "/stream", "/readyz", "/nothing"] {
        let none = ask(page, "")?;
        assert_eq!(none.status, 401, "{page}");
        assert_eq!(none.header("www-authenticate"), "Bearer realm=\"ctpulse\"");
        ensure!(!none.text().contains("entries"), "{}", none.text());
        let wrong = ask(page, &bearer("correct-horse-battery-stable"))?;
        assert_eq!(wrong.status, 401, "{page}");
        ensure!(wrong.header("www-authenticate").contains("invalid_token"));
    }
    assert_eq!(ask("/metrics", &bearer(TOKEN))?.status, 200);
    assert_eq!(ask("/healthz", "")?.status, 200);
    // Another one, from now on.
    let other = "another-token-of-theirs";
    fs::write(&file, other)?;
    serving.wait_until("other token", |_| {
        Ok(ask("/metrics", &bearer(other))?.status == 200)
    })?;
    assert_eq!(ask("/metrics", &bearer(TOKEN))?.status, 401);
    // A file that is gone lets nobody in, and nobody out.
    fs::remove_file(&file)?;
    serving.wait_until("complaint", |serving| {
        Ok(serving
            .program
            .stderr()
            .contains("the last one stays in use"))
    })?;
    assert_eq!(ask("/metrics", &bearer(other))?.status, 200);
    ensure!(!serving.program.stderr().contains(other));
    serving.stop()?;
    Ok(())
}

#[test]
fn what_cannot_be_served_with_is_said_at_the_start() -> Result<()> {
    let authority = Authority::new()?;
    authority.certify("server")?;
    authority.certify("other")?;
    let file = |name: &str| authority.file(name).display().to_string();
    let (pem, key) = (file("server.pem"), file("server.key"));
    fs::write(authority.file("empty"), "")?;
    fs::write(authority.file("short"), "secret\n")?;
    let listen = ["serve", "--listen", "127.0.0.1:0"];
    for (args, said) in [
        (["--tls-cert", &key, "--tls-key", &key], "no certificate"),
        (["--tls-cert", &pem, "--tls-key", &pem], "no private key"),
        (
            ["--tls-cert", &pem, "--tls-key", &file("other.key")],
            "together",
        ),
        (
            ["--tls-cert", &pem, "--tls-key", "/nonexistent"],
            "/nonexistent: No such file",
        ),
        (
            ["--token-file", &file("empty"), "--tls-cert", &pem],
            "--tls-key",
        ),
    ] {
        let failed = run(&[&listen[..], &args].concat())?.failure();
        let stderr = String::from_utf8(failed.get_output().stderr.clone())?;
        ensure!(stderr.contains(said), "{args:?}: {stderr}");
    }
    for (tokens, said) in [
        ("empty", "a token in each line"),
        ("short", "16 characters"),
    ] {
        let failed = run(&[&listen[..], &["--token-file", &file(tokens)]].concat())?.code(1);
        let stderr = String::from_utf8(failed.get_output().stderr.clone())?;
        ensure!(
            stderr.contains(said) && !stderr.contains("secret"),
            "{stderr}"
        );
    }
    // A token alone does not do where others listen.
    let refused = run(&[
        "serve",
        "--listen",
        "0.0.0.0:0",
        "--token-file",
        &file("short"),
    ])?
    .code(2);
    let stderr = String::from_utf8(refused.get_output().stderr.clone())?;
    ensure!(
        stderr.contains("--tls-cert") && stderr.contains("--insecure"),
        "{stderr}"
    );
    Ok(())
}

/// Memory that the program occupies, as the kernel says.
fn resident(serving: &Serving) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", serving.program.pid()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.context("VmRSS")?.trim().trim_end_matches(" kB");
    Ok(kib.parse::<u64>()? << 10)
}

fn descriptors(serving: &Serving) -> Result<usize> {
    let dir = format!("/proc/{}/fd", serving.program.pid());
    Ok(fs::read_dir(Path::new(&dir))?.count())
}

#[test]
fn a_thousand_handshakes_that_never_end_hold_up_nothing() -> Result<()> {
    allow_many_clients()?;
    let tree = Tree::of("6.1/t0")?;
    let authority = Authority::new()?;
    authority.certify("server")?;
    let serving = start(&tree, &as_strs(&authority.arguments("server")))?;
    let client = authority.client(None)?;
    let scrape = || -> Result<()> {
        let start = Instant::now();
        let answer = get(&serving, &client, "/metrics", "")?;
        ensure!(answer.status == 200 && start.elapsed() < Duration::from_secs(10));
        Ok(())
    };
    is_ready(&serving, &client)?;
    let (memory, open) = (resident(&serving)?, descriptors(&serving)?);
    let (mut raw, mut encrypted) = (Vec::new(), Vec::new());
    let mut most = memory;
    for i in 0..1000 {
        // Nothing; the start of a handshake; one that is finished, with a request whose answer nobody reads.
        match i % 3 {
            0 => raw.push(serving.connect()?),
            1 => {
                let mut stream = serving.connect()?;
                let _ = stream.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]);
                raw.push(stream);
            }
            _ => {
                let mut stream = connect(&serving, &client)?;
                let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
                let _ = stream.flush();
                encrypted.push(stream);
            }
        }
        if i % 100 == 99 {
            scrape()?;
            most = most.max(resident(&serving)?);
        }
    }
    ensure!(descriptors(&serving)? <= open + 520);
    let grown = most.saturating_sub(memory);
    ensure!(grown < 64 << 20, "{grown} bytes more");
    // They are given up, each after its time.
    let start = Instant::now();
    let mut silent = serving.connect()?;
    ensure!(silent.read(&mut [0; 64]).is_ok_and(|n| n == 0));
    ensure!(start.elapsed() > Duration::from_secs(5));
    scrape()?;
    serving.stop()?;
    Ok(())
}
