//! Which events could not be seen in a recording, and why.

use crate::{
    model::record::{Hello, derived::UnseenEvents},
    text::Text,
};

/// Reasons that are kept.
const REASONS: usize = 16;

/// What could not be seen as an event, at some time of the recording.
#[derive(Clone, Debug, Default)]
pub(super) struct Unseen {
    /// Whether it is known how events were looked for.
    known: bool,
    groups: Vec<UnseenEvents>,
    without_probes: Option<Text>,
}

impl Unseen {
    /// Adds how events are looked for from here on.
    pub(super) fn add(&mut self, hello: &Hello) {
        self.known = true;
        if !hello.probes.is_attached() {
            self.without_probes = Some(hello.probes.why_off());
        }
        for group in hello.unseen_events() {
            match self.groups.iter().position(|g| g.reason == group.reason) {
                Some(at) => {
                    let known = &mut self.groups[at].kinds;
                    let new = group.kinds.into_iter().filter(|kind| !known.contains(kind));
                    let new: Vec<&str> = new.collect();
                    known.extend(new);
                }
                None if self.groups.len() < REASONS => self.groups.push(group),
                None => {}
            }
        }
    }

    /// Whether some events of a kind may not have been seen.
    pub(super) fn hides(&self, kind: &str) -> bool {
        !self.known || self.groups.iter().any(|group| group.kinds.contains(&kind))
    }

    /// The kinds of which some may not have been seen, by reason.
    pub(super) fn groups(&self) -> &[UnseenEvents] {
        &self.groups
    }

    /// Why there were no probes, at the last time when there were none.
    pub(super) fn without_probes(&self) -> Option<&Text> {
        self.without_probes.as_ref()
    }
}
