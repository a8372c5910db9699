//! Reads the kernel's type information (BTF): just enough to find where a field is. Bytes in, no
//! IO; whatever the bytes, every read is checked and every walk ends.
//!
//! The format is that of Documentation/bpf/btf.rst and include/uapi/linux/btf.h: a header, the
//! type section (records of varying size, numbered from 1 in their order), and the string section
//! (NUL-terminated names). The BTF of a module is *split*: its type numbers and string offsets
//! continue those of vmlinux, to which it refers.

use std::{collections::BTreeSet, fmt};

use thiserror::Error;

mod format;

use format::{Header, MAGIC, Member, Type, VERSION, kind, to_usize};

/// How many typedefs and qualifiers may follow each other. The kernel's own reader stops at 32
/// (`MAX_RESOLVE_DEPTH`); bounded, because nothing keeps broken BTF from going in circles.
const MAX_CHAIN: usize = 32;

/// Why bytes are not BTF that can be read, or why something is not in them. Types go by their
/// number, as `bpftool btf dump` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// Shorter than a header, or than its header says that the header is.
    #[error("the BTF header is cut short")]
    HeaderCutShort,
    /// Another magic number, given as it is.
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
    /// A section that does not lie within the bytes.
    #[error("the {0} section of the BTF reaches beyond its end")]
    SectionOutside(&'static str),
    /// A record that does not lie within the type section.
    #[error("BTF type {0} reaches beyond the end of the type section")]
    TypeCutShort(TypeId),
    /// A kind whose records are of unknown size, so that nothing after it can be found.
    #[error("BTF type {id} is of kind {kind}, which this version of ctpulse does not know")]
    UnknownKind {
        /// Number of the type.
        id: TypeId,
        /// The kind.
        kind: u32,
    },
    /// A reference to a type that is not there. Number 0 is void, which has no record.
    #[error("BTF type {0} is referred to but not there")]
    NoType(TypeId),
    /// More typedefs and qualifiers than `MAX_CHAIN`.
    #[error("BTF type {0} stands behind too many typedefs, or refers to itself")]
    EndlessChain(TypeId),
    /// No structure of that name, or only forward declarations.
    #[error("BTF has no struct {0} with members")]
    NoStruct(String),
    /// No member of that name.
    #[error("BTF type {id} has no member {name}")]
    NoMember {
        /// Number of the type.
        id: TypeId,
        /// The name.
        name: String,
    },
    /// A member that does not begin or end at the border of a byte, or need not.
    #[error("{0} is a bit field")]
    BitField(String),
    /// An element is wanted of something that is no array, or not so long.
    #[error("BTF type {id} has no element {index}")]
    NoElement {
        /// Number of the type.
        id: TypeId,
        /// The index.
        index: u32,
    },
    /// A type that has no size by itself, such as a function.
    #[error("BTF type {0} has no size")]
    NoSize(TypeId),
    /// A distance that does not fit 32 bits.
    #[error("an offset within BTF type {0} is too large")]
    TooLarge(TypeId),
}

/// Number of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TypeId(usize);

impl fmt::Display for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A part of a structure or an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Bytes from the beginning of the whole.
    pub offset: u32,
    /// What it is, by itself or through typedefs and qualifiers.
    pub id: TypeId,
}

/// The type information of vmlinux, or of a module together with that of vmlinux.
pub struct Btf<'a> {
    base: Option<&'a Btf<'a>>,
    /// Number of the first of `types`.
    first_id: usize,
    types: Vec<Type<'a>>,
    /// Offset of the beginning of `strings`.
    first_string: usize,
    strings: &'a [u8],
    /// `struct btf_layout` by kind; older kernels have none.
    layouts: &'a [u8],
}

impl<'a> Btf<'a> {
    /// Reads BTF that stands by itself, as /sys/kernel/btf/vmlinux does.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        Self::parse_after(bytes, None)
    }

    /// Reads the BTF of a module, which continues that of vmlinux.
    pub fn parse_split(bytes: &'a [u8], base: &'a Btf<'a>) -> Result<Self, Error> {
        Self::parse_after(bytes, Some(base))
    }

    fn parse_after(bytes: &'a [u8], base: Option<&'a Btf<'a>>) -> Result<Self, Error> {
        let header = Header::parse(bytes)?;
        let layouts = match base {
            // The kinds are the kernel's: a module need not repeat them.
            Some(base) if header.layouts.is_empty() => base.layouts,
            _ => header.layouts,
        };
        let (first_id, first_string) = base.map_or((1, 0), |base| {
            (
                base.first_id + base.types.len(),
                base.first_string + base.strings.len(),
            )
        });
        let mut types = Vec::new();
        let mut rest = header.types;
        while !rest.is_empty() {
            let ty;
            (ty, rest) = Type::parse(rest, TypeId(first_id + types.len()), layouts)?;
            types.push(ty);
        }
        Ok(Self {
            base,
            first_id,
            types,
            first_string,
            strings: header.strings,
            layouts,
        })
    }

    /// The structure of that name that has members: the module's own before that of vmlinux.
    pub fn structure(&self, name: &str) -> Result<TypeId, Error> {
        let own = self.types.iter().position(|ty| {
            ty.kind() == kind::STRUCT && ty.vlen() > 0 && self.is_named(ty.name, name)
        });
        match (own, self.base) {
            (Some(index), _) => Ok(TypeId(self.first_id + index)),
            (None, Some(base)) => base.structure(name),
            (None, None) => Err(Error::NoStruct(name.to_owned())),
        }
    }

    /// Whether there is a function of that name: programs can be attached to it by its type.
    pub fn has_function(&self, name: &str) -> bool {
        let mut functions = self.types.iter().filter(|ty| ty.kind() == kind::FUNC);
        functions.any(|ty| self.is_named(ty.name, name))
            || self.base.is_some_and(|base| base.has_function(name))
    }

    /// A member of a structure or union, looked for in anonymous members too.
    pub fn member(&self, id: TypeId, name: &str) -> Result<Part, Error> {
        let mut pending = vec![(self.resolve(id)?.1, 0_u32)];
        // An anonymous type is gone through once, so that this ends even for one that has itself
        // as a member; names are unique, so that a second time would find no more.
        let mut seen = BTreeSet::new();
        while let Some((composite, start)) = pending.pop() {
            for member in composite.members() {
                let bits = start
                    .checked_add(member.bit_offset)
                    .ok_or(Error::TooLarge(id))?;
                if self.is_named(member.name, name) {
                    return if bits % 8 != 0 || self.is_bit_field(&member) {
                        Err(Error::BitField(name.to_owned()))
                    } else {
                        Ok(Part {
                            offset: bits / 8,
                            id: member.id,
                        })
                    };
                }
                if self.is_named(member.name, "") {
                    let (inner, ty) = self.resolve(member.id)?;
                    if seen.insert(inner) {
                        pending.push((ty, bits));
                    }
                }
            }
        }
        Err(Error::NoMember {
            id,
            name: name.to_owned(),
        })
    }

    fn is_bit_field(&self, member: &Member) -> bool {
        match member.bit_field_size {
            Some(size) => size > 0,
            // The old way: the member is of an integer type that has fewer bits than its bytes.
            None => self.resolve(member.id).is_ok_and(|(_, ty)| {
                ty.int_bits()
                    .is_some_and(|bits| ty.size_or_type.checked_mul(8) != Some(bits))
            }),
        }
    }

    /// An element of an array.
    pub fn element(&self, id: TypeId, index: u32) -> Result<Part, Error> {
        match self.resolve(id)?.1.array() {
            Some((element, count)) if index < count => Ok(Part {
                offset: self
                    .size(element)?
                    .checked_mul(index)
                    .ok_or(Error::TooLarge(id))?,
                id: element,
            }),
            _ => Err(Error::NoElement { id, index }),
        }
    }

    /// Size in bytes. That of a pointer is not in BTF.
    fn size(&self, id: TypeId) -> Result<u32, Error> {
        let mut count = 1_u32;
        let mut inner = id;
        // Arrays of arrays can go in circles just as typedefs can.
        for _ in 0..MAX_CHAIN {
            let ty = self.resolve(inner)?.1;
            let factor = match ty.kind() {
                kind::INT
                | kind::STRUCT
                | kind::UNION
                | kind::ENUM
                | kind::FLOAT
                | kind::ENUM64 => ty.size_or_type,
                _ => {
                    let (element, length) = ty.array().ok_or(Error::NoSize(inner))?;
                    inner = element;
                    length
                }
            };
            count = count.checked_mul(factor).ok_or(Error::TooLarge(id))?;
            if ty.kind() != kind::ARRAY {
                return Ok(count);
            }
        }
        Err(Error::EndlessChain(id))
    }

    /// What a type is behind typedefs and qualifiers.
    fn resolve(&self, id: TypeId) -> Result<(TypeId, Type<'a>), Error> {
        let mut inner = id;
        for _ in 0..MAX_CHAIN {
            let ty = self.get(inner).ok_or(Error::NoType(inner))?;
            match ty.kind() {
                kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => {
                    inner = TypeId(to_usize(ty.size_or_type))
                }
                _ => return Ok((inner, ty)),
            }
        }
        Err(Error::EndlessChain(id))
    }

    fn get(&self, id: TypeId) -> Option<Type<'a>> {
        match (id.0.checked_sub(self.first_id), self.base) {
            (Some(index), _) => self.types.get(index).copied(),
            (None, Some(base)) => base.get(id),
            (None, None) => None,
        }
    }

    /// Whether the string at an offset is this one. Compared in place: of the many thousand names
    /// only a few are wanted.
    fn is_named(&self, offset: u32, name: &str) -> bool {
        self.strings_from(to_usize(offset))
            .and_then(|strings| strings.strip_prefix(name.as_bytes()))
            .is_some_and(|rest| rest.first() == Some(&0))
    }

    /// The string section from an offset on.
    fn strings_from(&self, offset: usize) -> Option<&'a [u8]> {
        match (offset.checked_sub(self.first_string), self.base) {
            (Some(start), _) => self.strings.get(start..),
            (None, Some(base)) => base.strings_from(offset),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
