//! Which of the probes' counts can be had.

use conntrack_ebpf::ProbeCounter;

use crate::reading::{selector::Selector, unavailable::Unavailable};

/// Which probe counters are counted, and why not where they are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    missing: Vec<(ProbeCounter, Unavailable)>,
}

impl Coverage {
    /// Nothing is counted, all for one reason.
    #[must_use]
    pub fn none(reason: impl Into<Unavailable>) -> Self {
        let reason = reason.into();
        Self {
            missing: ProbeCounter::ALL
                .iter()
                .map(|&counter| (counter, reason.clone()))
                .collect(),
        }
    }

    /// Everything is counted except these.
    #[must_use]
    pub fn except(missing: Vec<(ProbeCounter, Unavailable)>) -> Self {
        Self { missing }
    }

    /// Why a source cannot be had; `None` when it can.
    #[must_use]
    pub fn missing(&self, source: Selector) -> Option<&Unavailable> {
        let reason = |counter| {
            self.missing
                .iter()
                .find(|(missing, _)| *missing == counter)
                .map(|(_, reason)| reason)
        };
        source.parts().find_map(reason)
    }
}
