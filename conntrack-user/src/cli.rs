//! The command line.

pub mod check;
pub mod recordings;

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use conntrack_ebpf::EventKind;

use self::{
    check::CheckArgs,
    recordings::{RecordArgs, ReplayArgs, ReportArgs},
};
use crate::{
    model::{
        alert::AlertSettings,
        bursts::Settings,
        event::{kind_name, kind_named},
        filter::Filter,
    },
    output::text::{ChartName, ColumnName, Numbers, Selection, View},
    probes::plan::EVENT_RATE,
};

/// High-frequency monitor of Linux connection tracking.
///
/// Shows Netdata's six conntrack charts and its alert netfilter_conntrack_full, right on every
/// kernel: counters that the kernel stopped counting in 4.9 are counted by eBPF probes, in buckets
/// of about a millisecond, and cross-checked against the kernel's own.
#[derive(Debug, Parser)]
#[command(
    name = "ctpulse",
    version,
    after_help = "Without a command, ctpulse shows the live view on a terminal, else it streams.\n\
        Data goes to stdout, everything else to stderr. Exit status: 0 done, 1 failed, 2 bad usage\n\
        (`check` has those of monitors).\n\n\
        Examples:\n  \
        ctpulse doctor                                   what this host offers, and what that costs\n  \
        ctpulse                                          watch it live\n  \
        ctpulse stream --interval 1s                     a line per second\n  \
        ctpulse record incident.ctp                      keep\n  \
        ctpulse report incident.ctp -o incident.html     show"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Say more on stderr.
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

impl Cli {
    /// What cannot be asked for together, beyond what the definition says.
    ///
    /// # Errors
    ///
    /// What is wrong, and what to do instead.
    pub fn check(&self) -> Result<(), &'static str> {
        match &self.command {
            Some(Command::Stream(args)) => args.check(),
            Some(Command::Record(args)) if args.show => args.stream.check(),
            Some(Command::Replay(args)) => args.shown().check(),
            Some(Command::Live(args)) if args.stream.view != ViewArgs::default() => {
                Err("--columns, --chart, --numbers and --color are for `ctpulse stream`")
            }
            _ => Ok(()),
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch it live: charts, bursts to the millisecond, events and culprits, until q is pressed
    #[command(
        after_help = "Keys: ? shows them all; q quits, space pauses, arrows scroll and zoom.\n\
        Colours: NO_COLOR=1 for none. Without Unicode: --ascii.\n\n\
        Examples:\n  \
        ctpulse live                                     this network namespace\n  \
        ctpulse live --netns all                         every one; i chooses\n  \
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
        after_help = "Kinds: table_full, early_drop, clash, insert_failed, chain_too_long, \
        icmp_error, and with --probes all also invalid.\n\
        Keys of a filter: family, proto, src, sport, dst, dport.\n\n\
        Examples:\n  \
        ctpulse events                                   whatever goes wrong, until interrupted\n  \
        ctpulse events --kind table_full,early_drop      only what a full table does\n  \
        ctpulse events --filter proto=tcp,dport=443,src=10.0.0.0/8 --format json"
    )]
    Events(EventsArgs),
    /// Keep everything in a file, every millisecond included, for replay and report
    #[command(
        after_help = "FILE grows by a block a second. A crash, a kill or a full disk costs what came \
        after the last block,\nand what is there can be read; `zcat FILE` gives its JSON lines. A FILE that \
        exists is not touched\nwithout --append or --force.\n\n\
        Examples:\n  \
        ctpulse record incident.ctp                      until interrupted\n  \
        ctpulse record incident.ctp --duration 1m --netns all\n  \
        ctpulse record incident.ctp --show               and see it as `stream` does\n  \
        ssh gateway ctpulse record - > gateway.ctp       without a file on the host"
    )]
    Record(RecordArgs),
    /// Show a recording as `stream` showed what happened
    #[command(
        after_help = "JSON is given back exactly as it was. A part (--from, --to) has no summary: \
        that is of the whole.\nWhat cannot be read is told on stderr, with where and why.\n\n\
        Examples:\n  \
        ctpulse replay incident.ctp                      all of it, as fast as it can be read\n  \
        ctpulse replay incident.ctp --speed 1            as it happened\n  \
        ctpulse replay incident.ctp --from 22:46:48 --to 22:46:50 --format json\n  \
        ctpulse replay incident.ctp --from +30s --step   an interval for each Enter"
    )]
    Replay(ReplayArgs),
    /// Make a page of a recording: charts to the millisecond, bursts, events, culprits, cross-check
    #[command(
        after_help = "The page is one file that needs no network: send it, attach it, print it. Keys in it: \
        + and - zoom,\narrows move, 0 shows all, B the busiest moment.\n\n\
        Examples:\n  \
        ctpulse report incident.ctp -o incident.html\n  \
        ctpulse report incident.ctp -o part.html --from 22:46:48 --to 22:46:50 --title 'Ticket 4711'"
    )]
    Report(ReportArgs),
    /// One look for scripts and monitors: exit 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
    #[command(
        after_help = "One line on stdout: the status, then performance data as Nagios and Icinga \
        read it. Needs no privileges\nin its own network namespace. Wrong usage is UNKNOWN, too.\n\n\
        Examples:\n  \
        ctpulse check                                    warns above 90 %, critical above 95 %\n  \
        ctpulse check --warn 75% --crit 90%\n  \
        ctpulse check --window 2s                        the fullest moment of two seconds\n  \
        sudo ctpulse check --netns router                a namespace of `ip netns`"
    )]
    Check(CheckArgs),
    /// Tell what this host offers, what would be attached, and what is missing
    #[command(
        after_help = "Changes nothing. Each thing that is missing comes with what that costs.\n\n\
        Examples:\n  \
        ctpulse doctor                                   before anything else, on a new host\n  \
        ctpulse doctor --format json                     for programs"
    )]
    Doctor(DoctorArgs),
    /// Print the configuration in effect, with every key explained
    #[command(after_help = "Examples:\n  \
        ctpulse config > /etc/ctpulse.toml        something to start from\n  \
        ctpulse config --config FILE              whether a file is right, and what it comes to")]
    Config(ConfigArgs),
    /// Write shell completions and man pages
    #[command(hide = true)]
    Generate(GenerateArgs),
}

/// Options of `config`.
#[derive(Args, Clone, Debug)]
pub struct ConfigArgs {
    /// File to read; without it, /etc/ctpulse.toml if it exists
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Options of whatever raises alerts.
#[derive(Args, Clone, Debug, Default)]
pub struct AlertArgs {
    /// How alerts are judged (`ctpulse config` prints a file); without it, /etc/ctpulse.toml if it
    /// exists
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Run `sh -c CMD` for each notification: as JSON on its stdin, and in CTPULSE_ALERT_NAME,
    /// _STATUS, _PREVIOUS, _VALUE, _UNIT, _INSTANCE and _TIME
    #[arg(long, value_name = "CMD")]
    pub on_alert: Option<String>,
    /// What the file says, once it was read.
    #[arg(skip)]
    pub settings: Box<AlertSettings>,
}

/// Options of `generate`.
#[derive(Args, Clone, Debug)]
pub struct GenerateArgs {
    /// Where to: into its directories completions and man
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}

/// Options of `stream`.
#[derive(Args, Clone, Debug)]
pub struct StreamArgs {
    /// Time between samples: 10ms to 1h
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = interval)]
    pub interval: Duration,
    /// Stop after this time; without it, run until interrupted
    #[arg(long, value_name = "TIME", value_parser = positive)]
    pub duration: Option<Duration>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// What the text shows
    #[command(flatten)]
    pub view: ViewArgs,
    /// Add the in-kernel time series of each interval to JSON samples
    #[arg(long)]
    pub buckets: bool,
    /// Also show each CPU by itself: uneven loads are a classic cause of drops (text and JSON)
    #[arg(long)]
    pub per_cpu: bool,
    /// Which kernel functions to probe
    #[arg(long, value_enum, default_value_t = ProbesArg::Auto)]
    pub probes: ProbesArg,
    /// Use kprobes also where fentry can be had (nf_conntrack built into the kernel): for all functions,
    /// or for these
    #[arg(
        long,
        value_name = "FUNCTION",
        num_args = 0..,
        require_equals = true,
        value_delimiter = ','
    )]
    pub no_fentry: Option<Vec<String>>,
    /// Network namespaces to watch, each as an instance: self, all, a name of `ip netns`, a process
    /// id, or a path; several separated by commas
    #[arg(
        long,
        value_name = "NETNS",
        value_delimiter = ',',
        default_value = "self"
    )]
    pub netns: Vec<Netns>,
    /// Where to read the kernel's own counters from
    #[arg(long, value_enum, default_value_t = SourceArg::Auto, conflicts_with = "proc_root")]
    pub source: SourceArg,
    /// Alerts.
    #[command(flatten)]
    pub alerts: AlertArgs,
    /// Events reported of one kind in a second; 0 for none
    #[arg(long, value_name = "N", default_value_t = EVENT_RATE)]
    pub event_rate: u32,
    /// What counts as a burst
    #[command(flatten)]
    pub bursts: BurstArgs,
    /// Read the kernel's counters from a directory laid out like /proc, without probes
    #[arg(long, value_name = "DIR", conflicts_with = "top")]
    pub proc_root: Option<PathBuf>,
    /// Who fills the table
    #[command(flatten)]
    pub top: TopArgs,
    /// Count how long connections live, and tell it in the summary
    #[arg(long, conflicts_with = "proc_root")]
    pub lifetimes: bool,
    /// Measure the time spent in __nf_conntrack_confirm and early_drop, and tell it in the summary.
    /// Puts probes on __nf_conntrack_confirm, which runs once for each new flow, if --probes all does
    /// not
    #[arg(long, conflicts_with = "proc_root")]
    pub latency: bool,
    /// Load these eBPF programs instead of those embedded: to try out that a wrong one is caught
    #[arg(long, value_name = "FILE", hide = true)]
    pub object: Option<PathBuf>,
    /// Do as if the kernel had no such function: to try out what takes its place
    #[arg(long, value_name = "FUNCTION", hide = true)]
    pub without_function: Vec<String>,
}

/// What counts as a burst.
#[derive(Args, Clone, Debug)]
pub struct BurstArgs {
    /// A burst has at least so many times the usual rate: more than 1, up to 1000
    #[arg(long, value_name = "TIMES", default_value_t = Settings::default().threshold, value_parser = multiple)]
    pub burst_threshold: f64,
    /// A burst has at least so many events more than usual
    #[arg(long, value_name = "N", default_value_t = Settings::default().least, value_parser = clap::value_parser!(u64).range(1..))]
    pub burst_min: u64,
    /// What lasts longer is no burst but a new level: 300ms to 10s
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = longest_burst)]
    pub burst_longest: Duration,
}

impl BurstArgs {
    /// As the detector takes it.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            threshold: self.burst_threshold,
            least: self.burst_min,
            longest: self.burst_longest,
        }
    }
}

impl Default for BurstArgs {
    fn default() -> Self {
        let Settings {
            threshold,
            least,
            longest,
        } = Settings::default();
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
    /// What is watched, and how.
    #[command(flatten)]
    pub stream: StreamArgs,
    /// Do without who fills the table: without its cost to each new flow
    #[arg(long, conflicts_with = "top")]
    pub no_top: bool,
    /// Draw with ASCII characters only
    #[arg(long)]
    pub ascii: bool,
    /// Panic when this key is pressed: to try out that the terminal is given back
    #[arg(long, value_name = "KEY", hide = true)]
    pub panic_on_key: Option<char>,
}

/// Options for who leads.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct TopArgs {
    /// Report who fills the table: the N leading sources, destinations and ports by new flows, drops,
    /// evictions and entries held [default N: 10]
    #[arg(
        long = "top",
        value_name = "N",
        num_args = 0..=1,
        default_missing_value = "10",
        value_parser = clap::value_parser!(u16).range(1..=100)
    )]
    pub top: Option<u16>,
    /// Bits of IPv4 addresses that --top tells apart
    #[arg(long, value_name = "BITS", default_value_t = 32, requires = "top",
        value_parser = clap::value_parser!(u8).range(0..=32))]
    pub top_prefix: u8,
    /// Bits of IPv6 addresses that --top tells apart
    #[arg(long, value_name = "BITS", default_value_t = 64, requires = "top",
        value_parser = clap::value_parser!(u8).range(0..=128))]
    pub top_prefix6: u8,
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

/// Options of `events`.
#[derive(Args, Clone, Debug)]
pub struct EventsArgs {
    /// Kinds of events, separated by commas; without it, all that the probes see
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kind)]
    pub kind: Vec<EventKind>,
    /// Conditions on the tuple that must all hold, such as proto=tcp,dport=443,src=10.0.0.0/8
    #[arg(long, value_name = "FILTER", default_value = "")]
    pub filter: Filter,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = EventsFormat::Text)]
    pub format: EventsFormat,
    /// Stop after this time; without it, run until interrupted
    #[arg(long, value_name = "TIME", value_parser = positive)]
    pub duration: Option<Duration>,
    /// Which kernel functions to probe; by default those that the kinds need
    #[arg(long, value_enum)]
    pub probes: Option<ProbesArg>,
    /// Events reported of one kind in a second
    #[arg(long, value_name = "N", default_value_t = EVENT_RATE)]
    pub event_rate: u32,
    /// Network namespaces to watch, each as an instance: self, all, a name of `ip netns`, a process
    /// id, or a path; several separated by commas
    #[arg(
        long,
        value_name = "NETNS",
        value_delimiter = ',',
        default_value = "self"
    )]
    pub netns: Vec<Netns>,
    /// Who fills the table
    #[command(flatten)]
    pub top: TopArgs,
}

/// Options of text.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct ViewArgs {
    /// Show these columns, in this order: time, entries, used, new.new, new.new.peak, errors.drop …
    #[arg(
        long,
        value_name = "COLUMN",
        value_delimiter = ',',
        conflicts_with = "chart"
    )]
    pub columns: Vec<ColumnName>,
    /// Show only these charts: sockets, new, changes, expect, search, errors
    #[arg(long, value_name = "CHART", value_delimiter = ',')]
    pub chart: Vec<ChartName>,
    /// How to write rates
    #[arg(long, value_enum, default_value_t = NumbersArg::Human)]
    pub numbers: NumbersArg,
    /// Whether to use colours
    #[arg(long, value_enum, default_value_t = ColorArg::Auto)]
    pub color: ColorArg,
}

/// Ways to write rates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum NumbersArg {
    /// Three digits and a unit: 2.32k
    #[default]
    Human,
    /// All digits: 2319.42
    Exact,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorArg {
    /// On a terminal that has them, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl ViewArgs {
    /// What was asked for; `colours` is whether there may be any.
    #[must_use]
    pub fn view(&self, colours: impl FnOnce() -> bool) -> View {
        View {
            selection: if !self.columns.is_empty() {
                Selection::Columns(self.columns.clone())
            } else if !self.chart.is_empty() {
                Selection::Charts(self.chart.clone())
            } else {
                Selection::Fitting
            },
            numbers: match self.numbers {
                NumbersArg::Human => Numbers::Human,
                NumbersArg::Exact => Numbers::Exact,
            },
            colours: match self.color {
                ColorArg::Auto => colours(),
                ColorArg::Always => true,
                ColorArg::Never => false,
            },
        }
    }
}

/// Forms of the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EventsFormat {
    /// A line for eyes per event
    Text,
    /// One JSON object per line
    Json,
}

/// Options of `doctor`.
#[derive(Args, Clone, Debug)]
pub struct DoctorArgs {
    /// Form of the output
    #[arg(long, value_enum, default_value_t = DoctorFormat::Text)]
    pub format: DoctorFormat,
}

/// Forms of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns for eyes
    Text,
    /// One JSON object per line
    Json,
    /// Comma-separated values with a header
    Csv,
}

/// Forms of the doctor's report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DoctorFormat {
    /// For eyes
    Text,
    /// One JSON object
    Json,
}

/// Groups of probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProbesArg {
    /// The flow group, where the host allows it
    Auto,
    /// No probes: only what the kernel counts by itself
    Off,
    /// The flow group: its cost is per connection, not per packet
    Flow,
    /// Everything: what costs every packet too
    All,
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

/// A choice of network namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Netns {
    /// The one ctpulse runs in.
    This,
    /// All that have a name or a process, and those that come.
    All,
    /// One by its name, process id or path.
    Other(String),
}

impl FromStr for Netns {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("expected self, all, a name, a process id or a path".to_owned()),
            "self" => Ok(Self::This),
            "all" => Ok(Self::All),
            _ => Ok(Self::Other(text.to_owned())),
        }
    }
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
            probes: ProbesArg::Auto,
            no_fentry: None,
            netns: vec![Netns::This],
            source: SourceArg::Auto,
            alerts: AlertArgs::default(),
            event_rate: EVENT_RATE,
            bursts: BurstArgs::default(),
            proc_root: None,
            top: TopArgs::default(),
            lifetimes: false,
            latency: false,
            object: None,
            without_function: Vec::new(),
        }
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

impl StreamArgs {
    fn check(&self) -> Result<(), &'static str> {
        let selects = !self.view.columns.is_empty() || !self.view.chart.is_empty();
        match self.format {
            Format::Csv if self.per_cpu => {
                Err("--per-cpu has no place in CSV, whose columns are fixed; use --format json")
            }
            Format::Csv if self.top.top.is_some() => {
                Err("--top has no place in CSV; use --format text or json")
            }
            Format::Csv if self.lifetimes => {
                Err("--lifetimes has no place in CSV; use --format text or json")
            }
            Format::Csv if self.latency => {
                Err("--latency has no place in CSV; use --format text or json")
            }
            Format::Csv | Format::Json if selects => {
                Err("--columns and --chart are for text; the other formats always have everything")
            }
            _ => Ok(()),
        }
    }
}

fn kind(text: &str) -> Result<EventKind, String> {
    kind_named(text).ok_or_else(|| {
        let names: Vec<&str> = EventKind::ALL.into_iter().map(kind_name).collect();
        format!("no such kind; there are {}", names.join(", "))
    })
}

fn positive(text: &str) -> Result<Duration, String> {
    let parsed: jiff::SignedDuration = text
        .parse()
        .map_err(|_| "expected a time such as 100ms, 2.5s or 1m".to_owned())?;
    match Duration::try_from(parsed) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("must be more than zero".to_owned()),
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = positive(text)?;
    if (Duration::from_millis(10)..=Duration::from_secs(3600)).contains(&interval) {
        Ok(interval)
    } else {
        Err("must be from 10ms to 1h".to_owned())
    }
}

fn multiple(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(times) if times > 1.0 && times <= 1000.0 => Ok(times),
        _ => Err("must be a number above 1, up to 1000".to_owned()),
    }
}

fn longest_burst(text: &str) -> Result<Duration, String> {
    let longest = positive(text)?;
    if (Duration::from_millis(300)..=Duration::from_secs(10)).contains(&longest) {
        Ok(longest)
    } else {
        Err("must be from 300ms to 10s".to_owned())
    }
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
    fn times() {
        assert_eq!(interval("100ms"), Ok(Duration::from_millis(100)));
        assert_eq!(interval("1s"), Ok(Duration::from_secs(1)));
        assert_eq!(positive("2.5s"), Ok(Duration::from_millis(2500)));
        assert!(interval("1ms").is_err());
        assert!(positive("0s").is_err());
        assert!(positive("-1s").is_err());
        assert!(positive("5").is_err());
        assert_eq!(longest_burst("2s"), Ok(Duration::from_secs(2)));
        assert!(longest_burst("100ms").is_err());
        assert!(longest_burst("1m").is_err());
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
    fn thresholds() {
        assert_eq!(multiple("1.5"), Ok(1.5));
        for wrong in ["1", "0", "-3", "NaN", "inf", "1001", "x"] {
            assert!(multiple(wrong).is_err(), "{wrong}");
        }
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
}
