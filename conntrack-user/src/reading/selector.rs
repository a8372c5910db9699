//! Which of the probes' counts make a counter.

use conntrack_ebpf::ProbeCounter;

/// How a counter is made from what the probes count: a sum, less another. What is subtracted happens
/// after what it is subtracted from, in the same call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selector {
    /// Added.
    pub plus: &'static [ProbeCounter],
    /// Subtracted.
    pub minus: &'static [ProbeCounter],
}

impl Selector {
    #[must_use]
    pub const fn sum(plus: &'static [ProbeCounter]) -> Self {
        Self { plus, minus: &[] }
    }

    /// This, less a sum.
    #[must_use]
    pub const fn less(self, minus: &'static [ProbeCounter]) -> Self {
        Self { minus, ..self }
    }

    /// Everything it is made from.
    pub fn parts(self) -> impl Iterator<Item = ProbeCounter> {
        self.plus.iter().chain(self.minus).copied()
    }
}
