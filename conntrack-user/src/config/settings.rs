//! The settings that a configuration file can change.

use std::time::Duration;

use crate::model::alert::AlertSettings;

/// The settings of a configuration file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// How alerts are evaluated.
    pub alerts: AlertSettings,
    /// The limits of the commands of `--on-alert`.
    pub on_alert: HookLimits,
}

/// The limits of the commands of `--on-alert`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HookLimits {
    /// Time after which a command is killed, with all processes it has started.
    pub timeout: Duration,
    /// How many may run at once.
    pub at_once: usize,
    /// How many notifications may wait for their command; more are dropped, and counted.
    pub queue: usize,
}

impl Default for HookLimits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            at_once: 4,
            queue: 64,
        }
    }
}
