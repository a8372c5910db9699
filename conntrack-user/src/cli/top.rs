//! `--top`.

use clap::Args;
use conntrack_ebpf::heavy_hitters::Prefixes;

use crate::{cli::heading, model::top::talkers::TopSettings};

/// Options for top talkers.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct TopArgs {
    /// Report top talkers: the top N sources, destinations and ports by new flows, drops, evictions and
    /// entries held [default N: 10]
    #[arg(
        long = "top",
        value_name = "N",
        num_args = 0..=1,
        default_missing_value = "10",
        value_parser = clap::value_parser!(u16).range(1..=100),
        help_heading = heading::TOP
    )]
    pub top: Option<u16>,
    /// Prefix length by which --top groups IPv4 addresses
    #[arg(long, value_name = "BITS", default_value_t = 32, requires = "top",
        value_parser = clap::value_parser!(u8).range(0..=32), help_heading = heading::TOP)]
    pub top_prefix: u8,
    /// Prefix length by which --top groups IPv6 addresses
    #[arg(long, value_name = "BITS", default_value_t = 64, requires = "top",
        value_parser = clap::value_parser!(u8).range(0..=128), help_heading = heading::TOP)]
    pub top_prefix6: u8,
}

impl TopArgs {
    /// The settings of top talkers; `None` when they are not asked for.
    #[must_use]
    pub fn settings(&self) -> Option<TopSettings> {
        self.top.map(|rows| TopSettings {
            rows: rows.into(),
            prefixes: Prefixes {
                ipv4: self.top_prefix.into(),
                ipv6: self.top_prefix6.into(),
            },
        })
    }
}

impl Default for TopArgs {
    fn default() -> Self {
        Self {
            top: None,
            top_prefix: 32,
            top_prefix6: 64,
        }
    }
}
