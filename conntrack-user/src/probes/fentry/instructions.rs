//! The instructions of the object's programs, as they are loaded: with the maps that aya created, and the globals' values.
//!
//! The steps are those of `EbpfLoader::load` of the aya version that Cargo.toml names; the object needs none of its relocations
//! by type (CO-RE), as offsets are globals.

use std::{
    collections::{HashMap, HashSet},
    os::fd::{AsFd, AsRawFd, RawFd},
};

use aya::{
    Ebpf,
    maps::{Map, MapData},
};
use aya_obj::{
    Object, ParseError, ProgramSection,
    generated::{BPF_ALU64, BPF_EXIT, BPF_JMP, BPF_K, BPF_MOV, bpf_insn},
    relocation::EbpfRelocationError,
};
use thiserror::Error;

use crate::probes::globals::Globals;

/// Why the programs could not be taken out of the object.
#[derive(Debug, Error)]
pub enum ObjectError {
    /// The object is not what this program was built for.
    #[error("the eBPF object cannot be read: {0}")]
    Parse(#[from] ParseError),
    /// A program refers to something that is not there.
    #[error("the eBPF object cannot be linked: {0}")]
    Link(#[from] EbpfRelocationError),
    /// A map that the object describes was not created.
    #[error("the eBPF object has no map {0}")]
    NoMap(String),
}

/// The instructions of programs, by the programs' names.
pub(super) type Instructions = HashMap<String, Vec<bpf_insn>>;

/// The instructions of every program that is for a trampoline.
pub(super) fn of(
    object: &[u8],
    globals: &Globals,
    created: &Ebpf,
) -> Result<Instructions, ObjectError> {
    linked(object, globals, |map| created.map(map).and_then(descriptor))
}

/// The same, with the descriptors of the maps by their names.
fn linked(
    object: &[u8],
    globals: &Globals,
    descriptor_of: impl Fn(&str) -> Option<RawFd>,
) -> Result<Instructions, ObjectError> {
    let mut object = Object::parse(object)?;
    object.patch_map_data(globals.by_name())?;
    let texts: HashSet<usize> = object
        .functions
        .keys()
        .map(|(section, _)| *section)
        .collect();
    let maps = std::mem::take(&mut object.maps);
    let mut described = Vec::new();
    for (name, map) in &maps {
        let fd = descriptor_of(name).ok_or_else(|| ObjectError::NoMap(name.clone()))?;
        described.push((name.as_str(), fd, map));
    }
    object.relocate_maps(described.into_iter(), &texts)?;
    object.relocate_calls(&texts)?;
    let mut programs = HashMap::new();
    for (name, program) in &object.programs {
        let trampoline = matches!(
            program.section,
            ProgramSection::FEntry { .. } | ProgramSection::FExit { .. }
        );
        if let Some(function) = object.functions.get(&program.function_key())
            && trampoline
        {
            programs.insert(name.clone(), function.instructions.clone());
        }
    }
    Ok(programs)
}

/// A program that returns 0.
pub(super) fn nothing() -> [bpf_insn; 2] {
    let instruction = |code: u32| bpf_insn {
        // Operations are bytes.
        code: code as u8,
        _bitfield_1: bpf_insn::new_bitfield_1(0, 0),
        off: 0,
        imm: 0,
    };
    [
        instruction(BPF_ALU64 | BPF_MOV | BPF_K),
        instruction(BPF_JMP | BPF_EXIT),
    ]
}

/// The descriptor of a map of one of the types that the object has.
fn descriptor(map: &Map) -> Option<RawFd> {
    let data: &MapData = match map {
        Map::Array(data)
        | Map::HashMap(data)
        | Map::LruHashMap(data)
        | Map::PerCpuArray(data)
        | Map::PerCpuHashMap(data)
        | Map::RingBuf(data) => data,
        _ => return None,
    };
    Some(data.fd().as_fd().as_raw_fd())
}

#[cfg(test)]
mod tests;
