//! Names of the maps that user space opens.

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)+) => {
        $(
            $(#[$doc])*
            pub const $name: &str = stringify!($name);
        )+

        /// Every map that user space opens.
        pub const ALL: &[&str] = &[$($name),+];
    };
}

names! {
    /// Mapped array of [`CellTotals`](crate::cells::CellTotals) by [`cell_index`](crate::cells::cell_index).
    TOTALS;
    /// Mapped array of [`Bucket`](crate::cells::Bucket) by [`bucket_index`](crate::cells::bucket_index).
    BUCKETS;
    /// Hash of slots by inode number of the namespace, for when there may be several.
    NETNS_SLOTS;
    /// Ring buffer of [`RawEvent`](crate::events::RawEvent)s.
    EVENTS;
    /// Mapped array of [`EventStats`](crate::events::EventStats), one per [`EventKind`](crate::EventKind).
    EVENT_STATS;
    /// Mapped array of [`SketchSet`](crate::heavy_hitters::SketchSet)s by
    /// [`set_index`](crate::heavy_hitters::set_index).
    HEAVY_HITTERS;
    /// Array whose only element is the generation of heavy hitters that is being counted.
    HEAVY_HITTERS_GENERATION;
    /// Mapped array of [`LifetimeCell`](crate::loglinear::LifetimeCell) by
    /// [`cell_index`](crate::cells::cell_index).
    LIFETIME_COUNTS;
    /// Hash of the times (`bpf_ktime_get_ns`) at which connections were inserted, by address of the conntrack.
    INSERTED_AT;
    /// Mapped array of [`Histogram`](crate::loglinear::Histogram)s by
    /// [`cell_index`](crate::cells::cell_index): nanoseconds spent in `__nf_conntrack_confirm`.
    CONFIRM_TIMES;
    /// The same for `early_drop`.
    EARLY_DROP_TIMES;
}
