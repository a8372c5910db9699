//! The fields of the kernel's structures that programs read. Their offsets depend on the running kernel: user space takes them
//! from BTF, and sets them as globals before loading.
//!
//! There are two ways to read one. Everywhere by the helper `bpf_probe_read_kernel`, which takes some 110 instructions. And where
//! the kernel has the function `bpf_rdonly_cast` (6.2) by a plain load, of which the verifier checks that the structure has such a
//! field: the address is cast to the structure's type, which user space names by its number.

use core::fmt;

/// Calls a macro with every field: the name of the global, and the path to the field.
#[macro_export]
macro_rules! kernel_fields {
    ($callback:ident) => {
        $callback! {
            NF_CONN_NET = nf_conn.ct_net;
            NF_CONN_STATUS = nf_conn.status;
            NF_CONN_TIMEOUT = nf_conn.timeout;
            NF_CONN_TUPLEHASH = nf_conn.tuplehash;
            // IP_CT_DIR_REPLY of enum ip_conntrack_dir is 1: uapi.
            NF_CONN_TUPLEHASH_REPLY = nf_conn.tuplehash[1];
            TUPLEHASH_TUPLE = nf_conntrack_tuple_hash.tuple;
            TUPLE_DIR = nf_conntrack_tuple.dst.dir;
            NET_INUM = net.ns.inum;
            EXPECT_MASTER = nf_conntrack_expect.master;
            SKB_NFCT = sk_buff._nfct;
            SKB_HEAD = sk_buff.head;
            SKB_NETWORK_HEADER = sk_buff.network_header;
            HOOK_STATE_NET = nf_hook_state.net;
        }
    };
}

/// A field of a kernel structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelField {
    /// The global, a [`FieldPlace`].
    pub global: &'static str,
    /// The structure where the path starts.
    pub structure: &'static str,
    /// The path from the structure to the field.
    pub path: &'static [FieldStep],
}

/// A step of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldStep {
    /// A member by name, through anonymous structs and unions.
    Member(&'static str),
    /// An element of an array, by index.
    Element(u32),
}

/// Where a program finds a field: the value of the field's global.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldPlace {
    /// Bytes from the start of the structure.
    pub offset: u64,
    /// The structure's number in the types of vmlinux; 0: it is read by the helper.
    pub structure: u64,
}

impl FieldPlace {
    /// Never set.
    pub const UNSET: Self = Self {
        offset: NO_OFFSET,
        structure: 0,
    };
}

/// The number of the helper that programs call to cast an address to a structure's type. There is no such helper: user space puts
/// a call of the kernel's function in its place. Where the kernel has none, no structure has a number, and the verifier removes
/// the call as dead code.
pub const CAST_HELPER: u32 = 0x6374_7063;

/// The value of an offset that was never set. Adding it to a kernel address, even twice, gives a non-canonical address, so that
/// the read fails instead of reading offset 0.
pub const NO_OFFSET: u64 = 1 << 62;

macro_rules! define {
    ($($global:ident = $structure:ident $(.$member:ident $([$index:literal])?)+;)+) => {
        $(
            #[doc = concat!("`", stringify!($structure), $(".", stringify!($member), $("[", $index, "]",)?)+ "`")]
            pub const $global: KernelField = KernelField {
                global: stringify!($global),
                structure: stringify!($structure),
                path: &[$(
                    FieldStep::Member(stringify!($member)),
                    $(FieldStep::Element($index),)?
                )+],
            };
        )+

        /// Every field that a program reads.
        pub const ALL: &[KernelField] = &[$($global),+];
    };
}

kernel_fields!(define);

impl fmt::Display for KernelField {
    /// `nf_conn.tuplehash[1]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.structure)?;
        for step in self.path {
            match step {
                FieldStep::Member(name) => write!(f, ".{name}")?,
                FieldStep::Element(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
