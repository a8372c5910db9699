//! Generates UDP flows on loopback, to try ctpulse out.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
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
    /// Instead: one packet from each of so many ports, all to the address of --to
    #[arg(long, requires = "to")]
    from_ports: Option<u16>,
    /// Where they are sent
    #[arg(long)]
    to: Option<SocketAddr>,
    /// Milliseconds between bursts
    #[arg(long, default_value_t = 1000)]
    pause_ms: u64,
}

fn main() -> Result<()> {
    let options = Options::parse();
    if let (Some(ports), Some(to)) = (options.from_ports, options.to) {
        let bind = |_| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context("bind");
        let sockets = (0..ports).map(bind).collect::<Result<Vec<_>>>()?;
        for socket in &sockets {
            socket
                .send_to(b"ctpulse", to)
                .with_context(|| format!("send to {to}"))?;
        }
        println!("{ports} packets sent");
        return Ok(());
    }
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
