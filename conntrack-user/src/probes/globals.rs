//! Values of the object's globals, which its programs see as constants.

use std::collections::HashMap;

use conntrack_ebpf::fields::FieldPlace;

/// Values by the globals' names.
#[derive(Debug, Default)]
pub(super) struct Globals(Vec<GlobalValue>);

#[derive(Debug)]
struct GlobalValue {
    name: &'static str,
    value: Vec<u8>,
    /// Whether the object must have it.
    required: bool,
}

impl Globals {
    /// Sets one that the object must have.
    pub(super) fn set<const N: usize>(&mut self, name: &'static str, value: impl Value<N>) {
        self.0.push(GlobalValue {
            name,
            value: value.bytes().to_vec(),
            required: true,
        });
    }

    /// Sets one where the object has it.
    pub(super) fn set_if_there<const N: usize>(
        &mut self,
        name: &'static str,
        value: impl Value<N>,
    ) {
        self.0.push(GlobalValue {
            name,
            value: value.bytes().to_vec(),
            required: false,
        });
    }

    /// The bytes of each, and whether the object must have it.
    pub(super) fn by_name(&self) -> HashMap<&str, (&[u8], bool)> {
        let globals = self.0.iter();
        globals
            .map(|global| (global.name, (&*global.value, global.required)))
            .collect()
    }
}

/// A value of `N` bytes.
pub(super) trait Value<const N: usize> {
    /// As memory has it.
    fn bytes(self) -> [u8; N];
}

impl Value<1> for u8 {
    fn bytes(self) -> [u8; 1] {
        self.to_ne_bytes()
    }
}

impl Value<4> for u32 {
    fn bytes(self) -> [u8; 4] {
        self.to_ne_bytes()
    }
}

impl Value<16> for FieldPlace {
    fn bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (offset, structure) = bytes.split_at_mut(8);
        offset.copy_from_slice(&self.offset.to_ne_bytes());
        structure.copy_from_slice(&self.structure.to_ne_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_bytes_as_memory_has_them() {
        let mut globals = Globals::default();
        globals.set("BYTE", 1_u8);
        globals.set("WORD", 0x0102_0304_u32);
        let place = FieldPlace {
            offset: 3,
            structure: u64::MAX - 1,
        };
        globals.set_if_there("PLACE", place);
        let values = globals.by_name();
        assert_eq!(values.len(), 3);
        assert_eq!(values["BYTE"], (&[1_u8][..], true));
        assert_eq!(values["WORD"], (&0x0102_0304_u32.to_ne_bytes()[..], true));
        let words = [3_u64.to_ne_bytes(), (u64::MAX - 1).to_ne_bytes()];
        assert_eq!(values["PLACE"], (words.as_flattened(), false));
    }

    #[test]
    fn what_is_set_last_counts() {
        let mut globals = Globals::default();
        globals.set("TOP", 1_u32);
        globals.set("TOP", 2_u32);
        assert_eq!(globals.by_name()["TOP"], (&2_u32.to_ne_bytes()[..], true));
        assert!(Globals::default().by_name().is_empty());
    }
}
