//! What the kernel's types allow: which fields are where, and how they can be read.

use conntrack_ebpf::fields;

use super::{
    FactError, Support,
    host::Host,
    privileges::Privileges,
    trampolines::{self, FentryTargets, NoFentry},
};
use crate::probes::{
    kallsyms::Symbols,
    offsets::{FieldOffsets, TypesError},
};

/// The offsets of kernel fields, and the functions that fentry can be used on.
pub(super) fn types(
    host: &Host<'_>,
    functions: &[&'static str],
    symbols: &Result<Symbols, FactError>,
    privileges: &Privileges,
) -> (
    Result<FieldOffsets, TypesError>,
    Result<FentryTargets, NoFentry>,
) {
    match FieldOffsets::read(&host.path("sys/kernel/btf"), functions) {
        Ok((offsets, targets)) => {
            let fentry = trampolines::fentry(host, targets, offsets.test, symbols, privileges);
            (Ok(offsets), fentry)
        }
        Err(reason) => (Err(reason.clone()), Err(NoFentry::Types(reason))),
    }
}

/// The kernel's function that casts addresses to types. Where it cannot be used, fields are read as on older kernels.
pub(super) fn cast(
    host: &Host<'_>,
    offsets: &FieldOffsets,
    privileges: &Privileges,
) -> Option<u32> {
    let function = offsets.cast?;
    if matches!(privileges.probing, Support::No(_)) {
        return None;
    }
    let mut known = offsets.known();
    let (_, field) = known.find(|(field, _)| *field == fields::NET_INUM)?;
    match host.kernel().cast(function, field) {
        Ok(()) => Some(function),
        Err(error) => {
            log::debug!("fields are read by the helper: the kernel refuses to cast: {error}");
            None
        }
    }
}
