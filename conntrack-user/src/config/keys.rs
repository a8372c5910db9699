//! Every key there is.

use std::time::Duration;

use jiff::SignedDuration;

use crate::{
    config::Limits,
    model::alert::{AlertSpec, Level, Settings},
};

/// What a key may be set to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// A number from 0 to the alert's greatest threshold, or `"off"`.
    Threshold,
    /// A number from 0 to the alert's greatest threshold.
    Hold,
    /// A number from the first to the second.
    Number(f64, f64),
    /// A whole number from the first to the second.
    Count(u32, u32),
    /// A time, as in `"1m 30s"`, from the first to the second.
    Time(Duration, Duration),
}

/// What a key is set to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    /// Of a flag.
    Flag(bool),
    /// Of a number; `None`: `"off"`.
    Number(Option<f64>),
    /// Of a time.
    Time(Duration),
}

/// A key of settings `S`.
#[derive(Clone, Copy)]
pub struct Key<S> {
    /// Its name.
    pub name: &'static str,
    /// What it sets.
    pub meaning: &'static str,
    /// What it may be set to.
    pub kind: Kind,
    /// What it is set to; `None` where it sets nothing.
    pub(super) get: fn(&S) -> Option<Value>,
    /// Sets it.
    pub(super) set: fn(&mut S, Value),
}

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// The keys of each alert, `[alerts.NAME]`.
pub const ALERT_KEYS: &[Key<Settings>] = &[
    Key {
        name: "enabled",
        meaning: "whether the alert is judged at all",
        kind: Kind::Flag,
        get: |s| Some(Value::Flag(s.enabled)),
        set: |s, value| {
            if let Value::Flag(enabled) = value {
                s.enabled = enabled;
            }
        },
    },
    Key {
        name: "warning",
        meaning: "beyond this it is a warning: above it, for conntrack_time_to_full below it",
        kind: Kind::Threshold,
        get: |s| Some(raise(s.thresholds.warning)),
        set: |s, value| set_raise(&mut s.thresholds.warning, value),
    },
    Key {
        name: "warning_hold",
        meaning: "beyond this it stays one; if left out, its default, or `warning` if that is milder",
        kind: Kind::Hold,
        get: |s| hold(s.thresholds.warning),
        set: |s, value| set_hold(&mut s.thresholds.warning, value),
    },
    Key {
        name: "critical",
        meaning: "beyond this it is critical",
        kind: Kind::Threshold,
        get: |s| Some(raise(s.thresholds.critical)),
        set: |s, value| set_raise(&mut s.thresholds.critical, value),
    },
    Key {
        name: "critical_hold",
        meaning: "beyond this it stays critical; if left out, as for `warning_hold`",
        kind: Kind::Hold,
        get: |s| hold(s.thresholds.critical),
        set: |s, value| set_hold(&mut s.thresholds.critical, value),
    },
    Key {
        name: "window",
        meaning: "time the value is taken over; netfilter_conntrack_full is judged once in it",
        kind: Kind::Time(Duration::from_millis(100), HOUR),
        get: |s| s.window.map(Value::Time),
        set: |s, value| {
            if let Value::Time(window) = value {
                s.window = Some(window);
            }
        },
    },
    Key {
        name: "delay_up",
        meaning: "wait before a raise is told",
        kind: Kind::Time(Duration::ZERO, DAY),
        get: |s| Some(Value::Time(s.delay.up)),
        set: |s, value| set_time(&mut s.delay.up, value),
    },
    Key {
        name: "delay_down",
        meaning: "wait before a fall is told",
        kind: Kind::Time(Duration::ZERO, DAY),
        get: |s| Some(Value::Time(s.delay.down)),
        set: |s, value| set_time(&mut s.delay.down, value),
    },
    Key {
        name: "delay_multiplier",
        meaning: "growth of the waits each time the status changes while one is running",
        kind: Kind::Number(1.0, 10.0),
        get: |s| Some(Value::Number(Some(s.delay.multiplier))),
        set: |s, value| {
            if let Value::Number(Some(multiplier)) = value {
                s.delay.multiplier = multiplier;
            }
        },
    },
    Key {
        name: "delay_max",
        meaning: "what waits do not grow beyond",
        kind: Kind::Time(Duration::ZERO, DAY),
        get: |s| Some(Value::Time(s.delay.max)),
        set: |s, value| set_time(&mut s.delay.max, value),
    },
];

/// The keys of `[on_alert]`.
pub const ON_ALERT_KEYS: &[Key<Limits>] = &[
    Key {
        name: "timeout",
        meaning: "time after which the command of --on-alert is killed, with all it has started",
        kind: Kind::Time(Duration::from_millis(100), HOUR),
        get: |s| Some(Value::Time(s.timeout)),
        set: |s, value| set_time(&mut s.timeout, value),
    },
    Key {
        name: "at_once",
        meaning: "how many of them may run at once",
        kind: Kind::Count(1, 64),
        get: |s| Some(Value::Number(Some(s.at_once as f64))),
        set: |s, value| set_count(&mut s.at_once, value),
    },
    Key {
        name: "queue",
        meaning: "how many notifications may wait for theirs; more are left out, and counted",
        kind: Kind::Count(1, 10_000),
        get: |s| Some(Value::Number(Some(s.queue as f64))),
        set: |s, value| set_count(&mut s.queue, value),
    },
];

fn raise(level: Option<Level>) -> Value {
    Value::Number(level.map(|level| level.raise))
}

fn hold(level: Option<Level>) -> Option<Value> {
    level.map(|level| Value::Number(Some(level.hold)))
}

/// The hold of a level that was off is its raise until it is set.
fn set_raise(level: &mut Option<Level>, value: Value) {
    if let Value::Number(number) = value {
        *level = number.map(|raise| Level {
            raise,
            hold: level.map_or(raise, |level| level.hold),
        });
    }
}

fn set_hold(level: &mut Option<Level>, value: Value) {
    if let (Some(level), Value::Number(Some(hold))) = (level, value) {
        level.hold = hold;
    }
}

fn set_time(time: &mut Duration, value: Value) {
    if let Value::Time(new) = value {
        *time = new;
    }
}

fn set_count(count: &mut usize, value: Value) {
    if let Value::Number(Some(number)) = value {
        *count = number as usize;
    }
}

/// A time as it is written: `5m`, `100ms`.
pub(super) fn time(time: Duration) -> String {
    let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
    format!("{time:#}")
}

impl Kind {
    /// What may be written, where the greatest threshold is `most`.
    #[must_use]
    pub fn expected(self, most: Option<&AlertSpec>) -> String {
        let threshold = || match most {
            Some(spec) => format!("a number from 0 to {} ({})", spec.most, spec.unit),
            None => "a number in the alert's unit".to_owned(),
        };
        match self {
            Self::Flag => "true or false".to_owned(),
            Self::Threshold => format!("{}, or \"off\"", threshold()),
            Self::Hold => threshold(),
            Self::Number(low, high) => format!("a number from {low} to {high}"),
            Self::Count(low, high) => format!("a whole number from {low} to {high}"),
            Self::Time(low, high) => format!(
                "a time in quotes, such as \"1m 30s\", from {} to {}",
                time(low),
                time(high)
            ),
        }
    }
}
