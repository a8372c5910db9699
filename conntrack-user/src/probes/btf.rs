//! Reads the kernel's type information (BTF): just enough to find the offset of a field. No IO; whatever the bytes, every read is
//! checked and every loop ends.
//!
//! The format is that of Documentation/bpf/btf.rst and include/uapi/linux/btf.h: a header, the
//! type section (records of varying size, numbered from 1 in their order), and the string section
//! (NUL-terminated names). The BTF of a module is *split*: its type numbers and string offsets
//! continue those of vmlinux, to which it refers.

mod error;
mod format;
mod section;
mod uapi;

#[cfg(test)]
pub(super) mod tests;

use std::collections::BTreeSet;

pub use error::{BtfError, TypeId};
use format::{BtfHeader, BtfMember, BtfType, to_usize};
use section::TypeSection;
use uapi::kind;

/// How many typedefs and qualifiers may follow each other. The kernel's own reader stops at 32 (`MAX_RESOLVE_DEPTH`). The bound
/// is needed because types in broken BTF may refer to each other in a circle.
const MAX_CHAIN: usize = 32;

/// Where a member of a structure, or an element of an array, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BtfPart {
    /// Bytes from the start of the structure or array.
    pub offset: u32,
    /// Its type, which may be a typedef or qualified.
    pub id: TypeId,
}

/// The type information of vmlinux, or of a module together with that of vmlinux.
pub struct Btf<'a> {
    base: Option<&'a Btf<'a>>,
    /// Number of the first type in `types`.
    first_id: usize,
    types: TypeSection<'a>,
    /// Offset of the start of `strings`.
    first_string: usize,
    strings: &'a [u8],
    /// `struct btf_layout` by kind; older kernels have none.
    layouts: &'a [u8],
}

impl<'a> Btf<'a> {
    /// Reads BTF that is complete in itself, as /sys/kernel/btf/vmlinux is.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BtfError> {
        Self::parse_after(bytes, None)
    }

    /// Reads the BTF of a module, which continues that of vmlinux.
    pub fn parse_split(bytes: &'a [u8], base: &'a Btf<'a>) -> Result<Self, BtfError> {
        Self::parse_after(bytes, Some(base))
    }

    fn parse_after(bytes: &'a [u8], base: Option<&'a Btf<'a>>) -> Result<Self, BtfError> {
        let header = BtfHeader::parse(bytes)?;
        let layouts = match base {
            // Kinds are the same in the whole kernel, so a module's BTF need not repeat their layouts.
            Some(base) if header.layouts.is_empty() => base.layouts,
            _ => header.layouts,
        };
        let (first_id, first_string) = base.map_or((1, 0), |base| {
            (
                base.first_id + base.types.len(),
                base.first_string + base.strings.len(),
            )
        });
        Ok(Self {
            base,
            first_id,
            types: TypeSection::parse(header.types, layouts, first_id)?,
            first_string,
            strings: header.strings,
            layouts,
        })
    }

    /// The structure of this name that has members; the module's own comes before that of vmlinux.
    pub fn structure(&self, name: &str) -> Result<TypeId, BtfError> {
        let own = self.types.iter().position(|ty| {
            ty.kind() == kind::STRUCT && ty.vlen() > 0 && self.is_named(ty.name, name)
        });
        match (own, self.base) {
            (Some(index), _) => Ok(TypeId(self.first_id + index)),
            (None, Some(base)) => base.structure(name),
            (None, None) => Err(BtfError::NoStruct(name.to_owned())),
        }
    }

    /// The function of this name, the module's own before that of vmlinux; `None` where there is none.
    pub fn function(&self, name: &str) -> Option<TypeId> {
        let is_it = |ty: BtfType<'_>| ty.kind() == kind::FUNC && self.is_named(ty.name, name);
        match (self.types.iter().position(is_it), self.base) {
            (Some(index), _) => Some(TypeId(self.first_id + index)),
            (None, Some(base)) => base.function(name),
            (None, None) => None,
        }
    }

    /// The number of a type in the types of vmlinux; `None` where it is the module's.
    pub fn vmlinux_id(&self, id: Option<TypeId>) -> Option<u32> {
        let of_vmlinux = |id: &TypeId| self.base.is_none() || !self.is_own(*id);
        u32::try_from(id.filter(of_vmlinux)?.0).ok()
    }

    /// Whether a type is the module's, and not one of vmlinux that it refers to.
    pub fn is_own(&self, id: TypeId) -> bool {
        id.0 >= self.first_id
    }

    /// A member of a structure or union, or of an anonymous member of it.
    pub fn member(&self, id: TypeId, name: &str) -> Result<BtfPart, BtfError> {
        let mut pending = vec![(self.resolve(id)?.1, 0_u32)];
        // An anonymous type is searched once, so that this ends even for one that has itself as a member. Member names are unique, so
        // searching it again would find nothing more.
        let mut seen = BTreeSet::new();
        while let Some((composite, start)) = pending.pop() {
            for member in composite.members() {
                let bits = start
                    .checked_add(member.bit_offset)
                    .ok_or(BtfError::TooLarge(id))?;
                if self.is_named(member.name, name) {
                    return if bits % 8 != 0 || self.is_bit_field(&member) {
                        Err(BtfError::BitField(name.to_owned()))
                    } else {
                        Ok(BtfPart {
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
        Err(BtfError::NoMember {
            id,
            name: name.to_owned(),
        })
    }

    fn is_bit_field(&self, member: &BtfMember) -> bool {
        match member.bit_field_size {
            Some(size) => size > 0,
            // The old encoding of a bit field: the member is of an integer type that has fewer bits than its bytes.
            None => self.resolve(member.id).is_ok_and(|(_, ty)| {
                ty.int_bits()
                    .is_some_and(|bits| ty.size_or_type.checked_mul(8) != Some(bits))
            }),
        }
    }

    /// An element of an array.
    pub fn element(&self, id: TypeId, index: u32) -> Result<BtfPart, BtfError> {
        match self.resolve(id)?.1.array() {
            Some((element, count)) if index < count => Ok(BtfPart {
                offset: self
                    .size(element)?
                    .checked_mul(index)
                    .ok_or(BtfError::TooLarge(id))?,
                id: element,
            }),
            _ => Err(BtfError::NoElement { id, index }),
        }
    }

    /// Size in bytes. BTF does not have that of a pointer.
    fn size(&self, id: TypeId) -> Result<u32, BtfError> {
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
                    let (element, length) = ty.array().ok_or(BtfError::NoSize(inner))?;
                    inner = element;
                    length
                }
            };
            count = count.checked_mul(factor).ok_or(BtfError::TooLarge(id))?;
            if ty.kind() != kind::ARRAY {
                return Ok(count);
            }
        }
        Err(BtfError::EndlessChain(id))
    }

    /// The type behind typedefs and qualifiers.
    fn resolve(&self, id: TypeId) -> Result<(TypeId, BtfType<'a>), BtfError> {
        let mut inner = id;
        for _ in 0..MAX_CHAIN {
            let ty = self.get(inner).ok_or(BtfError::NoType(inner))?;
            match ty.kind() {
                kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => {
                    inner = TypeId(to_usize(ty.size_or_type))
                }
                _ => return Ok((inner, ty)),
            }
        }
        Err(BtfError::EndlessChain(id))
    }

    fn get(&self, id: TypeId) -> Option<BtfType<'a>> {
        match (id.0.checked_sub(self.first_id), self.base) {
            (Some(index), _) => self.types.get(index),
            (None, Some(base)) => base.get(id),
            (None, None) => None,
        }
    }

    /// Whether the string at an offset is `name`. Compared in place, because of many thousand names only a few are looked for.
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
