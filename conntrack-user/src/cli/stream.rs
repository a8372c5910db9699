//! Options of `stream`, which `live` and `record` share.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use crate::{
    cli::{
        AlertArgs, FromArgs,
        format::{Format, FormatPart},
        heading,
        privileges::PrivilegeArgs,
        probing::{ProbeArgs, ProbesArg},
        top::TopArgs,
        values::{interval, longest_burst, multiple, positive},
        view::{ThemeArg, ViewArgs},
    },
    config::Config,
    engine::settings::{
        HookSettings, NamespaceChoice, PrivilegeSettings, ProbeSettings, RunSettings, Target,
    },
    model::burst::BurstSettings,
    probes::plan::{EVENT_RATE, ProbeGroup, ProbeRequest},
    source::kernel::KernelSource,
};

/// Options of `stream`.
#[derive(Args, Clone, Debug)]
pub struct StreamArgs {
    /// Time between samples: 10ms to 1h
    #[arg(long, short, value_name = "TIME", default_value = "100ms", value_parser = interval)]
    pub interval: Duration,
    /// Stop after this time; without it, run until interrupted
    #[arg(long, short, value_name = "TIME", value_parser = positive)]
    pub duration: Option<Duration>,
    /// Output format
    #[arg(long, short, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Options of the text format.
    #[command(flatten)]
    pub view: ViewArgs,
    /// Add the in-kernel time series of each interval to JSON samples
    #[arg(long, help_heading = heading::MORE)]
    pub buckets: bool,
    /// Also show each CPU by itself: uneven loads are a classic cause of drops (text and JSON)
    #[arg(long, help_heading = heading::MORE)]
    pub per_cpu: bool,
    /// Which functions are probed, and how.
    #[command(flatten)]
    pub probing: ProbeArgs,
    /// Options for records of other hosts.
    #[command(flatten)]
    pub from: FromArgs,
    /// Network namespaces to watch, each as an instance: self, all, a name of `ip netns`, a process
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
    #[command(flatten)]
    pub alerts: AlertArgs,
    /// The most events of one kind to report in a second; 0 for none
    #[arg(long, value_name = "N", default_value_t = EVENT_RATE, help_heading = heading::MORE)]
    pub event_rate: u32,
    /// Thresholds of the burst detector.
    #[command(flatten)]
    pub bursts: BurstArgs,
    /// Read the kernel's counters from a directory laid out like /proc, without probes
    #[arg(long, value_name = "DIR", conflicts_with = "top", help_heading = heading::SOURCES)]
    pub proc_root: Option<PathBuf>,
    /// Options for top talkers.
    #[command(flatten)]
    pub top: TopArgs,
    /// Root of the host's file system, with the files that name pods and containers, where ctpulse itself has
    /// another one [default: that of process 1]
    #[arg(long, value_name = "DIR", conflicts_with = "proc_root", help_heading = heading::TOP)]
    pub host_root: Option<PathBuf>,
    /// Measure how long connections live, and report it in the summary
    #[arg(long, conflicts_with = "proc_root", help_heading = heading::MORE)]
    pub lifetimes: bool,
    /// Measure the time spent in __nf_conntrack_confirm and early_drop, and report it in the summary.
    /// Puts probes on __nf_conntrack_confirm, which runs once for each new flow, if --probes all does
    /// not
    #[arg(long, conflicts_with = "proc_root", help_heading = heading::MORE)]
    pub latency: bool,
    #[command(flatten)]
    pub privileges: PrivilegeArgs,
    /// End as by SIGTERM when standard input ends: for who starts it from elsewhere
    #[arg(long, hide = true)]
    pub until_stdin_ends: bool,
    /// Load these eBPF programs instead of those embedded: to test that a wrong one is refused
    #[arg(long, value_name = "FILE", hide = true)]
    pub object: Option<PathBuf>,
    /// Pretend that the kernel lacks this function: to test what takes its place
    #[arg(long, value_name = "FUNCTION", hide = true)]
    pub without_function: Vec<String>,
}

impl Default for StreamArgs {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(100),
            duration: None,
            format: Format::Text,
            view: ViewArgs::default(),
            buckets: false,
            per_cpu: false,
            probing: ProbeArgs::default(),
            from: FromArgs::default(),
            netns: vec![NamespaceChoice::Own],
            source: SourceArg::Auto,
            alerts: AlertArgs::default(),
            event_rate: EVENT_RATE,
            bursts: BurstArgs::default(),
            proc_root: None,
            top: TopArgs::default(),
            host_root: None,
            lifetimes: false,
            latency: false,
            privileges: PrivilegeArgs::default(),
            until_stdin_ends: false,
            object: None,
            without_function: Vec::new(),
        }
    }
}

impl StreamArgs {
    /// The settings of the run that these options ask for, with the configuration's settings of alerts.
    #[must_use]
    pub fn settings(&self, config: Config) -> RunSettings {
        RunSettings {
            interval: self.interval,
            aligned: false,
            duration: self.duration,
            target: match &self.proc_root {
                Some(root) => Target::ProcRoot(root.clone()),
                None => Target::Namespaces {
                    choices: self.netns.clone(),
                    source: self.source.into(),
                },
            },
            probes: ProbeSettings {
                request: match self.probing.probes {
                    _ if self.proc_root.is_some() => ProbeRequest::OtherRoot,
                    ProbesArg::Auto | ProbesArg::Flow => ProbeRequest::Group(ProbeGroup::Flow),
                    ProbesArg::All => ProbeRequest::Group(ProbeGroup::All),
                    ProbesArg::Off => ProbeRequest::Off,
                },
                object: self.object.clone(),
                without_functions: self.without_function.clone(),
                no_fentry: self.probing.no_fentry.clone(),
                event_rate: self.event_rate,
            },
            buckets: self.buckets,
            per_cpu: self.per_cpu,
            bursts: self.bursts.settings(),
            alerts: config.alerts,
            hook: self.alerts.on_alert.clone().map(|command| HookSettings {
                command,
                user: self.alerts.on_alert_user.clone(),
                limits: config.on_alert,
            }),
            top: self.top.settings(),
            events_named: false,
            host_root: self.host_root.clone(),
            lifetimes: self.lifetimes,
            latency: self.latency,
            own_cost: false,
            privileges: self.privileges.settings(),
        }
    }

    /// Refuses options that have no place in the format.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let selects = !self.view.columns.is_empty() || !self.view.chart.is_empty();
        for (asked, part) in [
            (self.per_cpu, FormatPart::EachCpu),
            (self.top.top.is_some(), FormatPart::TopTalkers),
            (self.lifetimes, FormatPart::Lifetimes),
            (self.latency, FormatPart::Latency),
            (selects, FormatPart::ChosenColumns),
        ] {
            if asked {
                self.format.has_room_for(part)?;
            }
        }
        Ok(())
    }
}

/// Options for the burst detector.
#[derive(Args, Clone, Debug)]
pub struct BurstArgs {
    /// The least rate of a burst, as a multiple of the usual rate: more than 1, up to 1000
    #[arg(long, value_name = "TIMES", default_value_t = BurstSettings::default().threshold,
          value_parser = multiple, help_heading = heading::BURSTS)]
    pub burst_threshold: f64,
    /// The fewest events of a burst, beyond the usual number
    #[arg(long, value_name = "N", default_value_t = BurstSettings::default().least,
          value_parser = clap::value_parser!(u64).range(1..), help_heading = heading::BURSTS)]
    pub burst_min: u64,
    /// The longest burst; what lasts longer is a new usual rate: 300ms to 10s
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = longest_burst,
          help_heading = heading::BURSTS)]
    pub burst_longest: Duration,
}

impl BurstArgs {
    /// The burst detector's settings.
    #[must_use]
    pub fn settings(&self) -> BurstSettings {
        BurstSettings {
            threshold: self.burst_threshold,
            least: self.burst_min,
            longest: self.burst_longest,
        }
    }
}

impl Default for BurstArgs {
    fn default() -> Self {
        let BurstSettings {
            threshold,
            least,
            longest,
        } = BurstSettings::default();
        Self {
            burst_threshold: threshold,
            burst_min: least,
            burst_longest: longest,
        }
    }
}

/// Options of `live`: those of a stream, and how it is drawn.
#[derive(Args, Clone, Debug, Default)]
#[command(mut_args(hide_for_live))]
pub struct LiveArgs {
    /// Options of the stream that feeds the view.
    #[command(flatten)]
    pub stream: StreamArgs,
    /// Do not report top talkers: saves their cost for each new flow
    #[arg(long, conflicts_with = "top")]
    pub no_top: bool,
    /// Draw with ASCII characters only
    #[arg(long)]
    pub ascii: bool,
    /// Colours; by default those of the configuration, or what the terminal can show
    #[arg(long, value_enum, value_name = "THEME")]
    pub theme: Option<ThemeArg>,
    /// Use the mouse: the wheel zooms and scrolls, a click chooses a chart or a row. Selecting text then needs
    /// Shift in most terminals
    #[arg(long)]
    pub mouse: bool,
    /// Panic when this key is pressed: to test that the terminal is restored
    #[arg(long, value_name = "KEY", hide = true)]
    pub panic_on_key: Option<char>,
}

/// Rows of the live view's tables of top talkers, without `--top N`.
const TOP_ROWS: u16 = 10;

impl LiveArgs {
    /// The settings of the run, with everything that the view can show.
    #[must_use]
    pub fn settings(&self, config: Config) -> RunSettings {
        let settings = self.shown().settings(config);
        RunSettings {
            buckets: true,
            own_cost: true,
            privileges: PrivilegeSettings {
                // A key writes what is shown.
                writes_files: true,
                ..settings.privileges
            },
            ..settings
        }
    }

    /// The options of the stream that feeds the view, whose summary is printed when the view closes.
    #[must_use]
    pub fn shown(&self) -> StreamArgs {
        let mut stream = StreamArgs {
            format: Format::Text,
            ..self.stream.clone()
        };
        // A directory of proc files has no flows to group.
        if stream.top.top.is_none() && !self.no_top && stream.proc_root.is_none() {
            stream.top.top = Some(TOP_ROWS);
        }
        stream
    }
}

/// Hides options of a stream that mean nothing to the live view.
fn hide_for_live(arg: clap::Arg) -> clap::Arg {
    let hide = [
        "format", "buckets", "per_cpu", "columns", "chart", "numbers", "color",
    ]
    .contains(&arg.get_id().as_str());
    if hide { arg.hide(true) } else { arg }
}

/// Sources of the kernel's own counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SourceArg {
    /// /proc/net/stat/nf_conntrack; ctnetlink where the kernel does not have that file
    Auto,
    /// /proc/net/stat/nf_conntrack only: needs no privileges
    Proc,
    /// ctnetlink only: the same counters, from a netlink socket; needs CAP_NET_ADMIN
    Ctnetlink,
}

impl From<SourceArg> for KernelSource {
    fn from(source: SourceArg) -> Self {
        match source {
            SourceArg::Auto => Self::Auto,
            SourceArg::Proc => Self::Procfs,
            SourceArg::Ctnetlink => Self::Ctnetlink,
        }
    }
}
