//! A builder of BTF for tests.

use crate::probes::btf::uapi::{HEADER_LEN, HEADER_WITH_LAYOUT_LEN, MAGIC, VERSION, kind};

/// Makes BTF, type by type.
#[derive(Default)]
pub(in crate::probes) struct BtfBuilder {
    next_id: u32,
    pub(super) types: Vec<u8>,
    first_string: u32,
    strings: Vec<u8>,
    pub(super) layouts: Option<Vec<u8>>,
}

/// A member: name, type, offset word.
type MemberWords<'a> = (&'a str, u32, u32);

impl BtfBuilder {
    pub(in crate::probes) fn new() -> Self {
        Self {
            next_id: 1,
            strings: vec![0],
            ..Self::default()
        }
    }

    /// Starts split BTF that continues `base`, as a module's does.
    pub(in crate::probes) fn split(base: &Self) -> Self {
        Self {
            next_id: base.next_id,
            first_string: base.first_string + length(&base.strings),
            ..Self::default()
        }
    }

    pub(super) fn string(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return 0;
        }
        let offset = self.first_string + length(&self.strings);
        self.strings.extend(name.as_bytes());
        self.strings.push(0);
        offset
    }

    /// Adds a type and returns its number.
    pub(super) fn add(
        &mut self,
        kind: u32,
        vlen: u32,
        name: &str,
        size_or_type: u32,
        trailer: &[u32],
    ) -> u32 {
        let name = self.string(name);
        for word in [name, kind << 24 | vlen, size_or_type]
            .iter()
            .chain(trailer)
        {
            self.types.extend(word.to_ne_bytes());
        }
        self.next_id += 1;
        self.next_id - 1
    }

    pub(in crate::probes) fn int(&mut self, name: &str, size: u32) -> u32 {
        self.add(kind::INT, 0, name, size, &[size * 8])
    }

    pub(in crate::probes) fn pointer(&mut self, to: u32) -> u32 {
        self.add(kind::PTR, 0, "", to, &[])
    }

    pub(in crate::probes) fn typedef(&mut self, name: &str, of: u32) -> u32 {
        self.add(kind::TYPEDEF, 0, name, of, &[])
    }

    pub(in crate::probes) fn array(&mut self, of: u32, count: u32) -> u32 {
        self.add(kind::ARRAY, 0, "", 0, &[of, 0, count])
    }

    /// A function without parameters that returns nothing, and its prototype.
    pub(in crate::probes) fn function(&mut self, name: &str) -> u32 {
        let prototype = self.add(kind::FUNC_PROTO, 0, "", 0, &[]);
        self.add(kind::FUNC, 0, name, prototype, &[])
    }

    /// Offsets of the members in bits.
    pub(in crate::probes) fn structure(
        &mut self,
        name: &str,
        size: u32,
        members: &[MemberWords<'_>],
    ) -> u32 {
        self.composite(kind::STRUCT, name, size, members)
    }

    pub(super) fn composite(
        &mut self,
        kind: u32,
        name: &str,
        size: u32,
        members: &[MemberWords<'_>],
    ) -> u32 {
        let trailer: Vec<u32> = members
            .iter()
            .flat_map(|&(name, id, offset)| [self.string(name), id, offset])
            .collect();
        self.add(kind, length(members), name, size, &trailer)
    }

    pub(in crate::probes) fn bytes(&self) -> Vec<u8> {
        let header_len = match self.layouts {
            Some(_) => HEADER_WITH_LAYOUT_LEN,
            None => HEADER_LEN,
        };
        let layouts = self.layouts.as_deref().unwrap_or_default();
        let (types, strings) = (length(&self.types), length(&self.strings));
        let mut bytes = MAGIC.to_ne_bytes().to_vec();
        bytes.extend([VERSION, 0]);
        for word in [header_len, 0, types, types, strings] {
            bytes.extend(word.to_ne_bytes());
        }
        if self.layouts.is_some() {
            for word in [types + strings, length(layouts)] {
                bytes.extend(word.to_ne_bytes());
            }
        }
        bytes.extend(&self.types);
        bytes.extend(&self.strings);
        bytes.extend(layouts);
        bytes
    }
}

pub(super) fn length<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap()
}
