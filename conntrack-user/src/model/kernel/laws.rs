//! The laws of conservation, by which counters are verified that no column counts.

/// Name of the check Δentries = alloc − free.
pub const ENTRIES_BALANCE: &str = "entries_balance";

/// A law about a part of all conntracks: how many of them there can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// Those that are, or were, in the table.
    Flows,
    /// Those that were taken out of the table and are still used.
    List,
    /// Those that are not in the table yet.
    Unconfirmed,
    /// Of these, those of packets, not of ctnetlink or BPF.
    Packets,
    /// Those that are being destroyed.
    Frees,
}

impl Law {
    /// Every law, in the order of [`Law`].
    pub const ALL: [Self; 5] = [
        Self::Flows,
        Self::List,
        Self::Unconfirmed,
        Self::Packets,
        Self::Frees,
    ];

    /// The name of its check.
    #[must_use]
    pub const fn check(self) -> &'static str {
        match self {
            Self::Flows => "flows_balance",
            Self::List => "list_balance",
            Self::Unconfirmed => "unconfirmed_balance",
            Self::Packets => "packets_balance",
            Self::Frees => "frees_balance",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::model::kernel::counters::COUNTERS;

    #[test]
    fn each_law_has_a_name_of_its_own_and_verifies_a_counter() {
        let names: HashSet<&str> = Law::ALL.map(Law::check).into();
        assert_eq!(names.len(), Law::ALL.len());
        for name in names.into_iter().chain([ENTRIES_BALANCE]) {
            assert!(name.ends_with("_balance"), "{name}");
            let verified = COUNTERS.iter().any(|spec| spec.laws.contains(&name));
            assert!(verified, "{name}");
        }
    }
}
