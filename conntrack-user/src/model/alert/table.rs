//! The table of all alerts with their defaults, and the settings of an alert.

use std::{ops::Index, time::Duration};

use crate::model::{
    alert::{ConntrackFull, Delay, Level, Thresholds, Worse},
    forecast::HORIZON_S,
};

/// A row of [`ALERTS`].
#[repr(usize)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertId {
    Full,
    TableFull,
    InsertFailed,
    NatExhausted,
    EarlyDrop,
    TimeToFull,
    ProbeMismatch,
}

impl AlertId {
    /// Its row.
    #[must_use]
    pub fn spec(self) -> &'static AlertSpec {
        &ALERTS[self as usize]
    }
}

/// A row of the table: what the alert is about, and its default settings.
#[derive(Clone, Copy, Debug)]
pub struct AlertSpec {
    /// Its position in the table.
    pub id: AlertId,
    pub name: &'static str,
    /// Unit of its value and thresholds.
    pub unit: &'static str,
    /// What its value is, as the configuration explains it.
    pub meaning: &'static str,
    /// The greatest threshold that can be configured.
    pub most: f64,
    /// How it is judged by default.
    pub defaults: AlertRule,
}

/// How an alert is judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlertRule {
    /// Whether it is evaluated.
    pub enabled: bool,
    /// When its status is raised and cleared.
    pub thresholds: Thresholds,
    /// The delays of its notifications.
    pub delay: Delay,
    /// The time that its value is taken over; `None` of an alert whose value has a time span of its own.
    pub window: Option<Duration>,
}

/// Number of alerts.
pub const COUNT: usize = 7;

const WINDOW: Option<Duration> = Some(ConntrackFull::EVERY);

const fn level(raise: f64, hold: f64) -> Option<Level> {
    Some(Level { raise, hold })
}

const fn settings(
    worse: Worse,
    warning: Option<Level>,
    critical: Option<Level>,
    window: Option<Duration>,
) -> AlertRule {
    AlertRule {
        enabled: true,
        thresholds: Thresholds {
            worse,
            warning,
            critical,
        },
        delay: ConntrackFull::DELAY,
        window,
    }
}

/// Every alert, in the order of [`AlertId`].
pub const ALERTS: [AlertSpec; COUNT] = [
    AlertSpec {
        id: AlertId::Full,
        name: ConntrackFull::NAME,
        unit: ConntrackFull::UNIT,
        meaning: "most entries in the window, in percent of nf_conntrack_max",
        most: 100.0,
        defaults: ConntrackFull::SETTINGS,
    },
    AlertSpec {
        id: AlertId::TableFull,
        name: "conntrack_table_full",
        unit: "events/s",
        meaning: "flows refused because the table was full",
        most: 1e9,
        defaults: settings(Worse::Above, level(0.0, 0.0), level(10.0, 5.0), WINDOW),
    },
    AlertSpec {
        id: AlertId::InsertFailed,
        name: "conntrack_insert_failed",
        unit: "events/s",
        meaning: "flows that could not be put into the table",
        most: 1e9,
        defaults: settings(Worse::Above, level(1.0, 0.5), level(100.0, 50.0), WINDOW),
    },
    AlertSpec {
        id: AlertId::NatExhausted,
        name: "conntrack_nat_exhausted",
        unit: "events/s",
        meaning: "flows refused because NAT found no free port for them",
        most: 1e9,
        defaults: settings(Worse::Above, level(0.0, 0.0), level(10.0, 5.0), WINDOW),
    },
    AlertSpec {
        id: AlertId::EarlyDrop,
        name: "conntrack_early_drop",
        unit: "events/s",
        meaning: "unassured flows evicted from a full table",
        most: 1e9,
        defaults: settings(Worse::Above, level(0.0, 0.0), level(100.0, 50.0), WINDOW),
    },
    AlertSpec {
        id: AlertId::TimeToFull,
        name: "conntrack_time_to_full",
        unit: "s",
        meaning: "seconds until the table is full; 86400 for a day or more, or not filling",
        most: HORIZON_S,
        defaults: settings(Worse::Below, level(300.0, 450.0), level(60.0, 90.0), None),
    },
    AlertSpec {
        id: AlertId::ProbeMismatch,
        name: "conntrack_probe_mismatch",
        unit: "checks",
        meaning: "checks of the probes against the kernel that end in mismatch",
        most: 1e3,
        defaults: settings(Worse::Above, level(0.0, 0.0), None, None),
    },
];

/// The alert with this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static AlertSpec> {
    ALERTS.iter().find(|spec| spec.name == name)
}

/// The settings of each alert, in the order of [`AlertId`].
#[derive(Clone, Debug, PartialEq)]
pub struct AlertSettings(pub [AlertRule; COUNT]);

impl Default for AlertSettings {
    fn default() -> Self {
        Self(ALERTS.map(|spec| spec.defaults))
    }
}

impl Index<AlertId> for AlertSettings {
    type Output = AlertRule;

    fn index(&self, id: AlertId) -> &AlertRule {
        &self.0[id as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_the_order_of_their_ids() {
        for (i, spec) in ALERTS.iter().enumerate() {
            assert_eq!(spec.id as usize, i, "{}", spec.name);
            assert_eq!(spec.id.spec().name, spec.name);
            assert_eq!(named(spec.name).map(|named| named.id), Some(spec.id));
        }
    }

    #[test]
    fn defaults_are_in_order() {
        for spec in &ALERTS {
            let Thresholds {
                worse,
                warning,
                critical,
            } = spec.defaults.thresholds;
            for level in warning.iter().chain(&critical) {
                assert!(!worse.beyond(level.hold, level.raise), "{}", spec.name);
                assert!(level.raise <= spec.most && level.hold <= spec.most);
            }
            if let Some((warning, critical)) = warning.zip(critical) {
                assert!(worse.beyond(critical.raise, warning.raise), "{}", spec.name);
            }
        }
    }
}
