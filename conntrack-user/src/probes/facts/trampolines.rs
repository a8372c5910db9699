//! On which functions trampolines can be had, for fentry; or why on none, or not on one.

use std::sync::Arc;

use thiserror::Error;

use super::{FactError, Host, Support, privileges::Privileges};
use crate::probes::{
    fentry::FentryError,
    kallsyms::{SymbolMatch, Symbols},
    offsets::{FentryTarget, TypesError},
};

/// Why no program is attached by fentry.
#[derive(Clone, Debug, Error)]
pub enum NoFentry {
    /// None of the functions is in the kernel's types.
    #[error("the kernel has no type information of nf_conntrack (CONFIG_DEBUG_INFO_BTF_MODULES)")]
    NoFunctions,
    /// The kernel's types cannot be read.
    #[error(transparent)]
    Types(TypesError),
    /// This process may not load programs, so that the kernel was not asked.
    #[error("no program can be loaded here")]
    NotAllowed,
    /// This process may not have the type information of modules.
    #[error("it takes CAP_SYS_ADMIN where nf_conntrack is a module")]
    NotAdmin,
    /// The kernel does not support fentry.
    #[error("this kernel has no trampolines for programs")]
    NoTrampolines,
    /// The kernel refused the program that tests whether fentry works.
    #[error("the kernel refuses it: {0}")]
    Refused(String),
    /// A program may be interrupted by another task of its CPU there, in which it is then left out: `__bpf_prog_enter_recur` keeps tasks
    /// from migrating only, while a kprobe keeps them from being preempted. In a storm one hit of 14 was missed.
    #[error("on a PREEMPT_RT kernel it misses hits, which kprobes do not")]
    Realtime,
    /// The user asked for kprobes.
    #[error("turned off with --no-fentry")]
    TurnedOff,
    /// The kernel's types do not have this function.
    #[error("the kernel's type information does not have the function")]
    NoFunction,
    /// The kernel's types have the function by its plain name, and the kernel has no such symbol.
    #[error(
        "clang's ThinLTO has appended a hash to the function's name, by which the kernel does not find it"
    )]
    Renamed,
    /// The kernel refused a program, though it should have run it.
    #[error(transparent)]
    Attach(Arc<FentryError>),
}

/// The functions that fentry can be used on.
#[derive(Clone, Debug, Default)]
pub struct FentryTargets {
    found: Vec<FentryTarget>,
    /// Those that are in the kernel's types, but that the kernel does not find.
    renamed: Vec<&'static str>,
}

impl FentryTargets {
    /// What a trampoline for a function is made with.
    ///
    /// # Errors
    ///
    /// Why there can be none.
    pub fn get(&self, function: &str) -> Result<FentryTarget, NoFentry> {
        if let Some(target) = self.found.iter().find(|target| target.function == function) {
            return Ok(*target);
        }
        Err(match self.renamed.contains(&function) {
            true => NoFentry::Renamed,
            false => NoFentry::NoFunction,
        })
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.found.len()
    }
}

impl From<Vec<FentryTarget>> for FentryTargets {
    fn from(found: Vec<FentryTarget>) -> Self {
        Self {
            found,
            renamed: Vec::new(),
        }
    }
}

/// Of the functions that are in the kernel's types, those that fentry can be used on here. `test` is the kernel's function for tests.
pub(super) fn fentry(
    host: &Host<'_>,
    targets: Vec<FentryTarget>,
    test: Option<u32>,
    symbols: &Result<Symbols, FactError>,
    privileges: &Privileges,
) -> Result<FentryTargets, NoFentry> {
    if targets.is_empty() {
        return Err(NoFentry::NoFunctions);
    }
    if matches!(privileges.probing, Support::No(_)) {
        return Err(NoFentry::NotAllowed);
    }
    let targets = usable(targets, privileges.admin)?;
    // A kernel without it is not asked: what it refuses then shows at the first function.
    if let Some(test) = test {
        host.kernel().trampolines(test)?;
    }
    let (found, renamed): (Vec<_>, Vec<_>) = targets
        .into_iter()
        .partition(|target| !is_renamed(target, symbols) || host.kernel().finds(*target));
    if found.is_empty() {
        return Err(NoFentry::Renamed);
    }
    Ok(FentryTargets {
        found,
        renamed: renamed.iter().map(|target| target.function).collect(),
    })
}

/// Whether the symbol of a function is not the name that it has in the kernel's types. Kernels from 5.13 to 6.10 find it all the same.
fn is_renamed(target: &FentryTarget, symbols: &Result<Symbols, FactError>) -> bool {
    match symbols
        .as_ref()
        .map(|symbols| symbols.find(target.function))
    {
        Ok(SymbolMatch::One(symbol)) => symbol != target.function,
        _ => false,
    }
}

/// Those of the functions that this process may put trampolines on: the type information of a module takes CAP_SYS_ADMIN to have
/// (`bpf_btf_get_fd_by_id`, `bpf_obj_get_next_id`).
pub(super) fn usable(
    targets: Vec<FentryTarget>,
    admin: bool,
) -> Result<Vec<FentryTarget>, NoFentry> {
    let (in_module, built_in): (Vec<_>, Vec<_>) =
        targets.iter().partition(|target| target.in_module);
    match (in_module.is_empty(), built_in.is_empty()) {
        (true, true) => Err(NoFentry::NoFunctions),
        (false, true) if !admin => Err(NoFentry::NotAdmin),
        (false, false) if !admin => Ok(built_in),
        _ => Ok(targets),
    }
}
