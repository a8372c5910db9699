//! Objects made by the tests, sound and damaged; and the object that this binary carries.

use std::os::fd::RawFd;

use conntrack_ebpf::table::PROBES;
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags, SymbolKind,
    SymbolScope, elf,
    write::{Object, Relocation, SectionId, Symbol, SymbolId, SymbolSection},
};
use proptest::prelude::*;

use super::*;
use crate::probes::object::{embedded, is_embedded};

/// `BPF_LD | BPF_IMM | BPF_DW`: loads 64 bits, in two instructions.
const LOAD: u8 = 0x18;
/// `BPF_JMP | BPF_CALL`
const CALL: u8 = 0x85;
/// `BPF_PSEUDO_MAP_FD` and `BPF_PSEUDO_MAP_VALUE`, which tell what is loaded; `BPF_PSEUDO_CALL`, what is called.
const MAP: u8 = 1;
const VALUE_OF_MAP: u8 = 2;
const FUNCTION: u8 = 1;

/// Descriptors of the maps of the object.
const COUNTS: RawFd = 71;
const GLOBALS: RawFd = 72;

fn descriptors(map: &str) -> Option<RawFd> {
    match map {
        "COUNTS" => Some(COUNTS),
        ".rodata" => Some(GLOBALS),
        _ => None,
    }
}

fn symbol(
    object: &mut Object<'_>,
    section: SectionId,
    name: &str,
    kind: SymbolKind,
    bytes: &[u8],
) -> SymbolId {
    let value = object.append_section_data(section, bytes, 8);
    object.add_symbol(Symbol {
        name: name.into(),
        value,
        size: bytes.len() as u64,
        kind,
        scope: SymbolScope::Dynamic,
        weak: false,
        section: SymbolSection::Section(section),
        flags: SymbolFlags::None,
    })
}

const EXIT: [u8; 8] = [0x95, 0, 0, 0, 0, 0, 0, 0];

/// Loads what is at the first two relocations, calls what is at the third, and ends.
fn code() -> Vec<u8> {
    let mut load = [0; 16];
    load[..2].copy_from_slice(&[LOAD, 1]);
    let call = [CALL, FUNCTION << 4, 0, 0, 0xff, 0xff, 0xff, 0xff];
    [&load[..], &load, &call, &EXIT].concat()
}

fn sound() -> Vec<u8> {
    with_code(&code())
}

/// An object with a map, two globals and a program for each kind of attachment, of this code.
fn with_code(code: &[u8]) -> Vec<u8> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let mut section = |name: &str, kind| object.add_section(Vec::new(), name.into(), kind);
    let maps = section("maps", SectionKind::Data);
    let read_only = section(".rodata", SectionKind::ReadOnlyData);
    let text = section(".text", SectionKind::Text);
    let programs =
        ["kprobe", "fentry", "fexit"].map(|name| (name, section(name, SectionKind::Text)));

    // Type, size of a key, of a value, number of elements, flags, id, pinning.
    let definition: Vec<u8> = [2_u32, 4, 8, 1, 0, 0, 0]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let object = &mut object;
    let map = symbol(object, maps, "COUNTS", SymbolKind::Data, &definition);
    symbol(object, read_only, "FIRST", SymbolKind::Data, &[0; 8]);
    let global = symbol(object, read_only, "SECOND", SymbolKind::Data, &[0; 4]);
    let helper = symbol(object, text, "helper", SymbolKind::Text, &EXIT);

    for (name, section) in programs {
        symbol(
            object,
            section,
            &format!("on_{name}"),
            SymbolKind::Text,
            code,
        );
        for (offset, symbol, r_type) in [
            (0, map, elf::R_BPF_64_64),
            (16, global, elf::R_BPF_64_64),
            (32, helper, elf::R_BPF_64_32),
        ] {
            let flags = RelocationFlags::Elf { r_type };
            let relocation = Relocation {
                offset,
                symbol,
                addend: 0,
                flags,
            };
            object.add_relocation(section, relocation).unwrap();
        }
    }
    object.write().unwrap()
}

fn error(object: &[u8], globals: &Globals) -> String {
    let linked = linked(object, globals, descriptors);
    linked.err().map(|e| e.to_string()).unwrap_or_default()
}

#[test]
fn programs_refer_to_the_maps_that_were_created() {
    let mut globals = Globals::default();
    globals.set("SECOND", 5_u32);
    let programs = linked(&sound(), &globals, descriptors).unwrap();
    let mut names: Vec<&str> = programs.keys().map(String::as_str).collect();
    names.sort_unstable();
    // Not those for kprobes: aya loads them.
    assert_eq!(names, ["on_fentry", "on_fexit"]);
    for instructions in programs.values() {
        let [map, _, global, offset, call, _exit, helper] = instructions.as_slice() else {
            panic!("{} instructions", instructions.len());
        };
        assert_eq!((map.src_reg(), map.imm), (MAP, COUNTS));
        assert_eq!((global.src_reg(), global.imm), (VALUE_OF_MAP, GLOBALS));
        // Behind the first global, which has eight bytes.
        assert_eq!(offset.imm, 8);
        // The function was put behind the program: one instruction on.
        assert_eq!((call.src_reg(), call.imm), (FUNCTION, 1));
        assert_eq!(helper.code, 0x95);
    }
}

#[test]
fn what_the_object_lacks_is_named() {
    let sound = sound();
    let mut globals = Globals::default();
    globals.set_if_there("THIRD", 1_u8);
    assert_eq!(error(&sound, &globals), "");
    globals.set("FOURTH", 1_u8);
    let text = error(&sound, &globals);
    assert!(
        text.starts_with("the eBPF object cannot be read: "),
        "{text}"
    );
    assert!(text.contains("FOURTH"), "{text}");

    let mut other_size = Globals::default();
    other_size.set("FIRST", 1_u32);
    let text = error(&sound, &other_size);
    assert!(text.contains("FIRST"), "{text}");

    let none = linked(&sound, &Globals::default(), |_| None);
    let text = none.err().map(|e| e.to_string()).unwrap_or_default();
    assert!(text.starts_with("the eBPF object has no map "), "{text}");
}

#[test]
fn what_is_no_object_is_refused() {
    for bytes in [&b""[..], b"\x7fELF", b"#!/bin/sh\n", &[0; 4096]] {
        let text = error(bytes, &Globals::default());
        assert!(
            text.starts_with("the eBPF object cannot be read: "),
            "{text}"
        );
    }
}

#[test]
fn the_embedded_object_has_all_programs() {
    if !is_embedded() {
        eprintln!("skipped: built without the eBPF programs; `cargo xtask test` builds them");
        return;
    }
    let object = embedded().unwrap();
    let programs = linked(&object, &Globals::default(), |_| Some(COUNTS)).unwrap();
    for row in &PROBES {
        for function in row.functions() {
            for program in function.programs {
                let instructions = programs.get(program.fentry).map_or(0, Vec::len);
                assert!(instructions > 1, "{}", program.fentry);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_bytes_do_not_panic(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..400),
        sound_start in 0..64_usize,
    ) {
        let sound = sound();
        let start = sound_start.min(bytes.len());
        bytes[..start].copy_from_slice(&sound[..start]);
        let _ = linked(&bytes, &Globals::default(), descriptors);
    }

    #[test]
    fn an_object_that_is_cut_short_is_refused(part in 0.0..1.0_f64) {
        let sound = sound();
        let length = (sound.len() as f64 * part) as usize;
        let text = error(&sound[..length], &Globals::default());
        prop_assert!(text.starts_with("the eBPF object cannot be read: "), "{}", text);
    }

    // Only of the code: where names, sizes or positions are wrong, aya-obj panics at some. `EbpfLoader` would before us, with the same
    // object.
    #[test]
    fn any_code_does_not_panic(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut code = code();
        for (at, byte) in changes {
            *at.get_mut(&mut code) = byte;
        }
        let _ = linked(&with_code(&code), &Globals::default(), descriptors);
    }
}
