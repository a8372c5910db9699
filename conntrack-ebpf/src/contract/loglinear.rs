//! Log-linear buckets: a histogram of durations in a bounded number of counters.
//!
//! Each power of two of nanoseconds is divided into 64 buckets. So the width of a bucket is at most 1/64 (1.6 %) of its values,
//! and its middle at most 0.8 % from any of them. Below 128 ns each value has its own bucket. Buckets cover all of `u64` without
//! gaps.

/// log2 of the buckets of a power of two.
pub const SUB_BITS: u32 = 6;

/// Number of buckets.
pub const BUCKETS: usize = (65 - SUB_BITS as usize) << SUB_BITS;

/// A histogram: 29.5 KiB.
pub type Histogram = [u64; BUCKETS];

/// The bucket of a value.
#[inline(always)]
#[must_use]
pub const fn bucket(value: u64) -> u32 {
    if value >> SUB_BITS == 0 {
        return value as u32;
    }
    let shift = 63 - value.leading_zeros() - SUB_BITS;
    ((shift + 1) << SUB_BITS) | ((value >> shift) as u32 & ((1 << SUB_BITS) - 1))
}

/// The least value of a bucket, and the number of its values.
#[must_use]
pub const fn extent(bucket: u32) -> (u64, u64) {
    let place = bucket as u64 & ((1 << SUB_BITS) - 1);
    match bucket >> SUB_BITS {
        0 => (place, 1),
        power => ((place | 1 << SUB_BITS) << (power - 1), 1 << (power - 1)),
    }
}

/// The value in the middle of a bucket.
#[must_use]
pub const fn middle(bucket: u32) -> u64 {
    let (least, width) = extent(bucket);
    least + (width - 1) / 2
}

/// The lifetimes of connections of a cell, from insertion to destruction.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct LifetimeCell {
    /// Connections by [`bucket`] of nanoseconds.
    pub counts: Histogram,
    /// Connections whose insertion was not seen.
    pub unknown: u64,
}
