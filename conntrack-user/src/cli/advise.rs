//! The command line of `advise`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use super::{ProbeArgs, StreamArgs, heading, recordings::PartArgs, top::TopArgs};
use crate::{
    cli::values::{ValueError, positive},
    engine::settings::NamespaceChoice,
    model::advice::{AdviceWishes, WhatIf},
};

/// How long this host is watched, unless a time is given.
const DURATION: Duration = Duration::from_secs(60);

/// Time between two samples of this host.
const INTERVAL: Duration = Duration::from_millis(200);

/// The rows of tables that the advice looks at.
const ROWS: u16 = 20;

/// Options of `advise`.
#[derive(Args, Clone, Debug)]
pub struct AdviseArgs {
    /// A recording with top talkers (`ctpulse record --top`); without it, this host is watched
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The part of the recording to use.
    #[command(flatten)]
    pub part: PartArgs,
    /// How long to watch this host [default: 1m]
    #[arg(long, short, value_name = "TIME", value_parser = positive, conflicts_with = "file")]
    pub duration: Option<Duration>,
    /// Output format
    #[arg(long, short, value_enum, default_value_t = AdviseFormat::Text)]
    pub format: AdviseFormat,
    /// How much of the table is to stay free at the highest demand
    #[arg(long, value_name = "PERCENT", default_value_t = 25.0, value_parser = headroom)]
    pub headroom: f64,
    /// For how long the table has to suffice: longer times have higher peaks
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = positive)]
    pub horizon: Duration,
    /// Predict the entries under other circumstances: rate=1.5 (times as many new flows), or a timeout in
    /// seconds by its sysctl, as in tcp_timeout_time_wait=30; several separated by commas
    #[arg(long, value_name = "NAME=VALUE", value_delimiter = ',', value_parser = circumstance)]
    pub what_if: Vec<Circumstance>,
    /// Network namespaces to watch: self, all, a name of `ip netns`, a process id, or a path
    #[arg(
        long,
        short,
        value_name = "NETNS",
        value_delimiter = ',',
        default_value = "self",
        conflicts_with = "file",
        help_heading = heading::SOURCES
    )]
    pub netns: Vec<NamespaceChoice>,
    /// Which functions are probed, and how.
    #[command(flatten)]
    pub probing: ProbeArgs,
}

/// Formats of advice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum AdviseFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object per line
    Json,
}

/// What is to be different.
#[derive(Clone, Debug, PartialEq)]
pub enum Circumstance {
    /// As many times the new flows.
    Rate(f64),
    /// A timeout, by its name without `nf_conntrack_`.
    Timeout(String, u64),
}

impl AdviseArgs {
    /// What the advice is to be about.
    #[must_use]
    pub fn wishes(&self) -> AdviceWishes {
        let mut what_if = WhatIf::default();
        for circumstance in &self.what_if {
            match circumstance {
                Circumstance::Rate(rate) => what_if.rate = Some(*rate),
                Circumstance::Timeout(name, seconds) => {
                    what_if.timeouts.push((name.clone(), *seconds));
                }
            }
        }
        AdviceWishes {
            headroom_percent: self.headroom,
            horizon_s: self.horizon.as_secs_f64(),
            what_if: (!self.what_if.is_empty()).then_some(what_if),
        }
    }

    /// How this host is watched.
    #[must_use]
    pub fn measured(&self) -> StreamArgs {
        StreamArgs {
            interval: INTERVAL,
            duration: Some(self.duration.unwrap_or(DURATION)),
            netns: self.netns.clone(),
            probing: self.probing.clone(),
            top: TopArgs {
                top: Some(ROWS),
                ..TopArgs::default()
            },
            ..StreamArgs::default()
        }
    }
}

fn headroom(text: &str) -> Result<f64, ValueError> {
    match text.strip_suffix('%').unwrap_or(text).trim().parse::<f64>() {
        Ok(percent) if (0.0..=90.0).contains(&percent) => Ok(percent),
        _ => Err(ValueError::new(
            "it is a percentage from 0 to 90".to_owned(),
        )),
    }
}

fn circumstance(text: &str) -> Result<Circumstance, ValueError> {
    let (name, value) = text.split_once('=').ok_or_else(|| {
        ValueError::new("write rate=1.5, or a timeout as in tcp_timeout_time_wait=30".to_owned())
    })?;
    let name = name.trim().trim_start_matches("net.netfilter.");
    let name = name.trim_start_matches("nf_conntrack_");
    if name == "rate" {
        return match value.parse::<f64>() {
            Ok(rate) if rate > 0.0 && rate <= 1e6 => Ok(Circumstance::Rate(rate)),
            _ => Err(ValueError::new(
                "a rate is a number of times, such as 1.5".to_owned(),
            )),
        };
    }
    if !name.contains("timeout") {
        return Err(ValueError::new(format!(
            "{name} is neither rate nor a timeout such as tcp_timeout_time_wait, udp_timeout or icmp_timeout"
        )));
    }
    match value.trim_end_matches('s').parse::<u32>() {
        Ok(seconds @ 1..) => Ok(Circumstance::Timeout(name.to_owned(), seconds.into())),
        _ => Err(ValueError::new(format!(
            "{name} is a number of seconds from 1"
        ))),
    }
}
