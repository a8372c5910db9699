//! Generates UDP flows on loopback, to try ctpulse out.

use std::{thread, time::Duration};

use anyhow::Result;
use clap::Parser;
use ctpulse_tests::traffic::UdpFlows;

/// Makes UDP flows on loopback, each tracked as a new connection.
#[derive(Parser)]
struct Options {
    /// Flows in a burst
    #[arg(long, default_value_t = 500)]
    flows: u32,
    /// Number of bursts
    #[arg(long, default_value_t = 1)]
    bursts: u32,
    /// Milliseconds between bursts
    #[arg(long, default_value_t = 1000)]
    pause_ms: u64,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let mut flows = UdpFlows::new()?;
    for burst in 0..options.bursts {
        if burst > 0 {
            thread::sleep(Duration::from_millis(options.pause_ms));
        }
        let sent = flows.send(options.flows)?;
        println!(
            "{} flows from {:.6} to {:.6}",
            options.flows,
            sent.start(),
            sent.end()
        );
    }
    Ok(())
}
