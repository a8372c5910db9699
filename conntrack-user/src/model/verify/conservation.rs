//! Laws of conservation: what holds on every kernel, whatever its own counters are worth.
//!
//! A conntrack is allocated, perhaps put into the table, then taken out of it, destroyed, and freed. So the conntracks between two
//! of these steps are a *population*: its size is what it was when the probes were attached, plus those that have come, less those
//! that have gone. It is never negative, and never larger than the kernel's number of entries, which has all that are allocated
//! (`nf_conntrack_alloc` and `nf_conntrack_free` alone change it; 5.4 to 7.3).
//!
//! How large a population was at first is not known, only that it was between 0 and the number of entries then. But it was *one*
//! number: every later reading leaves less room for it. Where the table was empty at the start, or has been empty since, nothing of
//! the doubt remains. A probe that loses or invents hits at any rate leaves no number possible in the end.

use conntrack_ebpf::ProbeCounter::{
    AllocCall, AllocCallPacket, CheckInserted, ClashResolved, DeleteList, Destroyed,
    DestroyedUnconfirmed, Free, Inserted, InsertedByCheck, TableFull, TableFullPacket,
};

use super::bracket::{Bracket, least, most, value};
use crate::{
    model::kernel::laws::Law,
    reading::{coverage::Coverage, selector::Selector, unavailable::Unavailable},
};

/// What a law says: `size` is a population's change since the probes were attached.
struct LawSpec {
    size: Selector,
    /// Conntracks that may have come unseen: no more than these.
    gain: Selector,
    /// Conntracks that may have gone unseen: no more than these.
    loss: Selector,
    /// What it means that an allocation may have failed for lack of memory.
    drops: Drops,
    within: Within,
}

/// Where an allocation that failed for lack of memory counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Drops {
    Nowhere,
    Gain,
    Loss,
}

/// What a population cannot be larger than.
#[derive(Clone, Copy)]
enum Within {
    /// The number of entries.
    Entries,
    /// The number of calls that can be in flight.
    Calls,
}

/// How the probes count the change of the number of entries.
pub(super) const ENTRIES: Selector = Selector::sum(&[AllocCall]).less(&[TableFull, Free]);

impl LawSpec {
    /// A population among the entries, all of whose conntracks are seen to come and go.
    const fn of(size: Selector) -> Self {
        Self {
            size,
            gain: Selector::sum(&[]),
            loss: Selector::sum(&[]),
            drops: Drops::Nowhere,
            within: Within::Entries,
        }
    }
}

impl Law {
    /// How the probes count the change of the population's size.
    pub(super) const fn population(self) -> Selector {
        self.spec().size
    }

    const fn spec(self) -> LawSpec {
        match self {
            Self::Flows => LawSpec {
                // `nf_ct_resolve_clash_harder` puts a conntrack into the table by its reply alone.
                gain: Selector::sum(&[ClashResolved]),
                ..LawSpec::of(Selector::sum(&[Inserted, InsertedByCheck]).less(&[Destroyed]))
            },
            Self::List => LawSpec::of(Selector::sum(&[DeleteList]).less(&[Destroyed])),
            Self::Unconfirmed => LawSpec {
                // What ctnetlink and BPF give up is freed without being destroyed.
                loss: Selector::sum(&[AllocCall, ClashResolved])
                    .less(&[AllocCallPacket, CheckInserted]),
                drops: Drops::Loss,
                ..LawSpec::of(Selector::sum(&[AllocCall]).less(&[
                    TableFull,
                    Inserted,
                    InsertedByCheck,
                    DestroyedUnconfirmed,
                ]))
            },
            Self::Packets => LawSpec {
                // Of what is destroyed unconfirmed, all may have been packets'.
                loss: Selector::sum(&[DestroyedUnconfirmed, ClashResolved]),
                drops: Drops::Loss,
                ..LawSpec::of(Selector::sum(&[AllocCallPacket, CheckInserted]).less(&[
                    TableFullPacket,
                    Inserted,
                    InsertedByCheck,
                ]))
            },
            Self::Frees => LawSpec {
                gain: Selector::sum(&[AllocCall]).less(&[AllocCallPacket, CheckInserted]),
                drops: Drops::Gain,
                // `nf_ct_destroy` frees at its end.
                within: Within::Calls,
                ..LawSpec::of(Selector::sum(&[Destroyed, DestroyedUnconfirmed]).less(&[Free]))
            },
        }
    }
}

/// What each population's size can have been when the probes were attached.
#[derive(Clone, Copy, Debug)]
pub struct Conservation {
    bounds: [Bounds; Law::ALL.len()],
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    low: i64,
    high: i64,
}

/// The numbers of a reading that laws are about.
#[derive(Clone, Copy)]
pub struct LawInputs<'a> {
    /// The first reading after the probes were attached.
    pub base: &'a Bracket,
    /// The reading to judge.
    pub now: &'a Bracket,
    /// The kernel's number of entries.
    pub entries: Option<u64>,
    /// Drops that the kernel counted since the first reading and the probes cannot explain. They include allocations that failed
    /// for lack of memory, which a probe on the entry of the allocation cannot see.
    pub unseen_drops: u64,
    /// Calls that can be in flight.
    pub in_flight: u64,
    /// The probes that count.
    pub coverage: &'a Coverage,
}

/// The range that a law leaves for what the probes counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// What they counted: the change of the population's size.
    pub probe: i64,
    pub low: i64,
    pub high: i64,
    /// Whether what moved during the reading is needed to explain it.
    pub bracketed: bool,
}

impl Conservation {
    /// Nothing is known but the number of entries when the probes were attached.
    #[must_use]
    pub fn new(entries: Option<u64>, in_flight: u64) -> Self {
        let bounds = |law: Law| Bounds {
            low: 0,
            high: match law.spec().within {
                Within::Entries => entries.map_or(LARGEST, signed),
                Within::Calls => signed(in_flight),
            },
        };
        Self {
            bounds: Law::ALL.map(bounds),
        }
    }

    /// What a law leaves room for.
    ///
    /// # Errors
    ///
    /// When a probe that it takes does not count, or the number of entries is not known.
    pub fn allowed(&self, law: Law, reading: &LawInputs<'_>) -> Result<Allowed, Unavailable> {
        let change = PopulationChange::of(law, reading)?;
        let bounds = self.bounds[law as usize];
        let (low, high) = (
            -bounds.high - change.gain,
            change.within - bounds.low + change.loss,
        );
        Ok(Allowed {
            probe: change.probe,
            low: low - (change.most - change.probe),
            high: high + (change.probe - change.least),
            bracketed: change.probe < low || change.probe > high,
        })
    }

    /// Takes from a reading what the sizes can have been at first. A reading that leaves nothing is left alone: it is wrong, or
    /// what came before it was.
    pub fn narrow(&mut self, reading: &LawInputs<'_>) {
        let slack = signed(reading.in_flight);
        for law in Law::ALL {
            let Ok(change) = PopulationChange::of(law, reading) else {
                continue;
            };
            let bounds = &mut self.bounds[law as usize];
            let low = bounds.low.max(-change.most - change.gain - slack);
            let high = bounds
                .high
                .min(change.within - change.least + change.loss + slack);
            if low <= high {
                *bounds = Bounds { low, high };
            }
        }
    }
}

/// How far a population can have changed since the probes were attached.
struct PopulationChange {
    probe: i64,
    least: i64,
    most: i64,
    gain: i64,
    loss: i64,
    within: i64,
}

impl PopulationChange {
    fn of(law: Law, reading: &LawInputs<'_>) -> Result<Self, Unavailable> {
        let spec = law.spec();
        for selector in [spec.size, spec.gain, spec.loss] {
            if let Some(reason) = reading.coverage.missing(selector) {
                return Err(format!("needs its probes: {reason}").into());
            }
        }
        let LawInputs { base, now, .. } = *reading;
        let within = match spec.within {
            Within::Entries => reading.entries.ok_or_else(|| {
                Unavailable::from("the kernel's number of entries cannot be read")
            })?,
            Within::Calls => reading.in_flight,
        };
        let unseen = |selector, drops| {
            let drops = if spec.drops == drops {
                reading.unseen_drops
            } else {
                0
            };
            most(selector, base, now).max(0) + signed(drops)
        };
        Ok(Self {
            probe: value(spec.size, &now.after) - value(spec.size, &base.after),
            least: least(spec.size, base, now),
            most: most(spec.size, base, now),
            gain: unseen(spec.gain, Drops::Gain),
            loss: unseen(spec.loss, Drops::Loss),
            within: signed(within),
        })
    }
}

/// Larger than any number of conntracks, and small enough that a few of them can be added up.
const LARGEST: i64 = i64::MAX / 4;

fn signed(n: u64) -> i64 {
    i64::try_from(n).map_or(LARGEST, |n| n.min(LARGEST))
}

#[cfg(test)]
mod tests;
