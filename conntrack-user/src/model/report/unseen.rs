//! Which events could not be seen in a recording, and why.

use crate::{
    model::record::{Hello, derived::UnseenEvents},
    text::Text,
};

/// The most reasons that are kept.
const REASONS: usize = 16;

/// Events that could not be seen for at least a part of the recording.
#[derive(Clone, Debug, Default)]
pub(super) struct Unseen {
    /// Whether there was a hello, which tells which events can be seen.
    known: bool,
    groups: Vec<UnseenEvents>,
    without_probes: Option<Text>,
}

impl Unseen {
    /// Adds the state of the probes from here on.
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

    /// The kinds of events that may not all have been seen, by reason.
    pub(super) fn groups(&self) -> &[UnseenEvents] {
        &self.groups
    }

    /// Why there were no probes, for the last time there were none.
    pub(super) fn without_probes(&self) -> Option<&Text> {
        self.without_probes.as_ref()
    }
}
