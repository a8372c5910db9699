//! Which probe counters are available.

use std::rc::Rc;

use conntrack_ebpf::ProbeCounter;

use crate::reading::{selector::Selector, unavailable::Unavailable};

/// Which probe counters are available, and why the others are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    missing: Rc<[(ProbeCounter, Unavailable)]>,
}

impl Coverage {
    /// No counter is available, all for the same reason.
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

    /// All counters are available except these.
    #[must_use]
    pub fn except(missing: Vec<(ProbeCounter, Unavailable)>) -> Self {
        Self {
            missing: missing.into(),
        }
    }

    /// Why a count is unavailable: the reason of the first part that is missing. `None` when all parts are counted.
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
