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
    /// Array of [`ring_word`](crate::cells::ring_word)s by slot; used if several namespaces can be watched.
    SLOT_RINGS;
    /// Hash of slots by inode number of the namespace; used if several namespaces can be watched.
    NETNS_SLOTS;
    /// Ring buffer of [`RawEvent`](crate::events::RawEvent)s.
    EVENTS;
    /// Mapped array of [`EventStats`](crate::events::EventStats), one per [`EventKind`](crate::EventKind).
    EVENT_STATS;
    /// Mapped array of [`SketchSet`](crate::heavy_hitters::SketchSet)s by
    /// [`set_index`](crate::heavy_hitters::set_index).
    HEAVY_HITTERS;
    /// Array with a single element, the current generation of heavy hitters.
    HEAVY_HITTERS_GENERATION;
    /// Mapped array of [`LifetimeCell`](crate::loglinear::LifetimeCell) by
    /// [`cell_index`](crate::cells::cell_index).
    LIFETIME_COUNTS;
    /// Hash of insertion times (`bpf_ktime_get_ns`) by address of the conntrack.
    INSERTED_AT;
    /// Mapped array of [`Histogram`](crate::loglinear::Histogram)s by
    /// [`cell_index`](crate::cells::cell_index): nanoseconds spent in `__nf_conntrack_confirm`.
    CONFIRM_TIMES;
    /// The same for `early_drop`.
    EARLY_DROP_TIMES;
}
