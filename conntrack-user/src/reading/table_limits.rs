//! What limits a table besides `nf_conntrack_max`, as it was read.

use crate::reading::expectations::Expectations;

/// The limits of a table; each is `None` where it could not be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LimitsReading {
    /// Entries in the table.
    pub entries: Option<u64>,
    /// `nf_conntrack_max`; 0 without a limit.
    pub max: Option<u64>,
    /// `nf_conntrack_buckets`.
    pub buckets: Option<u64>,
    pub expectations: Option<Expectations>,
    /// The slab of all entries of the host.
    pub slab: Option<SlabUse>,
    /// Whether entries have extensions: NAT, accounting, time stamps or events.
    pub extended: bool,
    /// Seconds by name, in the order of names.
    pub timeouts: Vec<(String, u64)>,
    pub policies: Option<Vec<PolicyReading>>,
}

/// A slab of /proc/slabinfo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlabUse {
    /// Bytes of an object, with its share of what is left over in its slab.
    pub object_bytes: f64,
    /// Bytes of all.
    pub bytes: u64,
}

/// A timeout policy, of ctnetlink or of nftables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyReading {
    pub name: String,
    /// IANA number of the protocol.
    pub protocol: u8,
    /// What refers to it.
    pub uses: u64,
    /// Seconds by the number of the state (`enum ctattr_timeout_tcp` and others).
    pub timeouts: Vec<(u16, u64)>,
}

impl SlabUse {
    /// Of the line of a slab in /proc/slabinfo:
    /// `name active_objs num_objs objsize objperslab pagesperslab : tunables … : slabdata active_slabs num_slabs …`.
    #[must_use]
    pub fn parse(slabinfo: &str, name: &str, page: u64) -> Option<Self> {
        let mut words = slabinfo
            .lines()
            .map(str::split_ascii_whitespace)
            .find_map(|mut words| (words.next() == Some(name)).then_some(words))?;
        let [_active, _all, _size, per_slab, pages] =
            std::array::from_fn(|_| words.next().and_then(|word| word.parse::<u64>().ok()));
        let slab_bytes = pages?.checked_mul(page)?;
        let slabs: u64 = words
            .skip_while(|word| *word != "slabdata")
            .nth(2)?
            .parse()
            .ok()?;
        let per_slab = per_slab.filter(|objects| *objects > 0)?;
        Some(Self {
            object_bytes: slab_bytes as f64 / per_slab as f64,
            bytes: slabs.checked_mul(slab_bytes)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slab_of_its_line() {
        const SLABS: &str = "\
slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>
nf_conntrack_expect      0      0    208   19    1 : tunables    0    0    0 : slabdata      0      0      0
nf_conntrack         450    510    240   17    1 : tunables    0    0    0 : slabdata     28     30      0
odd x
";
        let slab = SlabUse::parse(SLABS, "nf_conntrack", 4096).unwrap();
        assert_eq!(slab.bytes, 30 * 4096);
        assert!((slab.object_bytes - 4096.0 / 17.0).abs() < 1e-9);
        assert_eq!(SlabUse::parse(SLABS, "odd", 4096), None);
        assert_eq!(SlabUse::parse(SLABS, "none", 4096), None);
    }
}
