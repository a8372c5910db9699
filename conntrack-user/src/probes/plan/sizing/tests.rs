use proptest::prelude::*;

use super::*;

/// CPU ids that Linux can be built for at most.
const MAX_CPUS: u32 = 8192;

#[test]
fn rings_are_as_long_as_memory_allows() {
    let ring_bits = |cpus| counter_shape(cpus, Some(1)).ring_bits;
    assert_eq!(ring_bits(2), 12);
    assert_eq!(ring_bits(64), 12);
    assert_eq!(ring_bits(128), 11);
    assert_eq!(ring_bits(256), 10);
    assert_eq!(ring_bits(4096), 6);
    assert_eq!(ring_bits(MAX_CPUS), 5);
    assert_eq!(counter_shape(2, Some(1)).buckets(), 2 << 12);
}

#[test]
fn many_instances_share_the_memory() {
    let shape = |cpus| {
        let shape = counter_shape(cpus, None);
        (shape.slots, shape.ring_bits)
    };
    assert_eq!(shape(2), (64, 11));
    assert_eq!(shape(32), (8, 10));
    assert_eq!(shape(64), (8, 9));
    assert_eq!(shape(128), (4, 9));
    assert_eq!(shape(256), (2, 9));
    assert_eq!(shape(4096), (2, 5));
    assert_eq!(shape(MAX_CPUS), (2, 4));
}

#[test]
fn tables_are_as_large_as_memory_allows() {
    let set_bits = |cpus| sketch_shape(cpus).set_bits;
    assert_eq!(set_bits(2), 10);
    assert_eq!(sketch_bytes(sketch_shape(2)), 9 << 20);
    assert_eq!(set_bits(14), 10);
    assert_eq!(set_bits(64), 7);
    assert_eq!(set_bits(4096), 1);
    assert_eq!(set_bits(MAX_CPUS), 0);
}

#[test]
fn room_follows_the_table() {
    assert_eq!(remembered_connections(None), 65_536);
    assert_eq!(remembered_connections(Some(1_000)), 65_536);
    assert_eq!(remembered_connections(Some(262_144)), 262_144);
    assert_eq!(remembered_connections(Some(1 << 40)), 1_048_576);
}

proptest! {
    /// The budget holds, nothing that fits is given away, and several instances stay several.
    #[test]
    fn buckets_keep_their_budget(cpus in 1..=MAX_CPUS, slots in 1_u32..=SLOTS) {
        let shape = counter_shape_of(cpus, slots);
        let bytes = bucket_bytes(shape.cpus, shape.slots, shape.ring_bits);
        prop_assert!(bytes <= BUCKET_MEMORY, "{bytes} bytes for {shape:?}");
        prop_assert_eq!(bytes, u64::from(shape.buckets()) * size_of::<Bucket>() as u64);
        prop_assert!(shape.ring_bits == MAX_RING_BITS || 2 * bytes > BUCKET_MEMORY);
        prop_assert!((4..=MAX_RING_BITS).contains(&shape.ring_bits));
        prop_assert!((slots.min(2)..=slots).contains(&shape.slots));
        prop_assert_eq!(shape.cpus, cpus);
    }

    #[test]
    fn tables_keep_their_budget(cpus in 1..=MAX_CPUS) {
        let shape = sketch_shape(cpus);
        prop_assert!(sketch_bytes(shape) <= SKETCH_MEMORY);
        prop_assert!(shape.set_bits == MAX_SET_BITS || 2 * sketch_bytes(shape) > SKETCH_MEMORY);
    }

    /// More CPU ids than any kernel has are no reason to panic.
    #[test]
    fn any_number_of_cpus_gets_sizes(cpus in 1_u32..1 << 16, slots in 1_u32..=SLOTS) {
        prop_assert!(counter_shape_of(cpus, slots).buckets() > 0);
        prop_assert!(sketch_shape(cpus).elements() > 0);
    }
}
