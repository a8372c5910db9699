//! A finding.

use super::maximum::Proposal;
use crate::{
    model::record::{AdviceTopic, SettingChange},
    text::Text,
};

/// A finding with what speaks for it, and what to set if anything.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cause {
    pub(super) topic: AdviceTopic,
    pub(super) finding: Text,
    pub(super) evidence: Vec<Text>,
    pub(super) change: Option<SettingChange>,
}

impl From<Proposal> for Cause {
    fn from((topic, finding, evidence, change): Proposal) -> Self {
        Self {
            topic,
            finding,
            evidence,
            change: Some(change),
        }
    }
}
