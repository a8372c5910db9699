//! Attaches programs by trampolines: fentry at a function's entry, fexit at its return.
//!
//! aya does so for functions of vmlinux only. Those of a module need the descriptor of the module's type information when a
//! program is loaded, which aya keeps to itself; so programs are loaded by our own bpf(2) here, wherever their function is. What
//! they are made of still comes from aya: the instructions by a second pass over the object, with the maps that aya created.

mod instructions;

use std::{io, os::fd::OwnedFd, sync::Arc};

use aya::Ebpf;
use conntrack_ebpf::table::ProgramPair;
use thiserror::Error;

use self::instructions::Instructions;
pub use self::instructions::ObjectError;
use super::{
    bpf::{self, TracingProgram},
    globals::Globals,
    offsets::FentryTarget,
};

/// The module that tracks connections, where they are not tracked by vmlinux.
const MODULE: &str = "nf_conntrack";

/// The kernel's own error number for what it does not support, which it hands out here (`ENOTSUPP`, include/linux/errno.h).
const ENOTSUPP: i32 = 524;

/// Why a kernel runs no program by trampolines.
#[derive(Debug)]
pub(super) enum NoTrampolines {
    /// It has none.
    Unsupported,
    /// It refused the program that tries them, with this answer.
    Refused(String),
}

/// Why a program could not be attached by a trampoline.
#[derive(Debug, Error)]
pub enum FentryError {
    /// The programs could not be taken out of the object.
    #[error(transparent)]
    Object(#[from] Arc<ObjectError>),
    /// The object lacks the program.
    #[error("the eBPF object has no program {0}")]
    NoProgram(&'static str),
    /// The kernel has no type information of the module, or does not give it.
    #[error("no type information of {MODULE}: {0}")]
    NoModule(Arc<io::Error>),
    /// The verifier refused the program.
    #[error("the kernel refused program {program}: {cause}{}", remark(.verifier))]
    Refused {
        /// The program's name.
        program: String,
        /// The kernel's answer.
        cause: io::Error,
        /// The last thing that the verifier said; empty where it said nothing.
        verifier: String,
    },
    /// The kernel did not put the program on the function.
    #[error("the kernel refused a trampoline: {0}")]
    Attach(io::Error),
}

impl FentryError {
    /// The error without the program's name: the same for all that are refused for the same.
    #[must_use]
    pub(super) fn without_function(&self) -> String {
        match self {
            Self::Refused {
                cause, verifier, ..
            } => format!(
                "the kernel refused the program: {cause}{}",
                remark(verifier)
            ),
            _ => self.to_string(),
        }
    }

    /// The kernel's answer to a program that does nothing.
    fn answer(&self) -> String {
        match self {
            Self::Refused {
                cause, verifier, ..
            } => format!("{cause}{}", remark(verifier)),
            Self::Attach(cause) => cause.to_string(),
            _ => self.to_string(),
        }
    }

    /// Whether the kernel does not know such programs, or cannot put any on a function, as on arm64 before 6.4.
    fn is_unsupported(&self) -> bool {
        match self {
            Self::Refused {
                cause, verifier, ..
            } => match cause.raw_os_error() {
                // Attributes that it does not know.
                Some(libc::E2BIG) => true,
                // Of a type that it knows, the verifier says something.
                Some(libc::EINVAL) => verifier.is_empty(),
                _ => false,
            },
            Self::Attach(cause) => cause.raw_os_error() == Some(ENOTSUPP),
            _ => false,
        }
    }
}

fn remark(verifier: &str) -> String {
    match verifier {
        "" => String::new(),
        remark => format!(" ({remark})"),
    }
}

/// A program on a function. Dropping it detaches it.
pub(super) struct Trampoline {
    /// Keeps the program attached.
    _link: OwnedFd,
    /// Keeps the program, whose missed hits the kernel counts.
    pub(super) program: OwnedFd,
}

/// Whether the kernel runs programs by trampolines, tried out with one that does nothing on a function of vmlinux.
///
/// # Errors
///
/// When it does not.
pub(super) fn try_out(function: u32) -> Result<(), NoTrampolines> {
    let target = FentryTarget {
        function: "",
        id: function,
        in_module: false,
    };
    let tried =
        nothing_on(target).and_then(|program| bpf::attach(&program).map_err(FentryError::Attach));
    match tried {
        Ok(_attached) => Ok(()),
        Err(error) if error.is_unsupported() => Err(NoTrampolines::Unsupported),
        Err(error) => Err(NoTrampolines::Refused(error.answer())),
    }
}

/// Has the kernel check a program that does nothing, for a function.
///
/// # Errors
///
/// When it refuses to, for this function.
pub(super) fn try_load(target: FentryTarget) -> Result<(), FentryError> {
    nothing_on(target).map(drop)
}

fn nothing_on(target: FentryTarget) -> Result<OwnedFd, FentryError> {
    let types = target
        .in_module
        .then(|| bpf::types_of_module(MODULE))
        .transpose()
        .map_err(|cause| FentryError::NoModule(Arc::new(cause)))?;
    let program = TracingProgram {
        name: "nothing",
        instructions: &instructions::nothing(),
        at_return: false,
        function: target.id,
        types: types.as_ref(),
    };
    loaded(&program)
}

fn loaded(program: &TracingProgram<'_>) -> Result<OwnedFd, FentryError> {
    program.load().map_err(|cause| FentryError::Refused {
        program: program.name.to_owned(),
        verifier: program.objection(),
        cause,
    })
}

/// The programs of the object, ready to be loaded for functions.
pub(super) struct Trampolines<'a> {
    object: &'a [u8],
    globals: &'a Globals,
    /// Made when the first program is asked for; the same error for all that follow.
    programs: Option<Result<Instructions, Arc<ObjectError>>>,
    module: Option<Result<OwnedFd, Arc<io::Error>>>,
}

impl<'a> Trampolines<'a> {
    /// Of this object, with these globals.
    pub(super) fn new(object: &'a [u8], globals: &'a Globals) -> Self {
        Self {
            object,
            globals,
            programs: None,
            module: None,
        }
    }

    /// Loads a program for a function and attaches it. `maps` has the maps that the programs use.
    pub(super) fn attach(
        &mut self,
        maps: &Ebpf,
        program: ProgramPair,
        target: FentryTarget,
    ) -> Result<Trampoline, FentryError> {
        let name = program.fentry;
        let programs = self
            .programs
            .get_or_insert_with(|| {
                instructions::of(self.object, self.globals, maps).map_err(Arc::new)
            })
            .as_ref()
            .map_err(Arc::clone)?;
        let instructions = programs.get(name).ok_or(FentryError::NoProgram(name))?;
        let types = match target.in_module {
            false => None,
            true => {
                let module = self
                    .module
                    .get_or_insert_with(|| bpf::types_of_module(MODULE).map_err(Arc::new));
                Some(
                    module
                        .as_ref()
                        .map_err(|e| FentryError::NoModule(Arc::clone(e)))?,
                )
            }
        };
        let program = TracingProgram {
            name,
            instructions,
            at_return: program.at_return,
            function: target.id,
            types,
        };
        let program = loaded(&program)?;
        let link = bpf::attach(&program).map_err(FentryError::Attach)?;
        Ok(Trampoline {
            _link: link,
            program,
        })
    }
}
