//! The headings under which `--help` has options that several commands share.

pub(super) const SERVING: &str = "Serving";
pub(super) const FROM: &str = "Other hosts";
pub(super) const REMOTE_WRITE: &str = "Remote write";
pub(super) const SOURCES: &str = "Where counters come from";
pub(super) const PROBES: &str = "Probes";
pub(super) const MORE: &str = "What is reported besides";
pub(super) const TOP: &str = "Top talkers";
pub(super) const BURSTS: &str = "Bursts";
pub(super) const ALERTS: &str = "Alerts";
pub(super) const PRIVILEGES: &str = "Privileges";
pub(super) const TEXT: &str = "Text";
