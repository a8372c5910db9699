//! Errors in BTF, and types and members that it does not have.

use std::fmt;

use thiserror::Error;

use super::uapi::{MAGIC, VERSION};

/// Why BTF cannot be read, or what it does not have. Types are named by their number, as `bpftool btf dump` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BtfError {
    /// Shorter than a header, or than the length of the header that it names.
    #[error("the BTF header is cut short")]
    HeaderCutShort,
    /// It starts with another magic number.
    #[error("not BTF: starts with {0:#06x}, not {MAGIC:#06x}")]
    NotBtf(u16),
    /// The magic number with its bytes swapped.
    #[error("BTF of a machine of the other byte order")]
    OtherByteOrder,
    /// A version or flags that no kernel has used so far.
    #[error("BTF of version {version} with flags {flags:#x}; only version {VERSION} is known")]
    UnknownVersion {
        /// The header's version.
        version: u8,
        /// The header's flags.
        flags: u8,
    },
    /// A section that reaches beyond the end of the bytes.
    #[error("the {0} section of the BTF reaches beyond its end")]
    SectionOutside(&'static str),
    /// A record that reaches beyond the end of the type section.
    #[error("BTF type {0} reaches beyond the end of the type section")]
    TypeCutShort(TypeId),
    /// A kind whose records are of unknown size, so that nothing after it can be found.
    #[error("BTF type {id} is of kind {kind}, which this version of ctpulse does not know")]
    UnknownKind {
        /// Number of the type.
        id: TypeId,
        kind: u32,
    },
    /// A reference to a type that does not exist. Number 0 is void, which has no record.
    #[error("BTF type {0} is referred to but not there")]
    NoType(TypeId),
    /// More typedefs and qualifiers in a row than the kernel allows.
    #[error("BTF type {0} is behind too many typedefs, or refers to itself")]
    EndlessChain(TypeId),
    /// No structure of that name, or only forward declarations.
    #[error("BTF has no struct {0} with members")]
    NoStruct(String),
    /// No member of that name.
    #[error("BTF type {id} has no member {name}")]
    NoMember {
        /// Number of the type.
        id: TypeId,
        name: String,
    },
    /// A member that is a bit field: it has no offset in bytes.
    #[error("{0} is a bit field")]
    BitField(String),
    /// An element of a type that is not an array, or not so long.
    #[error("BTF type {id} has no element {index}")]
    NoElement {
        /// Number of the type.
        id: TypeId,
        index: u32,
    },
    /// A type that has no size by itself, such as a function.
    #[error("BTF type {0} has no size")]
    NoSize(TypeId),
    /// A distance that does not fit 32 bits.
    #[error("an offset within BTF type {0} is too large")]
    TooLarge(TypeId),
}

/// Number of a type, from 1 in the order of the type section; 0 is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TypeId(pub(in crate::probes) usize);

impl fmt::Display for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
