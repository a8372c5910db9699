//! The table of keys: parsing, printing and the messages about mistakes follow from its rows.

use std::{ops::RangeInclusive, time::Duration};

use crate::{
    clock::format_duration,
    config::settings::{HookLimits, LAYOUTS, LiveConfig, THEMES},
    model::alert::{AlertRule, AlertSpec, Level},
};

/// A key of settings `S`.
pub struct ConfigKey<S: 'static> {
    pub name: &'static str,
    /// What it sets, as the printed configuration explains it.
    pub meaning: &'static str,
    pub(super) setting: Setting<S>,
}

/// What a key may be set to, and where its value is kept.
pub(super) enum Setting<S: 'static> {
    /// `true` or `false`.
    Flag(fn(&mut S) -> &mut bool),
    /// A number from 0 to the alert's greatest threshold, or `"off"`.
    Threshold(fn(&mut S) -> &mut Option<Level>),
    /// A number from 0 to the alert's greatest threshold; of a level that is not off.
    Hold(fn(&mut S) -> &mut Option<Level>),
    Number(RangeInclusive<f64>, fn(&mut S) -> &mut f64),
    /// A whole number.
    Count(RangeInclusive<usize>, fn(&mut S) -> &mut usize),
    /// One of these words.
    Word(&'static [&'static str], fn(&mut S) -> &mut &'static str),
    /// A time, as in `"1m 30s"`; `None` where these settings do not have it.
    Time(
        RangeInclusive<Duration>,
        fn(&mut S) -> Option<&mut Duration>,
    ),
}

const TENTH: Duration = Duration::from_millis(100);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// The keys of each alert, `[alerts.NAME]`. A level comes before its hold.
pub const ALERT_KEYS: &[ConfigKey<AlertRule>] = &[
    ConfigKey {
        name: "enabled",
        meaning: "whether the alert is evaluated",
        setting: Setting::Flag(|s| &mut s.enabled),
    },
    ConfigKey {
        name: "warning",
        meaning: "raises WARNING when the value is beyond this: above it, for conntrack_time_to_full below it",
        setting: Setting::Threshold(|s| &mut s.thresholds.warning),
    },
    ConfigKey {
        name: "warning_hold",
        meaning: "keeps WARNING while the value is beyond this; if left out, its default, or `warning` if that is milder",
        setting: Setting::Hold(|s| &mut s.thresholds.warning),
    },
    ConfigKey {
        name: "critical",
        meaning: "raises CRITICAL when the value is beyond this",
        setting: Setting::Threshold(|s| &mut s.thresholds.critical),
    },
    ConfigKey {
        name: "critical_hold",
        meaning: "keeps CRITICAL while the value is beyond this; if left out, as for `warning_hold`",
        setting: Setting::Hold(|s| &mut s.thresholds.critical),
    },
    ConfigKey {
        name: "window",
        meaning: "time the value is taken over; netfilter_conntrack_full is evaluated once in it",
        setting: Setting::Time(TENTH..=HOUR, |s| s.window.as_mut()),
    },
    ConfigKey {
        name: "delay_up",
        meaning: "delay of the notification when the status gets worse",
        setting: Setting::Time(Duration::ZERO..=DAY, |s| Some(&mut s.delay.up)),
    },
    ConfigKey {
        name: "delay_down",
        meaning: "delay of the notification when the status gets better",
        setting: Setting::Time(Duration::ZERO..=DAY, |s| Some(&mut s.delay.down)),
    },
    ConfigKey {
        name: "delay_multiplier",
        meaning: "growth of the delays each time the status changes while one is running",
        setting: Setting::Number(1.0..=10.0, |s| &mut s.delay.multiplier),
    },
    ConfigKey {
        name: "delay_max",
        meaning: "the longest that a delay can grow to",
        setting: Setting::Time(Duration::ZERO..=DAY, |s| Some(&mut s.delay.max)),
    },
];

/// The keys of `[on_alert]`.
pub const ON_ALERT_KEYS: &[ConfigKey<HookLimits>] = &[
    ConfigKey {
        name: "timeout",
        meaning: "time after which the command of --on-alert is killed, with all processes it has started",
        setting: Setting::Time(TENTH..=HOUR, |s| Some(&mut s.timeout)),
    },
    ConfigKey {
        name: "at_once",
        meaning: "how many of them may run at once",
        setting: Setting::Count(1..=64, |s| &mut s.at_once),
    },
    ConfigKey {
        name: "queue",
        meaning: "how many notifications may wait for a command; more are dropped, and counted",
        setting: Setting::Count(1..=10_000, |s| &mut s.queue),
    },
];

/// The keys of `[live]`, besides the table of keys.
pub const LIVE_KEYS: &[ConfigKey<LiveConfig>] = &[
    ConfigKey {
        name: "theme",
        meaning: "colours: auto goes by the terminal, 16 takes those of the terminal itself; --theme overrides it",
        setting: Setting::Word(THEMES, |s| &mut s.theme),
    },
    ConfigKey {
        name: "layout",
        meaning: "what is shown first",
        setting: Setting::Word(LAYOUTS, |s| &mut s.layout),
    },
    ConfigKey {
        name: "local_time",
        meaning: "whether times are those of the local time zone, instead of UTC; recordings and JSON are always UTC",
        setting: Setting::Flag(|s| &mut s.local_time),
    },
    ConfigKey {
        name: "mouse",
        meaning: "whether the mouse is used, as with --mouse; selecting text then needs Shift in most terminals",
        setting: Setting::Flag(|s| &mut s.mouse),
    },
];

impl<S> Setting<S> {
    /// Whether `settings` have this key: some alerts have no `window`.
    pub(super) fn exists(&self, settings: &mut S) -> bool {
        match self {
            Self::Time(_, at) => at(settings).is_some(),
            _ => true,
        }
    }

    /// The values that are accepted, in words; thresholds go up to that of `alert`.
    pub(super) fn expected(&self, alert: Option<&AlertSpec>) -> String {
        let threshold = match alert {
            Some(spec) => format!("a number from 0 to {} ({})", spec.most, spec.unit),
            None => "a number in the alert's unit".to_owned(),
        };
        match self {
            Self::Flag(_) => "true or false".to_owned(),
            Self::Threshold(_) => format!("{threshold}, or \"off\""),
            Self::Hold(_) => threshold,
            Self::Number(range, _) => {
                format!("a number from {} to {}", range.start(), range.end())
            }
            Self::Count(range, _) => {
                format!("a whole number from {} to {}", range.start(), range.end())
            }
            Self::Word(words, _) => {
                let quoted: Vec<String> = words.iter().map(|w| format!("\"{w}\"")).collect();
                quoted.join(" or ")
            }
            Self::Time(range, _) => format!(
                "a time in quotes, such as \"1m 30s\", from {} to {}",
                format_duration(*range.start()),
                format_duration(*range.end())
            ),
        }
    }
}
