//! Parses the bytes of BTF: header, sections, and the records of the type section.

use super::{
    error::{BtfError, TypeId},
    uapi::{HEADER_LEN, HEADER_WITH_LAYOUT_LEN, MAGIC, VERSION, kind},
};

/// The sections that a header names.
pub(super) struct BtfHeader<'a> {
    pub(super) types: &'a [u8],
    pub(super) strings: &'a [u8],
    pub(super) layouts: &'a [u8],
}

impl<'a> BtfHeader<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, BtfError> {
        let &[magic_0, magic_1, version, flags, ..] = bytes else {
            return Err(BtfError::HeaderCutShort);
        };
        match u16::from_ne_bytes([magic_0, magic_1]) {
            MAGIC => {}
            magic if magic.swap_bytes() == MAGIC => return Err(BtfError::OtherByteOrder),
            magic => return Err(BtfError::NotBtf(magic)),
        }
        if (version, flags) != (VERSION, 0) {
            return Err(BtfError::UnknownVersion { version, flags });
        }
        let [_, header_len, type_off, type_len, str_off, str_len] =
            words(bytes).ok_or(BtfError::HeaderCutShort)?;
        let sections = bytes
            .get(to_usize(header_len)..)
            .filter(|_| header_len >= HEADER_LEN)
            .ok_or(BtfError::HeaderCutShort)?;
        let section = |name, offset, len| {
            sections
                .get(to_usize(offset)..)
                .and_then(|section| section.get(..to_usize(len)))
                .ok_or(BtfError::SectionOutside(name))
        };
        let layouts = match words(bytes) {
            Some([_, _, _, _, _, _, layout_off, layout_len])
                if header_len >= HEADER_WITH_LAYOUT_LEN =>
            {
                section("layout", layout_off, layout_len)?
            }
            _ => &[],
        };
        Ok(Self {
            types: section("type", type_off, type_len)?,
            strings: section("string", str_off, str_len)?,
            layouts,
        })
    }
}

/// A record of the type section.
#[derive(Clone, Copy)]
pub(super) struct BtfType<'a> {
    /// Offset of its name.
    pub(super) name: u32,
    /// Kind, number of elements (`vlen`) and `kind_flag`.
    info: u32,
    /// Size in bytes, or the number of the type that this one refers to, depending on the kind.
    pub(super) size_or_type: u32,
    /// What follows `struct btf_type`.
    trailer: &'a [u8],
}

/// `struct btf_member`
pub(super) struct BtfMember {
    pub(super) name: u32,
    pub(super) id: TypeId,
    pub(super) bit_offset: u32,
    /// Size of a bit field in bits, 0 of any other member; `None` without `kind_flag`, when the type says it.
    pub(super) bit_field_size: Option<u32>,
}

impl<'a> BtfType<'a> {
    /// Parses the record at the start of `bytes`, which is that of type `id`; returns what follows it.
    pub(super) fn parse(
        bytes: &'a [u8],
        id: TypeId,
        layouts: &[u8],
    ) -> Result<(Self, &'a [u8]), BtfError> {
        let [name, info, size_or_type] = words(bytes).ok_or(BtfError::TypeCutShort(id))?;
        let mut ty = Self {
            name,
            info,
            size_or_type,
            trailer: &[],
        };
        let (fixed, per_element) =
            trailer_layout(ty.kind(), layouts).ok_or(BtfError::UnknownKind {
                id,
                kind: ty.kind(),
            })?;
        let rest;
        (ty.trailer, rest) = to_usize(ty.vlen())
            .checked_mul(per_element)
            .and_then(|len| len.checked_add(fixed))
            .and_then(|len| bytes.get(size_of::<[u32; 3]>()..)?.split_at_checked(len))
            .ok_or(BtfError::TypeCutShort(id))?;
        Ok((ty, rest))
    }

    /// `BTF_INFO_KIND`: seven bits in Linux 7.2; five before, the others 0.
    pub(super) fn kind(&self) -> u32 {
        (self.info >> 24) & 0x7f
    }

    /// `BTF_INFO_VLEN`: 24 bits in Linux 7.2; 16 before, the others 0.
    pub(super) fn vlen(&self) -> u32 {
        self.info & 0x00ff_ffff
    }

    /// `BTF_INFO_KFLAG`
    fn kind_flag(&self) -> bool {
        self.info >> 31 == 1
    }

    /// The members of a structure or union; anything else has none.
    pub(super) fn members(self) -> impl Iterator<Item = BtfMember> {
        let trailer = match self.kind() {
            kind::STRUCT | kind::UNION => self.trailer,
            _ => &[],
        };
        trailer
            .as_chunks::<12>()
            .0
            .iter()
            .filter_map(|member| words(member))
            .map(move |[name, id, offset]| {
                let (bit_offset, bit_field_size) = if self.kind_flag() {
                    (offset & 0x00ff_ffff, Some(offset >> 24))
                } else {
                    (offset, None)
                };
                BtfMember {
                    name,
                    id: TypeId(to_usize(id)),
                    bit_offset,
                    bit_field_size,
                }
            })
    }

    /// `BTF_INT_BITS`
    pub(super) fn int_bits(self) -> Option<u32> {
        let [encoding] = words(self.trailer).filter(|_| self.kind() == kind::INT)?;
        Some(encoding & 0xff)
    }

    /// The type and the number of the elements of an array.
    pub(super) fn array(self) -> Option<(TypeId, u32)> {
        let [element, _index_type, count] =
            words(self.trailer).filter(|_| self.kind() == kind::ARRAY)?;
        Some((TypeId(to_usize(element)), count))
    }
}

/// How many bytes follow `struct btf_type`: a fixed part, and a part for each element (`vlen`).
/// `layouts` are `struct btf_layout`, by kind.
fn trailer_layout(kind: u32, layouts: &[u8]) -> Option<(usize, usize)> {
    Some(match kind {
        kind::INT | kind::VAR | kind::DECL_TAG => (4, 0),
        kind::ARRAY => (12, 0),
        kind::ENUM | kind::FUNC_PROTO => (0, 8),
        kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => (0, 12),
        // Nothing follows a function: its vlen is its linkage.
        kind::PTR
        | kind::FWD
        | kind::TYPEDEF
        | kind::VOLATILE
        | kind::CONST
        | kind::RESTRICT
        | kind::FUNC
        | kind::FLOAT
        | kind::TYPE_TAG => (0, 0),
        kind::UNKN => return None,
        // A kind that is newer than this program can be skipped where the BTF says how large it is.
        _ => {
            let [info_sz, elem_sz, _flags @ ..] = layouts.as_chunks::<4>().0.get(to_usize(kind))?;
            (usize::from(*info_sz), usize::from(*elem_sz))
        }
    })
}

/// The first N words of `bytes`, which need not be aligned.
fn words<const N: usize>(bytes: &[u8]) -> Option<[u32; N]> {
    let chunks = bytes.as_chunks::<4>().0.first_chunk::<N>()?;
    Some(chunks.map(u32::from_ne_bytes))
}

/// Converts to an index or a length; on a platform where it does not fit, it is beyond the end of any slice.
pub(super) fn to_usize(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
