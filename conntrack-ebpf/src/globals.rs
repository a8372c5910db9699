//! Globals that user space sets before loading: settings, and offsets of kernel fields. The verifier knows their values, so
//! reading one costs a load, and comparisons cost nothing.

use aya_ebpf::Global;
use conntrack_ebpf::fields;

macro_rules! declare_settings {
    ($($(#[$doc:meta])* $name:ident = $default:literal;)+) => {
        $(
            $(#[$doc])*
            #[unsafe(no_mangle)]
            pub(crate) static $name: Global<u32> = Global::new($default);
        )+
    };
}

/// Where a field is. The compiler must not know the value, which user space changes.
#[repr(transparent)]
pub(crate) struct FieldGlobal(fields::FieldPlace);

impl FieldGlobal {
    /// Bytes from the start of the structure.
    #[inline(always)]
    pub(crate) fn offset(&self) -> u64 {
        // SAFETY: a static, of aligned words.
        unsafe { (&raw const self.0.offset).read_volatile() }
    }

    /// The structure's type; 0 if it cannot be read by its type.
    #[inline(always)]
    pub(crate) fn structure(&self) -> u64 {
        // SAFETY: as above.
        unsafe { (&raw const self.0.structure).read_volatile() }
    }
}

macro_rules! declare_offsets {
    ($($name:ident = $structure:ident $(.$member:ident $([$index:literal])?)+;)+) => {
        $(
            #[doc = concat!("A field in `struct ", stringify!($structure), "`.")]
            #[unsafe(no_mangle)]
            pub(crate) static $name: FieldGlobal = FieldGlobal(fields::FieldPlace::UNSET);
        )+
    };
}

conntrack_ebpf::settings!(declare_settings);
conntrack_ebpf::kernel_fields!(declare_offsets);
