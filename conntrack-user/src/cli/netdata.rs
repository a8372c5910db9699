//! Options of `netdata`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use crate::{
    cli::{
        heading,
        privileges::PrivilegeArgs,
        probing::ProbeArgs,
        stream::{BurstArgs, SourceArg, StreamArgs},
        values::positive,
    },
    config::Config,
    engine::settings::{NamespaceChoice, RunSettings},
    output::netdata::Ids,
};

/// Options of `netdata`.
#[derive(Args, Clone, Debug)]
#[command(mut_args(fit_for_netdata))]
pub struct NetdataArgs {
    /// Seconds between points: Netdata passes its own `update every`
    #[arg(value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// Ids of the six charts. Those of Netdata's own collector are for dashboards and alerts made for it; it must be off
    #[arg(long, value_enum, default_value_t = IdsArg::Own)]
    pub ids: IdsArg,
    /// Stop after this time; without it, run until interrupted
    #[arg(long, short, value_name = "TIME", value_parser = positive)]
    pub duration: Option<Duration>,
    /// Which functions are probed, and how.
    #[command(flatten)]
    pub probing: ProbeArgs,
    /// Network namespaces to watch, each with charts of its own: self, all, a name of `ip netns`, a process
    /// id, or a path; several separated by commas
    #[arg(
        long,
        short,
        value_name = "NETNS",
        value_delimiter = ',',
        default_value = "self",
        help_heading = heading::SOURCES
    )]
    pub netns: Vec<NamespaceChoice>,
    /// Where to read the kernel's own counters from
    #[arg(long, value_enum, default_value_t = SourceArg::Auto, conflicts_with = "proc_root",
          help_heading = heading::SOURCES)]
    pub source: SourceArg,
    /// Read the kernel's counters from a directory laid out like /proc, without probes
    #[arg(long, value_name = "DIR", help_heading = heading::SOURCES)]
    pub proc_root: Option<PathBuf>,
    /// Thresholds of the burst detector.
    #[command(flatten)]
    pub bursts: BurstArgs,
    #[command(flatten)]
    pub privileges: PrivilegeArgs,
}

impl NetdataArgs {
    /// The settings of the run that these options ask for.
    #[must_use]
    pub fn settings(&self) -> RunSettings {
        let stream = StreamArgs {
            interval: Duration::from_secs(self.seconds),
            duration: self.duration,
            probing: self.probing.clone(),
            netns: self.netns.clone(),
            source: self.source,
            proc_root: self.proc_root.clone(),
            bursts: self.bursts.clone(),
            privileges: self.privileges,
            // It has no place for single events.
            event_rate: 0,
            ..StreamArgs::default()
        };
        RunSettings {
            // Netdata has a point at each whole second, and would spread ours over two.
            aligned: true,
            ..stream.settings(Config::default())
        }
    }
}

/// Netdata starts it again where its probes have to be attached again.
fn fit_for_netdata(arg: clap::Arg) -> clap::Arg {
    match arg.get_id().as_str() {
        "privileges" => arg.default_value("drop"),
        _ => arg,
    }
}

/// Whose ids the six charts have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IdsArg {
    /// ctpulse.conntrack_new and so on
    Own,
    /// netfilter.conntrack_new and so on
    Netdata,
}

impl From<IdsArg> for Ids {
    fn from(ids: IdsArg) -> Self {
        match ids {
            IdsArg::Own => Self::Own,
            IdsArg::Netdata => Self::Netdata,
        }
    }
}
