//! How a counter is computed from the probes' counts.

use conntrack_ebpf::ProbeCounter;

/// A sum of probe counters, less another sum. Where it is a counter, what is subtracted happens after what it is subtracted from,
/// in the same call of the kernel; where it is the size of a population, some time after.
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

    /// The same counter, less a sum.
    #[must_use]
    pub const fn less(self, minus: &'static [ProbeCounter]) -> Self {
        Self { minus, ..self }
    }

    /// All probe counters that it needs.
    pub fn parts(self) -> impl Iterator<Item = ProbeCounter> {
        self.plus.iter().chain(self.minus).copied()
    }
}
