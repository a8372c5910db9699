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
        (shape.slots, shape.rings, shape.ring_bits)
    };
    assert_eq!(shape(1), (1024, 59, 12));
    assert_eq!(shape(2), (1024, 59, 11));
    assert_eq!(shape(4), (1024, 58, 10));
    assert_eq!(shape(8), (1024, 28, 10));
    assert_eq!(shape(16), (1024, 13, 10));
    assert_eq!(shape(32), (1024, 6, 10));
    assert_eq!(shape(64), (819, 5, 9));
    assert_eq!(shape(128), (409, 2, 9));
    assert_eq!(shape(256), (204, 1, 9));
    assert_eq!(shape(4096), (12, 1, 5));
    assert_eq!(shape(MAX_CPUS), (6, 1, 4));
}

/// What the manual promises.
#[test]
fn five_hundred_and_twelve_namespaces_on_eight_cpus_fit_64_mib() {
    let shape = counter_shape(8, None);
    assert!(shape.slots > 512);
    assert!(map_bytes(shape) <= 64 << 20, "{} bytes", map_bytes(shape));
    // Rings take most of it.
    assert!(u64::from(shape.buckets()) * 256 >= 50 << 20);
}

#[test]
fn histograms_have_a_budget() {
    let slots =
        |cpus, lifetimes, latency| duration_slots(counter_shape(cpus, None), lifetimes, latency);
    assert_eq!(slots(2, true, false), 1024);
    assert_eq!(slots(8, true, false), 277);
    assert_eq!(slots(8, false, true), 138);
    assert_eq!(slots(8, true, true), 92);
    assert_eq!(slots(MAX_CPUS, true, true), 1);
    assert_eq!(duration_slots(counter_shape(8, Some(1)), true, true), 1);
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
    /// The budget holds, and no ring that fits is left out.
    #[test]
    fn counters_keep_their_budget(cpus in 1..=MAX_CPUS) {
        let shape = counter_shape(cpus, None);
        prop_assert!(map_bytes(shape) <= MEMORY, "{} bytes for {shape:?}", map_bytes(shape));
        let more = CounterShape { rings: shape.rings + 1, ..shape };
        prop_assert!(map_bytes(more) > MEMORY);
        prop_assert!((4..=MAX_RING_BITS).contains(&shape.ring_bits));
        prop_assert!((2..=SLOTS).contains(&shape.slots));
        prop_assert!((1..shape.slots).contains(&shape.rings));
        prop_assert_eq!(shape.cpus, cpus);
    }

    #[test]
    fn a_single_instance_keeps_its_budget(cpus in 1..=MAX_CPUS) {
        let shape = counter_shape(cpus, Some(1));
        let bytes = u64::from(shape.buckets()) * size_of::<Bucket>() as u64;
        prop_assert!(bytes <= BUCKET_MEMORY, "{bytes} bytes for {shape:?}");
        prop_assert!(shape.ring_bits == MAX_RING_BITS || 2 * bytes > BUCKET_MEMORY);
        prop_assert_eq!((shape.slots, shape.rings, shape.cpus), (1, 1, cpus));
    }

    #[test]
    fn tables_keep_their_budget(cpus in 1..=MAX_CPUS) {
        let shape = sketch_shape(cpus);
        prop_assert!(sketch_bytes(shape) <= SKETCH_MEMORY);
        prop_assert!(shape.set_bits == MAX_SET_BITS || 2 * sketch_bytes(shape) > SKETCH_MEMORY);
    }

    /// More CPU ids than any kernel has are no reason to panic.
    #[test]
    fn any_number_of_cpus_gets_sizes(cpus in 1_u32..1 << 16) {
        prop_assert!(counter_shape(cpus, None).buckets() > 0);
        prop_assert!(counter_shape(cpus, Some(1)).buckets() > 0);
        prop_assert!(sketch_shape(cpus).elements() > 0);
    }
}
