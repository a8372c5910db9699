//! Values of the object's globals, which its programs see as constants.

use std::collections::HashMap;

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

impl Value<8> for u64 {
    fn bytes(self) -> [u8; 8] {
        self.to_ne_bytes()
    }
}
