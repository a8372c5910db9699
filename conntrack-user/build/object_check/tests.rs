//! Objects made by the tests, right and wrong, against a table of one row; and the object that this binary
//! carries, against its own.

use std::{collections::HashMap, env::consts::ARCH};

use conntrack_ebpf::{
    ProbeCounter,
    fields::{EXPECT_MASTER, NET_INUM, NO_OFFSET},
    table::{Function, PROBES, ProbeGroup, ProbedFunction},
};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags, SymbolKind,
    SymbolScope, elf,
    write::{Object, Relocation, SectionId, Symbol, SymbolId, SymbolSection},
};

use super::{
    references::{CALL, PSEUDO_CALL},
    *,
};
use crate::probes::object::{embedded, is_embedded};

/// A row with a program on the entry of a function and one on its return, which read a field.
const ROW: ProbeRow = ProbeRow {
    group: ProbeGroup::Flow,
    timed: false,
    counters: &[ProbeCounter::ExpectNew],
    reads: &[NET_INUM],
    alternatives: &[ProbedFunction {
        besides: &[],
        function: Function::EarlyDrop,
        name: "f",
        programs: &[
            ProgramPair {
                kprobe: "f",
                fentry: "f_fentry",
                at_return: false,
            },
            ProgramPair {
                kprobe: "f_return",
                fentry: "f_fexit",
                at_return: true,
            },
        ],
    }],
    extras: &[],
};

/// An instruction of the programs.
#[derive(Clone, Copy)]
enum CraftedStep {
    /// `ld_imm64` of the address of a global.
    Load(&'static str),
    /// The same, as an offset from the start of its section.
    LoadBySection(&'static str),
    /// A call of a function of `.text`.
    Call(&'static str),
    /// The same, as an offset from the start of its section.
    CallBySection(&'static str),
    /// A call of a function of the same section, which the linker resolved: so many instructions ahead.
    CallAhead(i32),
    /// `r0 = 0`
    Nothing,
}

/// An object in the making.
struct Crafted {
    object: Object<'static>,
    sections: HashMap<&'static str, SectionId>,
    symbols: HashMap<&'static str, (SymbolId, u64)>,
}

impl Crafted {
    /// All maps and globals, but for those to leave out; and no function.
    fn data(leave_out: &[&str], default: u64) -> Self {
        let object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
        let mut crafted = Self {
            object,
            sections: HashMap::new(),
            symbols: HashMap::new(),
        };
        let kind = SectionKind::Data;
        crafted.define(
            PROCESSOR,
            kind,
            "PROCESSOR",
            SymbolKind::Data,
            ARCH.as_bytes(),
        );
        let kept = |name: &&'static str| !leave_out.contains(name);
        for map in maps::ALL.iter().copied().filter(kept) {
            crafted.define("maps", SectionKind::Data, map, SymbolKind::Data, &[0; 28]);
        }
        for setting in globals::ALL.iter().copied().filter(kept) {
            crafted.read_only(setting, &[0; 4]);
        }
        for offset in fields::ALL.iter().map(|field| field.global).filter(kept) {
            let place = [default.to_le_bytes(), [0; 8]];
            crafted.read_only(offset, place.as_flattened());
        }
        crafted
    }

    /// Whole, with both programs of the row, of which those on the entry take these steps.
    fn with(entry: &[CraftedStep]) -> Self {
        let mut crafted = Self::data(&[], NO_OFFSET);
        crafted.function(
            ".text",
            "reads_master",
            &[CraftedStep::Load("EXPECT_MASTER")],
        );
        crafted.function(".text", "calls_it", &[CraftedStep::Call("reads_master")]);
        crafted.function(".text", "reads_inum", &[CraftedStep::Load("NET_INUM")]);
        crafted.programs(entry);
        crafted
    }

    fn programs(&mut self, entry: &[CraftedStep]) {
        self.function("kprobe", "f", entry);
        self.function("fentry", "f_fentry", entry);
        self.function("kretprobe", "f_return", &[CraftedStep::Nothing]);
        self.function("fexit", "f_fexit", &[CraftedStep::Nothing]);
    }

    fn read_only(&mut self, name: &'static str, value: &[u8]) {
        let kind = SectionKind::ReadOnlyData;
        self.define(".rodata", kind, name, SymbolKind::Data, value);
    }

    fn define(
        &mut self,
        section: &'static str,
        section_kind: SectionKind,
        name: &'static str,
        kind: SymbolKind,
        bytes: &[u8],
    ) -> (SectionId, u64) {
        let object = &mut self.object;
        let id = *self.sections.entry(section).or_insert_with(|| {
            object.add_section(Vec::new(), section.as_bytes().to_vec(), section_kind)
        });
        let offset = object.append_section_data(id, bytes, 8);
        let symbol = object.add_symbol(Symbol {
            name: name.as_bytes().to_vec(),
            value: offset,
            size: bytes.len() as u64,
            kind,
            scope: SymbolScope::Dynamic,
            weak: false,
            section: SymbolSection::Section(id),
            flags: SymbolFlags::None,
        });
        self.symbols.insert(name, (symbol, offset));
        (id, offset)
    }

    fn function(&mut self, section: &'static str, name: &'static str, steps: &[CraftedStep]) {
        let mut code = Vec::new();
        let mut relocations = Vec::new();
        for step in steps {
            let offset = code.len() as u64;
            let (bytes, relocation) = self.assemble(*step);
            code.extend(bytes);
            relocations.extend(relocation.map(|(symbol, r_type)| (offset, symbol, r_type)));
        }
        // `exit`
        code.extend([0x95, 0, 0, 0, 0, 0, 0, 0]);
        let (id, start) = self.define(section, SectionKind::Text, name, SymbolKind::Text, &code);
        for (offset, symbol, r_type) in relocations {
            let relocation = Relocation {
                offset: start + offset,
                symbol,
                addend: 0,
                flags: RelocationFlags::Elf { r_type },
            };
            self.object.add_relocation(id, relocation).unwrap();
        }
    }

    /// The bytes of an instruction, and the symbol and type of its relocation.
    fn assemble(
        &mut self,
        step: CraftedStep,
    ) -> (Vec<u8>, Option<(SymbolId, elf::RelocationType)>) {
        let load = |immediate: i32| {
            let mut bytes = vec![0x18, 1, 0, 0];
            bytes.extend(immediate.to_le_bytes());
            bytes.extend([0; 8]);
            bytes
        };
        let call = |immediate: i32| {
            let mut bytes = vec![CALL, PSEUDO_CALL << 4, 0, 0];
            bytes.extend(immediate.to_le_bytes());
            bytes
        };
        match step {
            CraftedStep::Load(global) => {
                (load(0), Some((self.symbols[global].0, elf::R_BPF_64_64)))
            }
            CraftedStep::LoadBySection(global) => {
                let symbol = self.object.section_symbol(self.sections[".rodata"]);
                let offset = self.symbols[global].1 as i32;
                (load(offset), Some((symbol, elf::R_BPF_64_64)))
            }
            CraftedStep::Call(function) => {
                (call(-1), Some((self.symbols[function].0, elf::R_BPF_64_32)))
            }
            CraftedStep::CallBySection(function) => {
                let symbol = self.object.section_symbol(self.sections[".text"]);
                let distance = self.symbols[function].1 as i32 / 8 - 1;
                (call(distance), Some((symbol, elf::R_BPF_64_32)))
            }
            CraftedStep::CallAhead(instructions) => (call(instructions), None),
            CraftedStep::Nothing => (vec![0xb7, 0, 0, 0, 0, 0, 0, 0], None),
        }
    }

    fn check(&self, row: ProbeRow) -> Result<(), String> {
        self.check_for(row, ARCH)
    }

    fn check_for(&self, row: ProbeRow, processor: &str) -> Result<(), String> {
        let bytes = self.object.write().unwrap();
        check(&bytes, &[row], processor).map_err(|breaches| {
            let breaches: Vec<String> = breaches.iter().map(ToString::to_string).collect();
            breaches.join("\n")
        })
    }
}

#[test]
fn an_object_that_is_what_the_table_says_passes() {
    for reads in [
        CraftedStep::Load("NET_INUM"),
        CraftedStep::LoadBySection("NET_INUM"),
        CraftedStep::Call("reads_inum"),
        CraftedStep::CallBySection("reads_inum"),
    ] {
        assert_eq!(
            Crafted::with(&[CraftedStep::Nothing, reads]).check(ROW),
            Ok(())
        );
    }
}

#[test]
fn an_object_for_another_processor_is_refused() {
    let object = Crafted::with(&[CraftedStep::Load("NET_INUM")]);
    assert_eq!(
        object.check_for(ROW, "vax").unwrap_err(),
        format!("for {ARCH}, not for vax")
    );
}

#[test]
fn a_field_that_the_row_does_not_name_is_refused_however_it_is_reached() {
    for reads in [
        CraftedStep::Load("EXPECT_MASTER"),
        CraftedStep::LoadBySection("EXPECT_MASTER"),
        CraftedStep::Call("reads_master"),
        CraftedStep::CallBySection("reads_master"),
        CraftedStep::Call("calls_it"),
    ] {
        let object = Crafted::with(&[CraftedStep::Load("NET_INUM"), reads]);
        assert_eq!(
            object.check(ROW).unwrap_err(),
            "program f reads nf_conntrack_expect.master (EXPECT_MASTER), which its row does not name: add it \
             to `reads`\n\
             program f_fentry reads nf_conntrack_expect.master (EXPECT_MASTER), which its row does not name: \
             add it to `reads`"
        );
        let row = ProbeRow {
            reads: &[NET_INUM, EXPECT_MASTER],
            ..ROW
        };
        assert_eq!(object.check(row), Ok(()));
    }
}

#[test]
fn a_call_within_the_section_is_followed() {
    let mut object = Crafted::data(&[], NO_OFFSET);
    // Over its own `exit`, to the function behind it.
    object.function(".text", "calls_ahead", &[CraftedStep::CallAhead(1)]);
    object.function(".text", "behind", &[CraftedStep::Load("EXPECT_MASTER")]);
    object.programs(&[
        CraftedStep::Load("NET_INUM"),
        CraftedStep::Call("calls_ahead"),
    ]);
    let error = object.check(ROW).unwrap_err();
    assert!(
        error.contains("program f reads nf_conntrack_expect.master"),
        "{error}"
    );
}

#[test]
fn a_field_that_no_program_reads_is_refused() {
    let object = Crafted::with(&[CraftedStep::Nothing]);
    assert_eq!(
        object.check(ROW).unwrap_err(),
        "the row of f names net.ns.inum (NET_INUM), which no program of it reads: take it out of `reads`"
    );
}

#[test]
fn code_that_cannot_be_followed_is_refused() {
    let object = Crafted::with(&[CraftedStep::Load("NET_INUM"), CraftedStep::CallAhead(100)]);
    let error = object.check(ROW).unwrap_err();
    assert!(
        error.starts_with("f: what the instruction at 0x10 of its section refers to is unknown"),
        "{error}"
    );
}

#[test]
fn programs_and_rows_go_together() {
    let mut object = Crafted::data(&[], NO_OFFSET);
    object.function("kprobe", "f", &[CraftedStep::Load("NET_INUM")]);
    object.function("fentry", "f_fentry", &[CraftedStep::Load("NET_INUM")]);
    object.function("kretprobe", "f_fexit", &[CraftedStep::Nothing]);
    object.function("fexit", "g_fexit", &[CraftedStep::Nothing]);
    assert_eq!(
        object.check(ROW).unwrap_err(),
        "no program f_fexit in section fexit: the table has it\n\
         no program f_return in section kretprobe: the table has it\n\
         program g_fexit in section fexit is in no row of the table\n\
         program f_fexit in section kretprobe is in no row of the table"
    );
}

#[test]
fn a_field_is_not_called_unread_while_a_program_is_missing() {
    let mut object = Crafted::data(&[], NO_OFFSET);
    object.function("kprobe", "f", &[CraftedStep::Nothing]);
    object.function("kretprobe", "f_return", &[CraftedStep::Nothing]);
    object.function("fexit", "f_fexit", &[CraftedStep::Nothing]);
    assert_eq!(
        object.check(ROW).unwrap_err(),
        "no program f_fentry in section fentry: the table has it"
    );
}

#[test]
fn what_user_space_sets_and_opens_is_there() {
    let mut object = Crafted::data(&["RING_LENGTH", "SKB_HEAD", "EVENTS"], NO_OFFSET);
    object.read_only("SKB_HEAD", &[0; 4]);
    object.programs(&[CraftedStep::Load("NET_INUM")]);
    assert_eq!(
        object.check(ROW).unwrap_err(),
        "no global RING_LENGTH of 4 bytes\nno global SKB_HEAD of 16 bytes\nno map EVENTS"
    );
}

#[test]
fn an_offset_that_was_never_set_must_not_look_like_one() {
    let mut object = Crafted::data(&[], 0);
    object.programs(&[CraftedStep::Load("NET_INUM")]);
    let error = object.check(ROW).unwrap_err();
    assert!(
        error.starts_with("the offset NF_CONN_NET starts as 0x0, not as one that makes reads fail"),
        "{error}"
    );
    assert_eq!(error.lines().count(), fields::ALL.len());
}

#[test]
fn bytes_that_are_no_object_are_refused() {
    for bytes in [&b""[..], b"\x7fELF", &[0; 100]] {
        let breaches = check(bytes, &[ROW], ARCH).unwrap_err();
        assert!(matches!(breaches[..], [Breach::NotAnObject(_)]));
    }
}

#[test]
fn a_row_of_the_table_that_forgets_a_field_would_end_the_build() {
    if !is_embedded() {
        eprintln!("skipped: this binary was built without its eBPF programs");
        return;
    }
    let object = embedded().unwrap();
    assert!(check(&object, &PROBES, ARCH).is_ok());
    for forgetful in 0..PROBES.len() {
        let mut rows = PROBES;
        let Some((forgotten, others)) = rows[forgetful].reads.split_first() else {
            continue;
        };
        rows[forgetful].reads = others;
        let breaches = check(&object, &rows, ARCH).unwrap_err();
        let named = |breach: &Breach| matches!(breach, Breach::UnnamedField { field, .. } if field == forgotten);
        assert!(breaches.iter().all(named), "{breaches:?}");
    }
}
