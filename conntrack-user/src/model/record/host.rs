//! The hosts that records come from, where they come from several or from elsewhere.

use serde::{Deserialize, Serialize};

use crate::{
    model::record::{hello::Hello, wire::Time},
    text::Text,
};

/// The state of a host, and what is known of it. Its times are those of the ctpulse that watches it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostStatus {
    /// When this became so.
    pub time: Time,
    /// The name that its instances begin with, up to a slash.
    pub name: Text,
    /// Where its records come from, as it was asked for.
    pub source: Text,
    /// Whether its records come.
    pub state: HostState,
    /// Since when it is in that state.
    pub since: Time,
    /// Why it is lost or refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
    /// How far its clock is ahead of the watching one, in milliseconds, by the record that took the least time to arrive:
    /// too little by that time. `None` if it was not measured.
    pub clock_ahead_ms: Option<f64>,
    /// Its last hello, with the names that its instances have here; `None` before there was one.
    pub hello: Option<Hello>,
}

/// Whether the records of a host come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HostState {
    /// It was not reached yet.
    Connecting,
    /// They come.
    Connected,
    /// They do not come, and are waited for.
    Lost,
    /// All have come: its run or its file has ended.
    Ended,
    /// They cannot be used, or it cannot be reached, and that does not heal by itself.
    Refused,
}

impl HostState {
    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Lost => "lost",
            Self::Ended => "ended",
            Self::Refused => "refused",
        }
    }

    /// Whether nothing more can come.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Ended | Self::Refused)
    }
}
