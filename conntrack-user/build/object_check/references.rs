//! Which globals the programs of an object read, in themselves and in the functions that they call.

use std::collections::{BTreeMap, BTreeSet};

use object::{
    Object as _, ObjectSection as _, ObjectSymbol as _, RelocationTarget, SectionKind, SymbolKind,
    read::elf::{ElfFile64, ElfSection64, ElfSymbol64},
};

/// Bytes of an instruction (`struct bpf_insn`): opcode, registers, offset (2), immediate (4).
const INSTRUCTION: usize = 8;
/// `BPF_JMP | BPF_CALL`: the opcode of a call.
pub(super) const CALL: u8 = 0x85;
/// `BPF_PSEUDO_CALL`: the source register of a call that is to another function of the object, not to a helper.
pub(super) const PSEUDO_CALL: u8 = 1;
/// The section of functions that programs call. Other executable sections hold programs.
const FUNCTIONS: &str = ".text";

/// Code that cannot be followed.
#[derive(Debug, thiserror::Error)]
#[error("{function}: what the instruction at {offset:#x} of its section refers to is unknown")]
pub(crate) struct Unclear {
    function: String,
    offset: u64,
}

/// Where something starts: index of its section, and offset in it.
pub(super) type CodePlace = (usize, u64);

/// All functions of an object, programs included.
pub(super) struct Code {
    functions: BTreeMap<CodePlace, CompiledFunction>,
}

struct CompiledFunction {
    name: String,
    section: String,
    globals: BTreeSet<String>,
    /// Functions it calls or takes the address of, each with the offset of an instruction that does so.
    calls: BTreeMap<CodePlace, u64>,
    /// Offset of an instruction that refers to no symbol of the object.
    unclear: Option<u64>,
}

impl Code {
    /// Reads the functions of an object.
    pub(super) fn of(object: &ElfFile64<'_>) -> Self {
        let data = NamedData::of(object);
        let mut functions = BTreeMap::new();
        for section in object
            .sections()
            .filter(|section| section.kind() == SectionKind::Text)
        {
            for symbol in object.symbols() {
                let here = symbol.section_index() == Some(section.index());
                if here && symbol.kind() == SymbolKind::Text && symbol.size() > 0 {
                    let place = (section.index().0, symbol.address());
                    functions.insert(place, function(object, &section, &symbol, &data));
                }
            }
        }
        Self { functions }
    }

    /// The programs by section and name.
    pub(super) fn programs(&self) -> BTreeMap<(String, String), CodePlace> {
        let programs = self.functions.iter();
        programs
            .filter(|(_, function)| function.section != FUNCTIONS)
            .map(|(place, function)| ((function.section.clone(), function.name.clone()), *place))
            .collect()
    }

    /// Names of the globals that a function reads, itself or in what it calls.
    pub(super) fn globals_read_by(&self, function: CodePlace) -> Result<BTreeSet<&str>, Unclear> {
        let mut globals = BTreeSet::new();
        let mut seen = BTreeSet::from([function]);
        let mut pending = vec![function];
        while let Some(function) = pending.pop().and_then(|place| self.functions.get(&place)) {
            let unclear = |offset| Unclear {
                function: function.name.clone(),
                offset,
            };
            if let Some(offset) = function.unclear {
                return Err(unclear(offset));
            }
            globals.extend(function.globals.iter().map(String::as_str));
            for (callee, offset) in &function.calls {
                if !self.functions.contains_key(callee) {
                    return Err(unclear(*offset));
                }
                if seen.insert(*callee) {
                    pending.push(*callee);
                }
            }
        }
        Ok(globals)
    }
}

/// Where the named data is: by its place, its size and name.
struct NamedData(BTreeMap<CodePlace, (u64, String)>);

impl NamedData {
    fn of(object: &ElfFile64<'_>) -> Self {
        let symbols = object
            .symbols()
            .filter(|symbol| symbol.kind() == SymbolKind::Data);
        Self(
            symbols
                .filter_map(|symbol| {
                    let place = (symbol.section_index()?.0, symbol.address());
                    Some((place, (symbol.size(), symbol.name().ok()?.to_owned())))
                })
                .collect(),
        )
    }

    /// What is named at a place, or around it.
    fn at(&self, (section, offset): CodePlace) -> Option<&str> {
        let ((_, start), (size, name)) =
            self.0.range((section, 0)..=(section, offset)).next_back()?;
        (offset - start < *size).then_some(name)
    }
}

/// Goes through the instructions of a function.
fn function(
    object: &ElfFile64<'_>,
    section: &ElfSection64<'_, '_>,
    symbol: &ElfSymbol64<'_, '_>,
    data: &NamedData,
) -> CompiledFunction {
    let mut function = CompiledFunction {
        name: symbol.name().unwrap_or_default().to_owned(),
        section: section.name().unwrap_or_default().to_owned(),
        globals: BTreeSet::new(),
        calls: BTreeMap::new(),
        unclear: None,
    };
    let start = symbol.address();
    let Ok(Some(code)) = section.data_range(start, symbol.size()) else {
        function.unclear = Some(start);
        return function;
    };
    let relocations: BTreeMap<u64, RelocationTarget> = section
        .relocations()
        .map(|(offset, relocation)| (offset, relocation.target()))
        .collect();
    let (instructions, rest) = code.as_chunks::<INSTRUCTION>();
    if !rest.is_empty() {
        function.unclear = Some(start);
    }
    let mut offset = start;
    for &[opcode, registers, _, _, immediate @ ..] in instructions {
        let immediate = i64::from(i32::from_le_bytes(immediate));
        // A call's immediate is the distance in instructions from the next one.
        let distance = (immediate + 1) * INSTRUCTION as i64;
        let is_call = opcode == CALL && registers >> 4 == PSEUDO_CALL;
        match relocations.get(&offset) {
            Some(target) => match target_of(object, target) {
                Some(target) if target.is_code => {
                    let addend = match (target.is_section, is_call) {
                        (false, _) => 0,
                        (true, true) => distance,
                        (true, false) => immediate,
                    };
                    let callee = target.offset.wrapping_add_signed(addend);
                    function.calls.insert((target.section, callee), offset);
                }
                Some(target) => {
                    let place = target.offset.wrapping_add_signed(immediate);
                    let name = data.at((target.section, place));
                    function.globals.extend(name.map(str::to_owned));
                }
                None => function.unclear = Some(offset),
            },
            None if is_call => {
                let callee = offset.wrapping_add_signed(distance);
                function.calls.insert((section.index().0, callee), offset);
            }
            None => {}
        }
        offset += INSTRUCTION as u64;
    }
    function
}

/// What a relocation refers to.
struct Referent {
    section: usize,
    offset: u64,
    /// Whether the symbol is the section itself: the instruction has the offset in it.
    is_section: bool,
    is_code: bool,
}

fn target_of(object: &ElfFile64<'_>, target: &RelocationTarget) -> Option<Referent> {
    let RelocationTarget::Symbol(index) = target else {
        return None;
    };
    let symbol = object.symbol_by_index(*index).ok()?;
    let section = object.section_by_index(symbol.section_index()?).ok()?;
    Some(Referent {
        section: section.index().0,
        offset: symbol.address(),
        is_section: symbol.kind() == SymbolKind::Section,
        is_code: section.kind() == SectionKind::Text,
    })
}
