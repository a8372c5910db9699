//! Offsets of the kernel fields that the programs read, from the running kernel's own type information (BTF), so that one binary
//! works on every kernel.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use conntrack_ebpf::fields::{self, FieldStep, KernelField};
use thiserror::Error;

use super::btf::{Btf, BtfError};
use crate::files;

/// The most bytes that are read of a BTF file; a kernel's has some 10 MB.
const LARGEST_BTF: u64 = 256 << 20;

/// Why the kernel's types cannot be read.
#[derive(Clone, Debug, Error)]
pub enum TypesError {
    /// The file could not be read.
    #[error("{}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        cause: Arc<io::Error>,
    },
    /// The file is not BTF that can be read.
    #[error("{}: {cause}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: BtfError,
    },
}

/// Why the offset of a field is not known, though the kernel's types are.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FieldError {
    /// The types lack it.
    #[error("{field}: {cause}")]
    Missing {
        field: KernelField,
        /// What the types lack.
        cause: BtfError,
    },
    /// The field is of the module, whose types are not there.
    #[error(
        "the kernel has no type information of nf_conntrack's structures (CONFIG_DEBUG_INFO_BTF_MODULES)"
    )]
    NoModule,
}

impl FieldError {
    /// What to do about it, where it is not what one usually does.
    #[must_use]
    pub const fn fix(&self) -> Option<&'static str> {
        match self {
            Self::NoModule => Some(
                "a kernel with CONFIG_DEBUG_INFO_BTF_MODULES=y; there, `modprobe nf_conntrack` brings \
                 /sys/kernel/btf/nf_conntrack",
            ),
            Self::Missing { .. } => None,
        }
    }
}

/// The kernel's function that casts an address to the type of a structure, so that programs can load from there. Since 6.2.
const CAST: &str = "bpf_rdonly_cast";

/// The kernel's function that programs can be tried out on (net/bpf/test_run.c). Since 5.5.
const TEST: &str = "bpf_fentry_test1";

/// Where a field is, by the kernel's types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldOffset {
    /// Bytes from the start of the structure.
    pub bytes: u32,
    /// The structure's number in the types of vmlinux; `None` where only the module has it.
    pub structure: Option<u32>,
}

/// Offsets in bytes of the fields that the programs read, or why one is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldOffsets {
    fields: Vec<(KernelField, Result<FieldOffset, FieldError>)>,
    /// The number of the function that casts addresses in the types of vmlinux, where that has it.
    pub cast: Option<u32>,
    /// The number of the function that programs are tried out on, in the same types.
    pub test: Option<u32>,
}

impl FieldOffsets {
    /// The offset of a field.
    ///
    /// # Errors
    ///
    /// When the kernel's types do not have the field.
    pub fn offset(&self, field: KernelField) -> Result<u32, FieldError> {
        let found = self.fields.iter().find(|(known, _)| *known == field);
        found.map_or_else(
            || {
                let cause = BtfError::NoStruct(field.structure.to_owned());
                Err(FieldError::Missing { field, cause })
            },
            |(_, offset)| offset.clone().map(|offset| offset.bytes),
        )
    }

    /// The offsets that are known.
    pub fn known(&self) -> impl Iterator<Item = (KernelField, FieldOffset)> {
        self.fields
            .iter()
            .filter_map(|(field, offset)| Some((*field, *offset.as_ref().ok()?)))
    }

    /// Reads the kernel's BTF below `directory` (/sys/kernel/btf): `vmlinux`, and that of the
    /// module nf_conntrack where it is one. Also returns which of the functions are in it.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, or is not BTF.
    pub fn read(
        directory: &Path,
        functions: &[&'static str],
    ) -> Result<(Self, Vec<FentryTarget>), TypesError> {
        let vmlinux = directory.join("vmlinux");
        let vmlinux_bytes =
            files::read(&vmlinux, LARGEST_BTF).map_err(|e| unreadable(&vmlinux, e))?;
        let module = directory.join("nf_conntrack");
        let module_bytes = match files::read(&module, LARGEST_BTF) {
            Ok(bytes) => Some(bytes),
            // nf_conntrack is built in, or not loaded yet: only vmlinux has types.
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(unreadable(&module, e)),
        };
        Self::of(
            &vmlinux_bytes,
            module_bytes.as_deref(),
            functions,
            directory,
        )
    }

    /// The same from the contents of the files.
    ///
    /// # Errors
    ///
    /// When they are not BTF.
    pub(super) fn of(
        vmlinux: &[u8],
        module: Option<&[u8]>,
        functions: &[&'static str],
        directory: &Path,
    ) -> Result<(Self, Vec<FentryTarget>), TypesError> {
        let damaged = |file, cause| TypesError::Parse {
            path: directory.join(file),
            cause,
        };
        let base = Btf::parse(vmlinux).map_err(|e| damaged("vmlinux", e))?;
        let Some(module) = module else {
            let offsets = Self::find(&base).without_module();
            return Ok((offsets, targets(&base, functions, false)));
        };
        let split = Btf::parse_split(module, &base).map_err(|e| damaged("nf_conntrack", e))?;
        Ok((Self::find(&split), targets(&split, functions, true)))
    }

    fn find(btf: &Btf<'_>) -> Self {
        let fields = fields::ALL.iter().map(|&field| {
            let offset = offset(btf, &field);
            let offset = offset.map_err(|cause| FieldError::Missing { field, cause });
            (field, offset)
        });
        Self {
            fields: fields.collect(),
            cast: btf.vmlinux_id(btf.function(CAST)),
            test: btf.vmlinux_id(btf.function(TEST)),
        }
    }

    /// The same where only vmlinux has types: structures that are not in those are of the module.
    fn without_module(mut self) -> Self {
        for (_, offset) in &mut self.fields {
            if let Err(FieldError::Missing {
                cause: BtfError::NoStruct(_),
                ..
            }) = offset
            {
                *offset = Err(FieldError::NoModule);
            }
        }
        self
    }

    /// Offsets for tests, all known.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn complete() -> Self {
        let offset = FieldOffset {
            bytes: 8,
            structure: Some(1),
        };
        let fields = fields::ALL.iter().map(|field| (*field, Ok(offset)));
        Self {
            fields: fields.collect(),
            cast: None,
            test: None,
        }
    }

    /// Removes an offset, as if the kernel did not have the field.
    #[cfg(test)]
    pub(crate) fn forget(&mut self, field: KernelField) {
        for (known, offset) in &mut self.fields {
            if *known == field {
                *offset = Err(FieldError::Missing {
                    field,
                    cause: BtfError::NoStruct("not in BTF".to_owned()),
                });
            }
        }
    }
}

/// A function that a trampoline can be put on, as far as its types go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FentryTarget {
    /// Its name.
    pub function: &'static str,
    /// Its number in the types of vmlinux, or of the module.
    pub id: u32,
    /// Whether it is in the module's types.
    pub in_module: bool,
}

/// Those of the functions that are in these types; `split` says whether they are a module's.
fn targets(btf: &Btf<'_>, functions: &[&'static str], split: bool) -> Vec<FentryTarget> {
    let target = |function: &&'static str| {
        let id = btf.function(function)?;
        Some(FentryTarget {
            function,
            id: u32::try_from(id.0).ok()?,
            in_module: split && btf.is_own(id),
        })
    };
    functions.iter().filter_map(target).collect()
}

fn unreadable(path: &Path, cause: io::Error) -> TypesError {
    TypesError::Read {
        path: path.to_owned(),
        cause: Arc::new(cause),
    }
}

/// The offset of a field.
fn offset(btf: &Btf<'_>, field: &KernelField) -> Result<FieldOffset, BtfError> {
    let structure = btf.structure(field.structure)?;
    let mut id = structure;
    let mut offset = 0_u32;
    for step in field.path {
        let part = match step {
            FieldStep::Member(name) => btf.member(id, name),
            FieldStep::Element(index) => btf.element(id, *index),
        }?;
        offset = offset
            .checked_add(part.offset)
            .ok_or(BtfError::TooLarge(id))?;
        id = part.id;
    }
    Ok(FieldOffset {
        bytes: offset,
        structure: btf.vmlinux_id(Some(structure)),
    })
}

#[cfg(test)]
mod tests;
