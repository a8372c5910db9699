//! The command line.

pub mod advise;
pub mod check;
mod format;
mod from;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod generate;
mod heading;
mod netdata;
mod privileges;
mod probing;
pub mod recordings;
mod remote_write;
mod serve;
mod stream;
mod top;
mod values;
mod view;

use crate::{
    config::Config,
    engine::{
        hook::helper::HELPER,
        settings::{NamespaceChoice, RunSettings},
    },
};
use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use conntrack_ebpf::EventKind;

use self::{
    advise::AdviseArgs,
    check::CheckArgs,
    generate::{CompletionsArgs, GenerateArgs},
    recordings::{RecordArgs, ReplayArgs, ReportArgs},
    values::{kind, positive},
};
pub use self::{
    format::Format,
    from::{FromArgs, OptionConflict},
    netdata::{IdsArg, NetdataArgs},
    probing::{ProbeArgs, ProbesArg},
    remote_write::RemoteWriteArgs,
    serve::{CompatArg, ServeArgs},
    stream::{LiveArgs, SourceArg, StreamArgs},
    top::TopArgs,
    view::{ThemeArg, ViewArgs},
};
use crate::{model::event::filter::Filter, probes::plan::EVENT_RATE};

/// High-frequency monitor of Linux connection tracking.
///
/// Shows Netdata's six conntrack charts and its alert netfilter_conntrack_full, right on every
/// kernel: counters that the kernel stopped counting in 4.9 are counted by eBPF probes, in buckets
/// of about a millisecond, and cross-checked against the kernel's own.
#[derive(Debug, Parser)]
#[command(
    name = "ctpulse",
    version,
    propagate_version = true,
    after_help = "Without a command, ctpulse shows the live view on a terminal, else it streams.\n\
        Data goes to stdout, everything else to stderr. Exit status: 0 done, 1 failed, 2 bad usage\n\
        (`check` has its own, those of Nagios and Icinga).\n\n\
        Examples:\n  \
        ctpulse doctor                                   what this host offers, and what that costs\n  \
        ctpulse                                          watch it live\n  \
        ctpulse stream --interval 1s                     a line per second\n  \
        ctpulse record incident.ctp                      keep everything in a file\n  \
        ctpulse report incident.ctp                      make a page of it, incident.html"
)]
pub struct Cli {
    /// The subcommand; without one, the live view on a terminal, else a stream.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Print more details on stderr; `check` prints how it measured.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

impl Cli {
    /// Refuses combinations of options that the definition for clap cannot rule out.
    ///
    /// # Errors
    ///
    /// A message that says what is wrong, and what to do instead.
    pub fn check(&self) -> Result<(), OptionConflict> {
        let of_others = match &self.command {
            Some(Command::Stream(args)) => args.from.check(args),
            Some(Command::Record(args)) => args.stream.from.check(&args.stream),
            Some(Command::Live(args)) => args.stream.from.check(&args.stream),
            Some(Command::Check(args)) => args.from.check(&StreamArgs {
                probing: ProbeArgs::default(),
                ..args.measured()
            }),
            _ => Ok(()),
        };
        of_others?;
        let of_formats = match &self.command {
            Some(Command::Stream(args)) => args.check(),
            Some(Command::Record(args)) if args.show => args.stream.check(),
            Some(Command::Replay(args)) => args.shown().check(),
            Some(Command::Report(args)) => args.check(),
            Some(Command::Serve(args)) => args.check(),
            Some(Command::Live(args)) if args.stream.view != ViewArgs::default() => {
                Err("--columns, --chart, --numbers and --color are for `ctpulse stream`")
            }
            _ => Ok(()),
        };
        of_formats.map_err(OptionConflict::Format)
    }
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch it live: charts, bursts to the millisecond, events and top talkers, until q is pressed
    #[command(
        after_help = "Keys: ? shows them all; q quits, space pauses, arrows scroll and zoom.\n\
        Colours: NO_COLOR=1 for none. Without Unicode: --ascii.\n\n\
        Examples:\n  \
        ctpulse live                                     this network namespace\n  \
        ctpulse live --netns all                         all of them; i chooses\n  \
        ctpulse live --probes all                        with invalid, drops and lookups: costs every packet"
    )]
    Live(LiveArgs),
    /// Stream rates, one line per interval, until interrupted
    #[command(after_help = "Examples:\n  \
        ctpulse stream                                  ten lines a second\n  \
        ctpulse stream --interval 1s --duration 1m      a minute, a line per second\n  \
        ctpulse stream --format json --buckets          with every millisecond, for other programs\n  \
        ctpulse stream --top                            who fills the table\n  \
        ctpulse stream --probes off                     only what the kernel counts by itself")]
    Stream(StreamArgs),
    /// Report single events: what is dropped, evicted or refused, with its tuple
    #[command(
        after_help = "Kinds: table_full, early_drop, clash, insert_failed, nat_exhausted, \
        chain_too_long, icmp_error, expect_full, and with --probes all also invalid.\n\
        Keys of a filter: family, proto, src, sport, dst, dport.\n\n\
        Examples:\n  \
        ctpulse events                                   whatever goes wrong, until interrupted\n  \
        ctpulse events --kind table_full,early_drop      only what a full table does\n  \
        ctpulse events --filter proto=tcp,dport=443,src=10.0.0.0/8 --format json"
    )]
    Events(EventsArgs),
    /// Keep everything in a file, every millisecond included, for replay and report
    #[command(
        after_help = "FILE grows by a block a second. A crash, a kill or a full disk loses only what came \
        after the last\nblock; `zcat FILE` gives the JSON lines of the rest. A FILE that exists is not touched \
        without --append\nor --force.\n\n\
        Examples:\n  \
        ctpulse record incident.ctp                      until interrupted\n  \
        ctpulse record incident.ctp --duration 1m --netns all\n  \
        ctpulse record incident.ctp --show               and print it as `stream` does\n  \
        ssh gateway ctpulse record - > gateway.ctp       without a file on the host"
    )]
    Record(RecordArgs),
    /// Print a recording as `stream` would have, or watch it in the live view
    #[command(
        after_help = "JSON lines are printed exactly as they were recorded. A part (--from, --to) has no summary: \
        the summary\ncovers the whole recording. Damage is reported on stderr, with its place and its cause.\n\n\
        Examples:\n  \
        ctpulse replay incident.ctp                      all of it, as fast as it can be read\n  \
        ctpulse replay incident.ctp --speed 1            as it happened\n  \
        ctpulse replay incident.ctp --from 22:46:48 --to 22:46:50 --format json\n  \
        ctpulse replay incident.ctp --from +30s --step   an interval for each Enter"
    )]
    Replay(ReplayArgs),
    /// Make a page of a recording: charts to the millisecond, bursts, events, top talkers, cross-check
    #[command(
        after_help = "The page is one file that needs no network: send it, attach it, print it. Keys in it: \
        + and - zoom,\narrows move, 0 shows all, B the busiest moment. A page that exists is not touched without --force, and \
        a recording\nnever.\n\n\
        Examples:\n  \
        ctpulse report incident.ctp                      writes incident.html\n  \
        ctpulse report incident.ctp -o part.html --from 22:46:48 --to 22:46:50 --title 'Ticket 4711'"
    )]
    Report(ReportArgs),
    /// Say what fills the table, and what to set: with the measurements that speak for it
    #[command(
        after_help = "It sets nothing by itself. From a recording: `ctpulse record FILE --top` keeps what it needs.\n\n\
        Examples:\n  \
        ctpulse advise                                   after a minute of this host\n  \
        ctpulse advise --duration 10m --headroom 40      with more room to spare\n  \
        ctpulse advise --what-if tcp_timeout_time_wait=30,rate=2\n  \
        ctpulse advise incident.ctp --format json"
    )]
    Advise(AdviseArgs),
    /// Serve metrics for Prometheus, and the stream, over HTTP
    #[command(
        after_help = "Pages: /metrics (OpenMetrics, classic text or protobuf, as the scraper asks), /stream (JSON lines), /healthz, \
        /readyz.\n\n\
        Examples:\n  \
        ctpulse serve                                    metrics at http://127.0.0.1:9466/metrics\n  \
        ctpulse serve --netns all --top 5                every network namespace, with its top talkers\n  \
        ctpulse serve --compat node-exporter             in place of node_exporter's conntrack collector\n  \
        curl -sN 127.0.0.1:9466/stream | jq .type        the records as they come"
    )]
    Serve(Box<ServeArgs>),
    /// Check once, for scripts and monitoring systems: exit 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
    #[command(
        after_help = "One line on stdout: the status, then performance data as Nagios and Icinga \
        read it.\nNeeds no privileges in its own network namespace. Bad usage is UNKNOWN, too.\n\n\
        Examples:\n  \
        ctpulse check                                    warns above 90 %, critical above 95 %\n  \
        ctpulse check --warn 75% --crit 90%\n  \
        ctpulse check --window 2s                        the fullest moment of two seconds\n  \
        ctpulse check --crit-drop 0 --warn-early-drop 0  any flow refused, any entry evicted, in a second\n  \
        sudo ctpulse check --netns router                a namespace of `ip netns`"
    )]
    Check(CheckArgs),
    /// Feed Netdata's agent, as a plugin of it: charts of each second, with the busiest millisecond
    #[command(
        after_help = "As ctpulse.plugin in Netdata's directory of plugins, a link will do, it needs no command.\n\
        `ctpulse generate netdata-health` prints the alert for it.\n\n\
        Examples:\n  \
        ctpulse netdata --duration 3s                    see what Netdata would get\n  \
        ln -s $(command -v ctpulse) /usr/libexec/netdata/plugins.d/ctpulse.plugin\n  \
        ctpulse netdata 5 --ids netdata                  a point every 5 s, in place of Netdata's own collector"
    )]
    Netdata(NetdataArgs),
    /// Show what this host offers, what would be attached, and what is missing
    #[command(
        after_help = "Changes nothing. For each thing that is missing it says what that costs.\n\n\
        Examples:\n  \
        ctpulse doctor                                   before anything else, on a new host\n  \
        sudo ctpulse doctor --netns 4711                 the network namespace of process 4711\n  \
        ctpulse doctor --format json                     for programs"
    )]
    Doctor(DoctorArgs),
    /// Print the configuration in effect, with every key explained
    #[command(after_help = "Examples:\n  \
        ctpulse config > /etc/ctpulse.toml        a file to start from\n  \
        ctpulse config --config FILE              check a file, and see the settings that result")]
    Config(ConfigArgs),
    /// Print the completions of a shell
    #[command(after_help = "Examples:\n  \
        ctpulse completions bash > /etc/bash_completion.d/ctpulse\n  \
        ctpulse completions zsh > ~/.zfunc/_ctpulse      a directory of fpath\n  \
        ctpulse completions fish > ~/.config/fish/completions/ctpulse.fish")]
    Completions(CompletionsArgs),
    /// Run the commands of --on-alert: ctpulse starts this by itself
    #[command(hide = true, name = HELPER)]
    OnAlertHelper,
    /// Print files for other programs that are made from the program itself, such as their alerts
    #[command(after_help = "Examples:\n  \
        ctpulse generate prometheus-rules > /etc/prometheus/ctpulse-rules.yml\n  \
        ctpulse generate grafana-dashboard > ctpulse-dashboard.json\n  \
        ctpulse generate netdata-health > /etc/netdata/health.d/ctpulse.conf")]
    Generate(GenerateArgs),
}

/// Options of `config`.
#[derive(Args, Clone, Debug)]
pub struct ConfigArgs {
    /// File to read; without it, /etc/ctpulse.toml if it exists
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Options of the commands that raise alerts.
#[derive(Args, Clone, Debug, Default)]
pub struct AlertArgs {
    /// Configuration file, with the settings of alerts (`ctpulse config` prints one); without it,
    /// /etc/ctpulse.toml if it exists
    #[arg(long, value_name = "FILE", help_heading = heading::ALERTS)]
    pub config: Option<PathBuf>,
    /// Run `sh -c CMD` for each notification, which is JSON on its stdin and in CTPULSE_ALERT_NAME,
    /// _STATUS, _PREVIOUS, _VALUE, _UNIT, _INSTANCE and _TIME
    #[arg(long, value_name = "CMD", help_heading = heading::ALERTS)]
    pub on_alert: Option<String>,
    /// Run the commands of --on-alert as this user, by name or number, with the user's groups and no capability
    #[arg(long, value_name = "USER", requires = "on_alert", help_heading = heading::ALERTS)]
    pub on_alert_user: Option<String>,
}

/// Options of `events`.
#[derive(Args, Clone, Debug)]
pub struct EventsArgs {
    /// Kinds of events, separated by commas; without it, all that the probes see
    #[arg(long, short, value_name = "KIND", value_delimiter = ',', value_parser = kind)]
    pub kind: Vec<EventKind>,
    /// Conditions on the tuple that must all hold, such as proto=tcp,dport=443,src=10.0.0.0/8
    #[arg(
        long,
        value_name = "FILTER",
        default_value = "",
        hide_default_value = true
    )]
    pub filter: Filter,
    /// Output format
    #[arg(long, short, value_enum, default_value_t = EventsFormat::Text)]
    pub format: EventsFormat,
    /// Stop after this time; without it, run until interrupted
    #[arg(long, short, value_name = "TIME", value_parser = positive)]
    pub duration: Option<Duration>,
    /// Which kernel functions to probe; by default those that the kinds need
    #[arg(long, short, value_enum)]
    pub probes: Option<ProbesArg>,
    /// The most events of one kind to report in a second
    #[arg(long, value_name = "N", default_value_t = EVENT_RATE)]
    pub event_rate: u32,
    /// Network namespaces to watch, each as an instance: self, all, a name of `ip netns`, a process
    /// id, or a path; several separated by commas
    #[arg(
        long,
        short,
        value_name = "NETNS",
        value_delimiter = ',',
        default_value = "self"
    )]
    pub netns: Vec<NamespaceChoice>,
    /// Options for top talkers.
    #[command(flatten)]
    pub top: TopArgs,
    /// Root of the host's file system, with the files that name pods and containers, where ctpulse itself has
    /// another one [default: that of process 1]
    #[arg(long, value_name = "DIR")]
    pub host_root: Option<PathBuf>,
}

impl EventsArgs {
    /// Time from an event to its line, at most.
    const INTERVAL: Duration = Duration::from_millis(100);

    /// The settings of the run that these options ask for.
    #[must_use]
    pub fn settings(&self) -> RunSettings {
        // No function per flow sees an invalid packet.
        let default = if self.kind.contains(&EventKind::Invalid) {
            ProbesArg::All
        } else {
            ProbesArg::Auto
        };
        let stream = StreamArgs {
            interval: Self::INTERVAL,
            duration: self.duration,
            probing: ProbeArgs::of(self.probes.unwrap_or(default)),
            netns: self.netns.clone(),
            event_rate: self.event_rate,
            top: self.top.clone(),
            host_root: self.host_root.clone(),
            ..StreamArgs::default()
        };
        RunSettings {
            events_named: true,
            ..stream.settings(Config::default())
        }
    }
}

/// Output formats of `events`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EventsFormat {
    /// A line of text per event
    Text,
    /// One JSON object per line
    Json,
}

/// Options of `doctor`.
#[derive(Args, Clone, Debug)]
pub struct DoctorArgs {
    /// The network namespace to look at: self, a name of `ip netns`, a process id, or a path
    #[arg(long, short, value_name = "NETNS", default_value = "self")]
    pub netns: NamespaceChoice,
    /// Output format
    #[arg(long, short, value_enum, default_value_t = DoctorFormat::Text)]
    pub format: DoctorFormat,
}

/// Output formats of `doctor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DoctorFormat {
    /// For people
    Text,
    /// One JSON object
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn csv_has_no_place_for_cpus() {
        let check =
            |args: &[&str]| Cli::parse_from([&["ctpulse", "stream"], args].concat()).check();
        assert!(check(&["--per-cpu", "--format", "csv"]).is_err());
        assert!(check(&["--per-cpu", "--format", "json"]).is_ok());
        assert!(check(&["--format", "csv"]).is_ok());
    }

    #[test]
    fn top_takes_a_number_or_none() {
        let parse = |args: &[&str]| {
            let all = [&["ctpulse", "stream"], args].concat();
            match Cli::try_parse_from(all).map(|cli| cli.command) {
                Ok(Some(Command::Stream(args))) => Some(args.top),
                _ => None,
            }
        };
        let top = |args| parse(args).map(|top| top.top);
        assert_eq!(top(&[]), Some(None));
        assert_eq!(top(&["--top"]), Some(Some(10)));
        assert_eq!(top(&["--top", "--buckets"]), Some(Some(10)));
        assert_eq!(top(&["--top", "3"]), Some(Some(3)));
        assert_eq!(top(&["--top", "0"]), None);
        assert_eq!(top(&["--top-prefix", "24"]), None);
        assert_eq!(top(&["--top", "--proc-root", "/x"]), None);
        let prefixes = parse(&["--top", "--top-prefix", "24", "--top-prefix6", "48"]);
        assert_eq!(
            prefixes.map(|top| (top.top_prefix, top.top_prefix6)),
            Some((24, 48))
        );
    }

    #[test]
    fn defaults_are_the_same_with_and_without_the_command() {
        let Some(Command::Stream(args)) = Cli::parse_from(["ctpulse", "stream"]).command else {
            panic!("stream was parsed as another command")
        };
        assert_eq!(format!("{args:?}"), format!("{:?}", StreamArgs::default()));
        let Some(Command::Live(args)) = Cli::parse_from(["ctpulse", "live"]).command else {
            panic!("live was parsed as another command")
        };
        assert_eq!(format!("{args:?}"), format!("{:?}", LiveArgs::default()));
    }

    #[test]
    fn another_host_is_asked_for_the_same() {
        let options = "--interval 50ms --buckets --per-cpu --probes all --no-fentry=early_drop --netns self,a --source proc \
                       --privileges keep --event-rate 7 --burst-threshold 3 --burst-min 9 --burst-longest 2s --top 4 --top-prefix 24 \
                       --top-prefix6 48 --lifetimes --latency --without-function early_drop";
        let parse = |words: Vec<String>| {
            let all = ["ctpulse", "stream"].map(str::to_owned);
            match Cli::try_parse_from(all.into_iter().chain(words)).map(|cli| cli.command) {
                Ok(Some(Command::Stream(args))) => args,
                other => panic!("not parsed as a stream: {other:?}"),
            }
        };
        let asked = parse(options.split_whitespace().map(str::to_owned).collect());
        let passed_on = asked.from.ssh_settings(&asked).arguments;
        let (fixed, rest) = passed_on.split_at(4);
        assert_eq!(fixed, ["stream", "--format", "json", "--until-stdin-ends"]);
        assert_eq!(format!("{:?}", parse(rest.to_vec())), format!("{asked:?}"));
    }
}
