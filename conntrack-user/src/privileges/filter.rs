//! A filter of system calls: after it is installed, all others are refused, for all threads and for good.
//!
//! What is refused gets `EPERM`, as if a capability were lacking, and the kernel logs it (audit, or its log). Killing the process
//! instead would make a monitor die of a call that a library makes in a rare case, at the moment when it is needed.

use std::{collections::BTreeMap, io};

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};
use thiserror::Error;

use super::{
    calls::{Argument, LeftCall, allowed},
    install::{self, Refusals},
    needs::Uses,
};

/// Why system calls are not filtered.
#[derive(Debug, Error)]
pub enum SeccompError {
    /// The filter could not be made.
    #[error("cannot make the filter of system calls: {0}")]
    Build(#[from] BackendError),
    /// The kernel does not take it: it has no seccomp, for example.
    #[error("the kernel does not filter system calls: {0}")]
    Install(#[source] io::Error),
}

/// Leaves all threads of this process only what these uses take. They gain no privileges from then on, either
/// (`no_new_privs`).
///
/// # Errors
///
/// When the kernel refuses; nothing is filtered then.
pub fn leave_only(uses: &Uses) -> Result<(), SeccompError> {
    let left = left(&allowed(uses, std::process::id()))?;
    let no_clone3 = no_clone3()?;
    // In this order: the other allows clone3, and no further filter.
    for (filter, refusals) in [(no_clone3, Refusals::Silent), (left, Refusals::Logged)] {
        install::for_all_threads(&filter, refusals).map_err(SeccompError::Install)?;
    }
    Ok(())
}

fn left(allowed: &[LeftCall]) -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for LeftCall { call, if_any } in allowed {
        let if_any: Result<Vec<_>, _> = if_any.iter().map(|all| rule(all)).collect();
        rules.insert(*call, if_any?);
    }
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    SeccompFilter::new(rules, refuse, SeccompAction::Allow, architecture()?)?.try_into()
}

fn rule(all: &[Argument]) -> Result<SeccompRule, BackendError> {
    let conditions: Result<Vec<_>, _> = all
        .iter()
        .map(|argument| {
            SeccompCondition::new(
                argument.index,
                SeccompCmpArgLen::Dword,
                SeccompCmpOp::MaskedEq(argument.mask.into()),
                argument.value.into(),
            )
        })
        .collect();
    SeccompRule::new(conditions?)
}

/// Answers clone3(2) as a kernel without it, so that libraries use clone(2), whose arguments a filter sees.
fn no_clone3() -> Result<BpfProgram, BackendError> {
    let rules = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let unknown = SeccompAction::Errno(libc::ENOSYS as u32);
    SeccompFilter::new(rules, SeccompAction::Allow, unknown, architecture()?)?.try_into()
}

fn architecture() -> Result<TargetArch, BackendError> {
    std::env::consts::ARCH.try_into()
}

#[cfg(test)]
mod tests;
