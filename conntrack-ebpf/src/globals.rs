//! Globals that user space sets before loading: settings, and offsets of kernel fields. The verifier knows their values, so
//! reading one costs a load, and comparisons cost nothing.

use aya_ebpf::Global;
use conntrack_ebpf::fields::NO_OFFSET;

macro_rules! declare_settings {
    ($($(#[$doc:meta])* $name:ident = $default:literal;)+) => {
        $(
            $(#[$doc])*
            #[unsafe(no_mangle)]
            pub(crate) static $name: Global<u32> = Global::new($default);
        )+
    };
}

macro_rules! declare_offsets {
    ($($name:ident = $structure:ident $(.$member:ident $([$index:literal])?)+;)+) => {
        $(
            #[doc = concat!("Offset of a field in `struct ", stringify!($structure), "`.")]
            #[unsafe(no_mangle)]
            pub(crate) static $name: Global<u64> = Global::new(NO_OFFSET);
        )+
    };
}

conntrack_ebpf::settings!(declare_settings);
conntrack_ebpf::kernel_fields!(declare_offsets);
