//! Heavy hitters: counts per key in bounded memory, with known errors.
//!
//! A [`SketchSet`] is Space-Saving (Metwally, Agrawal, El Abbadi 2005) over the few keys that hash to it: a
//! key that is held is counted; one that is not takes a free entry, or the place of the least, whose
//! count it inherits as its error. So, of any stream of keys:
//!
//! - the counts of a set add up to the number of keys it was given;
//! - a key that is held occurred at most `count` and at least `count - error` times;
//! - a key that is not held occurred at most as often as the least count of a full set, and not at
//!   all if the set has room.
//!
//! A *table* is 2^[`TOP_SET_BITS`](crate::globals::TOP_SET_BITS) sets of a CPU, for one measure and kind
//! of key; the map [`HEAVY_HITTERS`](crate::maps::HEAVY_HITTERS) has two *halves* of tables per CPU, one
//! that is written to and one that user space reads. Which one it is follows from the generation that user
//! space sets; a set that is still of another generation is empty.
//!
//! The programs and user space run the same code, and so do the tests.

use crate::tuple::{DST, DST_PORT, INET, INET6, L3NUM, PROTONUM, SRC, TUPLE_SIZE, has_ports};

/// Entries of a set.
pub const WAYS: usize = 7;

/// Tables a CPU has in each half.
pub const TABLES: u32 = (FlowMeasure::ALL.len() * By::ALL.len()) as u32;

/// Which flows are counted.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlowMeasure {
    /// Packets that would start a flow: [`crate::ProbeCounter::AllocCallPacket`].
    New = 0,
    /// Flows refused because the table is full: [`crate::ProbeCounter::TableFull`].
    Dropped = 1,
    /// Flows evicted for others: [`crate::ProbeCounter::EarlyDrop`].
    Evicted = 2,
}

impl FlowMeasure {
    /// All, in the order of their discriminants.
    pub const ALL: [Self; 3] = [Self::New, Self::Dropped, Self::Evicted];
}

/// What it is counted by: of the flow's tuple in its original direction.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// Source address or prefix.
    Source = 0,
    /// Destination address or prefix.
    Destination = 1,
    /// Protocol and destination port.
    Port = 2,
}

impl By {
    /// All, in the order of their discriminants.
    pub const ALL: [Self; 3] = [Self::Source, Self::Destination, Self::Port];
}

/// Number of a table within a half.
#[inline(always)]
#[must_use]
pub const fn table(measure: FlowMeasure, by: By) -> u32 {
    measure as u32 * By::ALL.len() as u32 + by as u32
}

/// Index of the first table of the half that a CPU counts a generation in.
#[inline(always)]
#[must_use]
pub const fn half_index(cpu: u32, generation: u64) -> u32 {
    (cpu * 2 + (generation as u32 & 1)) * TABLES
}

/// Index of a set in the map: `half` is a [`half_index`], `table` a [`table`] within it, of 2^`set_bits` sets.
#[inline(always)]
#[must_use]
pub const fn set_index(half: u32, table: u32, set: u32, set_bits: u32) -> u32 {
    ((half + table) << set_bits) | set
}

/// How the map of sets is laid out, as user space makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SketchShape {
    /// Number of CPU ids: highest possible id + 1.
    pub cpus: u32,
    /// log2 of the sets of a table.
    pub set_bits: u32,
}

impl SketchShape {
    /// Elements of the map: two halves of tables per CPU.
    #[must_use]
    pub const fn elements(&self) -> u32 {
        (self.cpus * 2 * TABLES) << self.set_bits
    }

    /// Sets of a table.
    #[must_use]
    pub const fn sets(&self) -> usize {
        1 << self.set_bits
    }

    /// See [`set_index`].
    #[must_use]
    pub const fn set(&self, cpu: u32, generation: u64, table: u32, set: u32) -> u32 {
        set_index(half_index(cpu, generation), table, set, self.set_bits)
    }
}

/// How much of an address is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefixes {
    /// Of IPv4 addresses, 0 to 32 bits.
    pub ipv4: u32,
    /// Of IPv6 addresses, 0 to 128 bits.
    pub ipv6: u32,
}

/// What flows are counted by. 24 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    /// Upper half of an IPv6 address.
    pub high: u64,
    /// Lower half of an IPv6 address, an IPv4 address, a port, another number.
    pub low: u64,
    /// Instance in the lower half, kind of key in the upper.
    pub tag: u64,
}

/// Kinds of keys.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Nothing could be read.
    Unknown = 0,
    /// An IPv4 prefix in host byte order.
    Ipv4 = 1,
    /// An IPv6 prefix in host byte order.
    Ipv6 = 2,
    /// Protocol and port: `protocol << 16 | port`.
    Port = 3,
    /// A protocol without ports.
    Protocol = 4,
    /// A number whose meaning the table knows.
    Number = 5,
}

impl KeyKind {
    const ALL: [Self; 6] = [
        Self::Unknown,
        Self::Ipv4,
        Self::Ipv6,
        Self::Port,
        Self::Protocol,
        Self::Number,
    ];
}

impl FlowKey {
    #[inline(always)]
    const fn new(slot: u32, kind: KeyKind, high: u64, low: u64) -> Self {
        Self {
            high,
            low,
            tag: (kind as u64) << 32 | slot as u64,
        }
    }

    /// Of a flow whose tuple is not known.
    #[inline(always)]
    #[must_use]
    pub const fn unknown(slot: u32) -> Self {
        Self::new(slot, KeyKind::Unknown, 0, 0)
    }

    /// Of an IPv4 address in host byte order.
    #[inline(always)]
    #[must_use]
    pub const fn ipv4(slot: u32, address: u32, prefixes: Prefixes) -> Self {
        let address = address as u64 & upper(32 - prefixes.ipv4);
        Self::new(slot, KeyKind::Ipv4, 0, address)
    }

    /// Of the halves of an IPv6 address in host byte order.
    #[inline(always)]
    #[must_use]
    pub const fn ipv6(slot: u32, high: u64, low: u64, prefixes: Prefixes) -> Self {
        let (high_mask, low_mask) = if prefixes.ipv6 > 64 {
            (u64::MAX, upper(128 - prefixes.ipv6))
        } else {
            (upper(64 - prefixes.ipv6), 0)
        };
        Self::new(slot, KeyKind::Ipv6, high & high_mask, low & low_mask)
    }

    /// Of a protocol's port; protocols without ports have one key each.
    #[inline(always)]
    #[must_use]
    pub const fn port(slot: u32, protocol: u8, port: u16) -> Self {
        if has_ports(protocol) {
            let port = (protocol as u64) << 16 | port as u64;
            Self::new(slot, KeyKind::Port, 0, port)
        } else {
            Self::new(slot, KeyKind::Protocol, 0, protocol as u64)
        }
    }

    /// Of a number whose meaning the table knows.
    #[must_use]
    pub const fn number(slot: u32, number: u64) -> Self {
        Self::new(slot, KeyKind::Number, 0, number)
    }

    /// Of what a tuple says.
    #[inline(always)]
    #[must_use]
    pub fn of(by: By, tuple: &[u8; TUPLE_SIZE], slot: u32, prefixes: Prefixes) -> Self {
        match by {
            By::Source => Self::address::<SRC>(tuple, slot, prefixes),
            By::Destination => Self::address::<DST>(tuple, slot, prefixes),
            By::Port => Self::port(
                slot,
                tuple[PROTONUM],
                (tuple[DST_PORT] as u16) << 8 | tuple[DST_PORT + 1] as u16,
            ),
        }
    }

    #[inline(always)]
    fn address<const AT: usize>(tuple: &[u8; TUPLE_SIZE], slot: u32, prefixes: Prefixes) -> Self {
        match tuple[L3NUM] {
            INET => Self::ipv4(slot, (word::<AT, 4>(tuple)) as u32, prefixes),
            INET6 => {
                let high = word::<AT, 8>(tuple);
                let low = if AT == SRC {
                    word::<{ SRC + 8 }, 8>(tuple)
                } else {
                    word::<{ DST + 8 }, 8>(tuple)
                };
                Self::ipv6(slot, high, low, prefixes)
            }
            _ => Self::unknown(slot),
        }
    }

    /// The instance.
    #[must_use]
    pub const fn slot(&self) -> u32 {
        self.tag as u32
    }

    /// What kind of key it is.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        let kind = (self.tag >> 32) as u32;
        KeyKind::ALL
            .into_iter()
            .find(|known| *known as u32 == kind)
            .unwrap_or(KeyKind::Unknown)
    }

    /// The set it belongs to. `seed` makes which keys share one differ from run to run, so that nobody
    /// can know it.
    #[inline(always)]
    #[must_use]
    pub const fn set(&self, seed: u32, set_bits: u32) -> u32 {
        // Multiplications by odd constants (those of splitmix64), the upper half folded into the lower.
        let mut hash = (self.high ^ self.tag ^ ((seed as u64) << 32 | seed as u64))
            .wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash ^= hash >> 31;
        hash = (hash ^ self.low).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^= hash >> 32;
        (hash as u32) & ((1 << set_bits) - 1)
    }
}

/// All but the lowest bits; none when there are more than 63 of them.
#[inline(always)]
const fn upper(bits: u32) -> u64 {
    if bits > 63 { 0 } else { u64::MAX << bits }
}

/// Big-endian bytes of a tuple.
#[inline(always)]
fn word<const AT: usize, const BYTES: usize>(tuple: &[u8; TUPLE_SIZE]) -> u64 {
    let mut word = 0;
    let mut i = 0;
    while i < BYTES {
        word = word << 8 | tuple[AT + i] as u64;
        i += 1;
    }
    word
}

/// A key and how often it occurred. 32 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SketchEntry {
    /// The key.
    pub key: FlowKey,
    /// At most so often. 0: the entry is free, and those after it are.
    pub count: u32,
    /// And no less than `count - error` times.
    pub error: u32,
}

/// The keys that hash to one place. 256 bytes: four cache lines.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SketchSet {
    /// The generation its entries are of.
    pub generation: u64,
    /// Room to whole cache lines.
    pub reserved: [u64; 3],
    /// In the order in which they were taken.
    pub entries: [SketchEntry; WAYS],
}

const _: () = assert!(size_of::<SketchEntry>() == 32);
const _: () = assert!(size_of::<SketchSet>() == 256);

impl SketchSet {
    /// Counts a key in a generation; what is of another is forgotten.
    ///
    /// A count saturates at 2^32 - 1, which a generation of seconds does not reach.
    #[inline(always)]
    pub fn add(&mut self, generation: u64, key: FlowKey) {
        if self.generation != generation {
            self.generation = generation;
            let mut i = 0;
            while i < WAYS {
                self.entries[i].count = 0;
                i += 1;
            }
        }
        let mut least = 0;
        let mut least_count = u32::MAX;
        let mut i = 0;
        while i < WAYS {
            let entry = &mut self.entries[i];
            if entry.count == 0 {
                *entry = SketchEntry {
                    key,
                    count: 1,
                    error: 0,
                };
                return;
            }
            if entry.key == key {
                entry.count = entry.count.saturating_add(1);
                return;
            }
            if entry.count < least_count {
                least_count = entry.count;
                least = i;
            }
            i += 1;
        }
        if let Some(entry) = self.entries.get_mut(least) {
            *entry = SketchEntry {
                key,
                count: least_count.saturating_add(1),
                error: least_count,
            };
        }
    }

    /// The entries in use in a generation.
    pub fn entries(&self, generation: u64) -> impl Iterator<Item = &SketchEntry> {
        let current = self.generation == generation;
        self.entries
            .iter()
            .take_while(move |entry| current && entry.count > 0)
    }

    /// The most often that a key occurred which is not held.
    #[must_use]
    pub fn absent(&self, generation: u64) -> u32 {
        if self.entries(generation).count() < WAYS {
            return 0;
        }
        self.entries.iter().map(|e| e.count).min().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_tables_halves_and_cpus_follow_each_other_without_gaps() {
        let shape = SketchShape {
            cpus: 3,
            set_bits: 2,
        };
        let mut next = 0;
        for cpu in 0..shape.cpus {
            for generation in [6, 7] {
                for measure in FlowMeasure::ALL {
                    for by in By::ALL {
                        for set in 0..shape.sets() as u32 {
                            let index = shape.set(cpu, generation, table(measure, by), set);
                            assert_eq!(index, next);
                            next += 1;
                        }
                    }
                }
            }
        }
        assert_eq!(next, shape.elements());
    }
}
