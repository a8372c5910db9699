//! Whether an eBPF object is what `conntrack_ebpf` describes: its programs are those of the table and read
//! exactly the kernel fields that their rows name, and all globals and maps are there that user space uses; and whether it is for
//! the processor that user space is for.
//!
//! A program that reads a field which its row does not name would be attached on a kernel without that
//! field, too. So such an object is not embedded.

mod references;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use conntrack_ebpf::{
    fields::{self, FieldPlace, KernelField},
    globals, maps,
    table::{ProbeRow, ProgramPair},
};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, read::elf::ElfFile64};

use references::{Code, Unclear};

/// Something in which an object and the table differ.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Breach {
    /// The bytes are no ELF file of 64 bits.
    #[error("not an object file: {0}")]
    NotAnObject(object::Error),
    /// Kprobes would read the registers of another processor.
    #[error("for {found}, not for {processor}")]
    Processor {
        /// What the programs are for.
        found: String,
        /// What this build is for.
        processor: String,
    },
    /// Machine code that cannot be followed, so that what it reads is not known.
    #[error(transparent)]
    Unclear(#[from] Unclear),
    /// The table names a program that is not there.
    #[error("no program {program} in section {section}: the table has it")]
    NoProgram {
        /// Name in the table.
        program: &'static str,
        /// Where it should be.
        section: &'static str,
    },
    /// There is a program that the table does not name.
    #[error("program {program} in section {section} is in no row of the table")]
    NoRow {
        /// Name in the object.
        program: String,
        /// Where it is.
        section: String,
    },
    /// A program reads a field that its row does not name.
    #[error("program {program} reads {field} ({}), which its row does not name: add it to `reads`", field.global)]
    UnnamedField {
        /// Name of the program.
        program: &'static str,
        /// The field.
        field: KernelField,
    },
    /// A row names a field that none of its programs reads.
    #[error("the row of {program} names {field} ({}), which no program of it reads: take it out of `reads`", field.global)]
    UnreadField {
        /// Name of the row's first program.
        program: &'static str,
        /// The field.
        field: KernelField,
    },
    /// User space would set a global that is not there, or of another size.
    #[error("no global {global} of {size} bytes")]
    NoGlobal {
        /// Name of the global.
        global: &'static str,
        /// Its size.
        size: u64,
    },
    /// A global that takes the offset of a field has a value that could be one.
    #[error("the offset {global} starts as {value:#x}, not as one that makes reads fail")]
    Default {
        /// Name of the global.
        global: &'static str,
        /// Its value.
        value: u64,
    },
    /// User space would open a map that is not there.
    #[error("no map {0}")]
    NoMap(&'static str),
}

/// Compares an object with the rows of the table, with the globals and maps that user space knows, and with the processor that it
/// is built for (as Rust names it).
///
/// # Errors
///
/// All differences.
pub(crate) fn check(bytes: &[u8], rows: &[ProbeRow], processor: &str) -> Result<(), Vec<Breach>> {
    let object = ElfFile64::parse(bytes).map_err(|e| vec![Breach::NotAnObject(e)])?;
    let mut breaches = Vec::new();
    let found = processor_of(&object);
    if found != processor {
        breaches.push(Breach::Processor {
            found,
            processor: processor.to_owned(),
        });
    }
    check_programs(&object, rows, &mut breaches);
    check_globals(&object, &mut breaches);
    for map in maps::ALL {
        if object.symbols().all(|symbol| symbol.name() != Ok(map)) {
            breaches.push(Breach::NoMap(map));
        }
    }
    if breaches.is_empty() {
        Ok(())
    } else {
        Err(breaches)
    }
}

/// The section in which the programs name their processor.
const PROCESSOR: &str = "processor";

fn processor_of(object: &ElfFile64<'_>) -> String {
    let section = object.section_by_name(PROCESSOR);
    let name = section.and_then(|section| section.data().ok());
    name.map_or_else(
        || "an unknown processor".to_owned(),
        |name| String::from_utf8_lossy(name).into_owned(),
    )
}

/// The two programs of an entry in the table, each with the section it is in.
fn variants(program: ProgramPair) -> [(&'static str, &'static str); 2] {
    if program.at_return {
        [(program.kprobe, "kretprobe"), (program.fentry, "fexit")]
    } else {
        [(program.kprobe, "kprobe"), (program.fentry, "fentry")]
    }
}

fn check_programs(object: &ElfFile64<'_>, rows: &[ProbeRow], breaches: &mut Vec<Breach>) {
    let code = Code::of(object);
    let mut unclaimed = code.programs();
    for row in rows {
        let mut unread: BTreeMap<&str, KernelField> = row
            .reads
            .iter()
            .map(|field| (field.global, *field))
            .collect();
        // A program may be there for several functions.
        let programs: BTreeSet<_> = row.programs().flat_map(variants).collect();
        // What a program reads that is not there, or not clear, is not known.
        let mut whole = true;
        for &(program, section) in &programs {
            let key = (section.to_owned(), program.to_owned());
            let Some(function) = unclaimed.remove(&key) else {
                breaches.push(Breach::NoProgram { program, section });
                whole = false;
                continue;
            };
            let read = match code.globals_read_by(function) {
                Ok(read) => read,
                Err(unclear) => {
                    breaches.push(unclear.into());
                    whole = false;
                    continue;
                }
            };
            for field in fields::ALL
                .iter()
                .filter(|field| read.contains(field.global))
            {
                unread.remove(field.global);
                if !row.reads.contains(field) {
                    let field = *field;
                    breaches.push(Breach::UnnamedField { program, field });
                }
            }
        }
        if !whole {
            continue;
        }
        let first = row.programs().next().map_or("", |program| program.kprobe);
        breaches.extend(unread.into_values().map(|field| Breach::UnreadField {
            program: first,
            field,
        }));
    }
    let strangers = unclaimed.into_keys();
    breaches.extend(strangers.map(|(section, program)| Breach::NoRow { program, section }));
}

fn check_globals(object: &ElfFile64<'_>, breaches: &mut Vec<Breach>) {
    let settings = globals::ALL.iter().map(|global| (*global, 4));
    let places = fields::ALL
        .iter()
        .map(|field| (field.global, size_of::<FieldPlace>() as u64));
    for (global, size) in settings.chain(places) {
        let found = object.symbols().find(|symbol| symbol.name() == Ok(global));
        let Some(symbol) = found.filter(|symbol| symbol.size() == size) else {
            breaches.push(Breach::NoGlobal { global, size });
            continue;
        };
        let bytes = symbol
            .section_index()
            .and_then(|index| object.section_by_index(index).ok())
            .and_then(|section| section.data_range(symbol.address(), size).ok()?);
        let Some((place, [])) = bytes.map(<[u8]>::as_chunks) else {
            continue;
        };
        if let [offset, structure] = *place {
            let (offset, structure) = (u64::from_le_bytes(offset), u64::from_le_bytes(structure));
            if (offset, structure) != (FieldPlace::UNSET.offset, FieldPlace::UNSET.structure) {
                breaches.push(Breach::Default {
                    global,
                    value: offset,
                });
            }
        }
    }
}
