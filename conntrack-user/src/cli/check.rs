//! The command line of `check`: one measurement for scripts and monitoring systems.

use crate::engine::settings::NamespaceChoice;
use std::{path::PathBuf, time::Duration};

use clap::Args;

use crate::{
    cli::values::{ValueError, positive},
    model::alert::check::CheckLimits,
};

/// Options of `check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// WARNING above this much of nf_conntrack_max
    #[arg(long, short, value_name = "PERCENT", value_parser = percent,
          default_value_t = CheckLimits::DEFAULT.warn)]
    pub warn: f64,
    /// CRITICAL above this much of nf_conntrack_max
    #[arg(long, short, value_name = "PERCENT", value_parser = percent,
          default_value_t = CheckLimits::DEFAULT.crit)]
    pub crit: f64,
    /// Measure for this long and judge the fullest moment; without it, measure once
    #[arg(long, value_name = "TIME", value_parser = positive)]
    pub window: Option<Duration>,
    /// The network namespace to check: self, a name of `ip netns`, a process id, or a path
    #[arg(long, value_name = "NETNS", default_value = "self")]
    pub netns: NamespaceChoice,
    /// Read a directory laid out like /proc
    #[arg(long, value_name = "DIR", conflicts_with = "netns")]
    pub proc_root: Option<PathBuf>,
}

fn percent(text: &str) -> Result<f64, ValueError> {
    match text.strip_suffix('%').unwrap_or(text).trim().parse() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err(ValueError::new(
            "expected a percentage from 0 to 100, such as 85%",
        )),
    }
}
