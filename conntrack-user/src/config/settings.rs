//! The settings that a configuration file can change.

use std::time::Duration;

use crate::{keyboard::bindings::Bindings, model::alert::AlertSettings};

/// The settings of a configuration file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// How alerts are evaluated.
    pub alerts: AlertSettings,
    /// The limits of the commands of `--on-alert`.
    pub on_alert: HookLimits,
    /// How the live view starts.
    pub live: LiveConfig,
}

/// How the live view starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveConfig {
    /// One of [`THEMES`].
    pub theme: &'static str,
    /// One of [`LAYOUTS`].
    pub layout: &'static str,
    /// Whether times are local, instead of UTC.
    pub local_time: bool,
    /// Whether the mouse is used.
    pub mouse: bool,
    /// What keys do.
    pub keys: Bindings,
}

/// The names of themes.
pub const THEMES: &[&str] = &["auto", "dark", "light", "16", "none"];

/// The names of layouts.
pub const LAYOUTS: &[&str] = &["overview", "charts", "events"];

impl Default for LiveConfig {
    fn default() -> Self {
        Self {
            theme: THEMES[0],
            layout: LAYOUTS[0],
            local_time: false,
            mouse: false,
            keys: Bindings::default(),
        }
    }
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
