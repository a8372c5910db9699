//! The command line of `check`: one measurement for scripts and monitoring systems.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{FromArgs, ProbeArgs, ProbesArg, SourceArg, StreamArgs};
use crate::{
    cli::values::{ValueError, positive},
    clock::parse_duration,
    engine::settings::NamespaceChoice,
    model::alert::check::{CheckLimits, CheckRules, CheckThresholds},
    remote::Source,
};

const FULL: &str = "Thresholds: how full";
const RATES: &str = "Thresholds: what is lost, in events per second over the window";
const WHERE: &str = "What to check";

/// The window where rates are judged and none was given.
const RATE_WINDOW: Duration = Duration::from_secs(1);

/// How much longer than its window a check may take, unless a time was given.
const PATIENCE: Duration = Duration::from_secs(10);

/// Options of `check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// WARNING above this much of nf_conntrack_max
    #[arg(long, short, value_name = "PERCENT", value_parser = percent,
          default_value_t = CheckLimits::WARN, help_heading = FULL)]
    pub warn: f64,
    /// CRITICAL above this much of nf_conntrack_max
    #[arg(long, short, value_name = "PERCENT", value_parser = percent,
          default_value_t = CheckLimits::CRIT, help_heading = FULL)]
    pub crit: f64,
    /// WARNING above this many entries, besides
    #[arg(long, value_name = "N", help_heading = FULL)]
    pub warn_entries: Option<u32>,
    /// CRITICAL above this many entries, besides
    #[arg(long, value_name = "N", help_heading = FULL)]
    pub crit_entries: Option<u32>,
    /// WARNING if expectations fill more of nf_conntrack_expect_max
    #[arg(long, value_name = "PERCENT", value_parser = percent, help_heading = FULL)]
    pub warn_expect: Option<f64>,
    /// CRITICAL if expectations fill more of nf_conntrack_expect_max
    #[arg(long, value_name = "PERCENT", value_parser = percent, help_heading = FULL)]
    pub crit_expect: Option<f64>,
    /// WARNING above this many flows refused; 0: any
    #[arg(long, value_name = "RATE", value_parser = rate, help_heading = RATES)]
    pub warn_drop: Option<f64>,
    /// CRITICAL above this many flows refused; 0: any
    #[arg(long, value_name = "RATE", value_parser = rate, help_heading = RATES)]
    pub crit_drop: Option<f64>,
    /// WARNING above this many entries evicted; 0: any
    #[arg(long, value_name = "RATE", value_parser = rate, help_heading = RATES)]
    pub warn_early_drop: Option<f64>,
    /// CRITICAL above this many entries evicted; 0: any
    #[arg(long, value_name = "RATE", value_parser = rate, help_heading = RATES)]
    pub crit_early_drop: Option<f64>,
    /// WARNING above this many entries that could not be inserted; 0: any
    #[arg(long, value_name = "RATE", value_parser = rate, help_heading = RATES)]
    pub warn_insert_failed: Option<f64>,
    /// CRITICAL above this many entries that could not be inserted; 0: any
    #[arg(long, value_name = "RATE", value_parser = rate, help_heading = RATES)]
    pub crit_insert_failed: Option<f64>,
    /// Measure for this long and judge the fullest moment, and the rates [default: 1s with thresholds
    /// of rates, else one look]
    #[arg(long, value_name = "TIME", value_parser = positive, help_heading = WHERE)]
    pub window: Option<Duration>,
    /// UNKNOWN if it takes longer, in seconds or as 500ms [default: 10s more than the window]
    #[arg(long, short, value_name = "TIME", value_parser = seconds)]
    pub timeout: Option<Duration>,
    /// UNKNOWN if the table is empty, unless a rule is known to track: for where traffic must be
    #[arg(long)]
    pub require_tracking: bool,
    /// OK if nf_conntrack is not loaded: for hosts of which some have no firewall
    #[arg(long, conflicts_with = "from")]
    pub not_loaded_ok: bool,
    /// The network namespace to check: self, a name of `ip netns`, a process id, or a path
    #[arg(
        long,
        short,
        value_name = "NETNS",
        default_value = "self",
        help_heading = WHERE
    )]
    pub netns: NamespaceChoice,
    /// Options for other hosts.
    #[command(flatten)]
    pub from: FromArgs,
    /// Read a directory laid out like /proc: copies of its files, or a process's directory in procfs
    #[arg(long, value_name = "DIR", conflicts_with = "netns", help_heading = WHERE)]
    pub proc_root: Option<PathBuf>,
    /// Where to read the kernel's counters from
    #[arg(
        long,
        value_enum,
        default_value_t = SourceArg::Auto,
        conflicts_with = "proc_root",
        help_heading = WHERE
    )]
    pub source: SourceArg,
}

impl CheckArgs {
    /// What is judged.
    #[must_use]
    pub fn rules(&self) -> CheckRules {
        let thresholds = |warn, crit| CheckThresholds { warn, crit };
        CheckRules {
            limits: CheckLimits {
                utilization: thresholds(Some(self.warn), Some(self.crit)),
                entries: thresholds(
                    self.warn_entries.map(f64::from),
                    self.crit_entries.map(f64::from),
                ),
                expectations: thresholds(self.warn_expect, self.crit_expect),
                rates: [
                    thresholds(self.warn_drop, self.crit_drop),
                    thresholds(self.warn_early_drop, self.crit_early_drop),
                    thresholds(self.warn_insert_failed, self.crit_insert_failed),
                ],
            },
            requires_tracking: self.require_tracking,
        }
    }

    /// The options of a stream whose samples are judged: of other hosts.
    #[must_use]
    pub fn measured(&self) -> StreamArgs {
        StreamArgs {
            netns: vec![self.netns.clone()],
            proc_root: self.proc_root.clone(),
            source: self.source,
            probing: ProbeArgs::of(match self.from.from.iter().any(Source::is_started) {
                true => ProbesArg::Off,
                false => ProbesArg::Auto,
            }),
            from: self.from.clone(),
            ..StreamArgs::default()
        }
    }

    /// How long to measure; `None`: once.
    #[must_use]
    pub fn measured_for(&self) -> Option<Duration> {
        let needs_two = self.rules().limits.has_rates();
        self.window.or(needs_two.then_some(RATE_WINDOW))
    }

    /// When to give up.
    #[must_use]
    pub fn gives_up_after(&self) -> Duration {
        self.timeout
            .unwrap_or(self.measured_for().unwrap_or_default() + PATIENCE)
    }
}

fn percent(text: &str) -> Result<f64, ValueError> {
    let number = text.strip_suffix('%');
    let bare = number.is_none();
    match number.unwrap_or(text).trim().parse::<f64>() {
        Ok(ratio) if bare && ratio > 0.0 && ratio < 1.0 => Err(ValueError::new(format!(
            "that is {ratio} percent, and looks like a ratio: write {}% for the ratio, or {ratio}% if you mean it",
            (ratio * 1e6).round() / 1e4
        ))),
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err(ValueError::new(
            "expected a percentage from 0 to 100, such as 85%",
        )),
    }
}

fn rate(text: &str) -> Result<f64, ValueError> {
    match text.strip_suffix("/s").unwrap_or(text).trim().parse() {
        Ok(rate) if (0.0..1e12).contains(&rate) => Ok(rate),
        _ => Err(ValueError::new(
            "expected events per second, such as 10 or 0.5; 0 for any at all",
        )),
    }
}

/// As plugins have it: seconds, or a time with its unit.
fn seconds(text: &str) -> Result<Duration, ValueError> {
    let time = match text.parse::<u32>() {
        Ok(seconds) => Some(Duration::from_secs(seconds.into())),
        Err(_) => parse_duration(text),
    };
    time.filter(|time| *time > Duration::ZERO)
        .ok_or_else(|| ValueError::new("expected seconds, such as 10, or a time such as 500ms"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_not_taken_for_percentages() {
        for (ratio, percentage) in [
            ("0.8", "80%"),
            ("0.75", "75%"),
            (".9", "90%"),
            ("0.005", "0.5%"),
        ] {
            let error = percent(ratio).unwrap_err().to_string();
            assert!(
                error.contains(&format!("write {percentage} for")),
                "{error}"
            );
        }
        for (text, value) in [
            ("0.8%", 0.8),
            ("0", 0.0),
            ("1", 1.0),
            ("85 %", 85.0),
            ("100", 100.0),
        ] {
            assert_eq!(percent(text), Ok(value));
        }
        for wrong in ["-1", "101", "NaN", "soon", "%"] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rates_and_times() {
        assert_eq!(rate("0"), Ok(0.0));
        assert_eq!(rate("2.5/s"), Ok(2.5));
        for wrong in ["-1", "inf", "NaN", "1/m", ""] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
        assert_eq!(seconds("10"), Ok(Duration::from_secs(10)));
        assert_eq!(seconds("500ms"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "-1", "0s", "soon"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
