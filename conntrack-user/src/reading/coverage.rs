//! Which of the probes' counts can be had.

use conntrack_ebpf::ProbeCounter;

use crate::reading::selector::Selector;

/// Which probe counters are counted, and why not where they are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    missing: Vec<(ProbeCounter, String)>,
}

impl Coverage {
    /// Nothing is counted, all for one reason.
    #[must_use]
    pub fn none(reason: &str) -> Self {
        Self {
            missing: ProbeCounter::ALL
                .iter()
                .map(|&counter| (counter, reason.to_owned()))
                .collect(),
        }
    }

    /// Everything is counted except these.
    #[must_use]
    pub fn except(missing: Vec<(ProbeCounter, String)>) -> Self {
        Self { missing }
    }

    /// Why a source cannot be had; `None` when it can.
    #[must_use]
    pub fn missing(&self, source: Selector) -> Option<&str> {
        let reason = |counter| {
            self.missing
                .iter()
                .find(|(missing, _)| *missing == counter)
                .map(|(_, reason)| reason.as_str())
        };
        source.parts().find_map(reason)
    }
}
