//! Follows `ctpulse serve` on a host, and prints what an operator is to know: alerts, bursts, and the verdict whenever it changes.
//!
//! ```sh
//! ctpulse serve &
//! cargo +1.98.0 run -p conntrack-user --example stream_reader 127.0.0.1:9466
//! ```
//!
//! It needs nothing of ctpulse but its JSON: a line is an object, and `type` says of what.

#![expect(
    clippy::disallowed_macros,
    reason = "a program of its own, which prints as it likes"
)]

use std::{
    env,
    error::Error,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
};

use serde_json::Value;

/// The longest line that is taken, in bytes: a server may be anything.
const LONGEST_LINE: u64 = 16 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:9466");
    let mut connection = TcpStream::connect(address)?;
    // By HTTP/1.0 the answer is not cut into chunks, and ends with the connection.
    write!(
        connection,
        "GET /stream HTTP/1.0\r\nHost: {address}\r\n\r\n"
    )?;
    let mut answer = BufReader::new(connection);
    let status = line(&mut answer)?;
    if !status.contains(" 200 ") {
        return Err(format!("{address} answers {:?}", status.trim_end()).into());
    }
    while !line(&mut answer)?.trim_end().is_empty() {}
    let mut last = String::new();
    loop {
        let text = line(&mut answer)?;
        if text.is_empty() {
            return Ok(());
        }
        let record: Value = serde_json::from_str(&text)?;
        let Some(said) = sentence(&record) else {
            continue;
        };
        if said != last {
            println!("{said}");
            last = said;
        }
    }
}

fn line(from: &mut impl BufRead) -> Result<String, Box<dyn Error>> {
    let mut line = String::new();
    from.take(LONGEST_LINE).read_line(&mut line)?;
    Ok(line)
}

/// A record in words, if it is one to know of. Types and fields that are not known are for other programs.
fn sentence(record: &Value) -> Option<String> {
    let text = |name: &str| record[name].as_str();
    let instance = text("instance")?;
    // Names come from whoever named a process or a namespace: quoted, they cannot control a terminal.
    Some(match text("type")? {
        "alert" => format!("{instance:?}: {} is {}", text("name")?, text("status")?),
        "burst" => format!(
            "{instance:?}: {} of {} in {} ms",
            record["count"],
            text("counter")?,
            record["duration_ms"]
        ),
        "verdict" => {
            let sentences = record["sentences"].as_array()?;
            let words: Vec<&str> = sentences.iter().filter_map(Value::as_str).collect();
            format!("{instance:?}: {:?}", words.join(" "))
        }
        _ => return None,
    })
}
