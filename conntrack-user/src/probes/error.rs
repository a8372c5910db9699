//! Why programs could not be loaded, attached or read.

use std::{error::Error, io, sync::Arc};

use aya::{EbpfError, maps::MapError, programs::ProgramError};
use thiserror::Error;

use super::fentry::FentryError;

/// Why carrying out a plan failed, as a whole or for one probe. The text names the object, program or function and ends with the
/// kernel's answer.
#[derive(Debug, Error)]
pub enum AttachError {
    /// The object could not be loaded: a map could not be created, or a global could not be set.
    #[error("the kernel refused the eBPF object: {}", chain(.0))]
    Load(EbpfError),
    /// The object lacks a map, or has one of another type under its name.
    #[error("the eBPF object has no {kind} {map}")]
    NoMap {
        /// `map` or `array`.
        kind: &'static str,
        /// The map's name.
        map: &'static str,
    },
    /// A map is of another type than its name promises.
    #[error("{map}: {}", chain(cause))]
    Map {
        /// The map's name.
        map: &'static str,
        /// What aya found wrong.
        cause: MapError,
    },
    /// A map's memory could not be mapped.
    #[error("cannot map {what}: {cause}")]
    Memory {
        /// What the map counts.
        what: &'static str,
        /// The kernel's answer.
        cause: io::Error,
    },
    /// The object lacks a program.
    #[error("the eBPF object has no program {0}")]
    NoProgram(&'static str),
    /// A program is of another type than its name promises.
    #[error("program {program}: {}", chain(cause))]
    OtherType {
        /// The program's name.
        program: &'static str,
        /// What aya found wrong.
        cause: ProgramError,
    },
    /// A kprobe's program was refused by the verifier.
    #[error("the kernel refused program {program}: {}", chain(cause))]
    Refused {
        /// The program's name.
        program: &'static str,
        /// The kernel's answer.
        cause: ProgramError,
    },
    /// A kprobe could not be put on a function.
    #[error("the kernel refused a probe on {function}: {}", chain(cause))]
    Kprobe {
        /// The kernel function.
        function: &'static str,
        /// The kernel's answer.
        cause: ProgramError,
    },
    /// Neither a trampoline nor a kprobe could be had.
    #[error("{fentry}; and by kprobe: {kprobe}")]
    Neither {
        /// Why not a trampoline.
        fentry: Arc<FentryError>,
        /// Why not a kprobe.
        kprobe: Box<AttachError>,
    },
    /// A namespace could not be given a slot of its own.
    #[error("cannot assign a slot to a network namespace: {}", chain(cause))]
    Assign {
        /// Inode number of the namespace.
        inode: u32,
        /// The kernel's answer.
        cause: MapError,
    },
}

impl AttachError {
    /// The error without the names of the function and its program: the same for all that are refused for the same.
    #[must_use]
    pub(super) fn without_function(&self) -> String {
        match self {
            Self::Refused { cause, .. } => {
                format!("the kernel refused the program: {}", chain(cause))
            }
            Self::Kprobe { cause, .. } => format!("the kernel refused a kprobe: {}", chain(cause)),
            Self::Neither { fentry, kprobe } => format!(
                "{}; and by kprobe: {}",
                fentry.without_function(),
                kprobe.without_function()
            ),
            _ => self.to_string(),
        }
    }
}

/// An error with its causes, on one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
