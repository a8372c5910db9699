//! Settings that user space passes to the programs, as globals of type `u32`, before it loads them: the verifier treats them as
//! constants, and removes code that they disable.

/// Calls a macro with every setting: its meaning, the name of its global, and its default value.
#[macro_export]
macro_rules! settings {
    ($callback:ident) => {
        $callback! {
            /// Number of CPU ids: highest possible id + 1.
            CPUS = 1;
            /// Number of instances; of several, the last is for namespaces without a slot of their own.
            SLOTS = 1;
            /// Number of buckets in a CPU's part of a ring, a power of two.
            RING_LENGTH = 1;
            /// Events of one kind sent in a second; 0 sends none.
            EVENT_RATE = 0;
            /// 1 to count heavy hitters, 0 not to.
            TOP = 0;
            /// log2 of the number of sets in a table of heavy hitters.
            TOP_SET_BITS = 0;
            /// Seed of the hash that chooses a key's set.
            TOP_SEED = 0;
            /// Prefix length by which IPv4 addresses are grouped, 0 to 32.
            TOP_PREFIX = 32;
            /// Prefix length by which IPv6 addresses are grouped, 0 to 128.
            TOP_PREFIX6 = 64;
            /// Number of `struct nf_conntrack_tuple` in the types of vmlinux, to load from tuples; 0 to copy them by a helper.
            TUPLE_TYPE = 0;
            /// 1 to count lifetimes, 0 not to.
            LIFETIMES = 0;
            /// 1 to measure the time spent in functions, 0 not to.
            LATENCY = 0;
            /// Inode number of the only network namespace to count, or 0: those in the map of slots.
            NETNS = 0;
        }
    };
}

macro_rules! define {
    ($($(#[$doc:meta])* $name:ident = $default:literal;)+) => {
        $(
            $(#[$doc])*
            pub const $name: &str = stringify!($name);
        )+

        /// Every setting.
        pub const ALL: &[&str] = &[$($name),+];
    };
}

settings!(define);
