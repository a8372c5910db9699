//! What the kernel's types allow: which fields are where, how they can be read, and what fentry can be used on.

use conntrack_ebpf::fields;

use super::{NoFentry, Support, host::Host, privileges::Privileges};
use crate::probes::offsets::{FentryTarget, FieldOffsets, TypesError};

/// The offsets of kernel fields, and the functions that fentry can be used on.
pub(super) fn types(
    host: &Host<'_>,
    functions: &[&'static str],
    privileges: &Privileges,
) -> (
    Result<FieldOffsets, TypesError>,
    Result<Vec<FentryTarget>, NoFentry>,
) {
    match FieldOffsets::read(&host.path("sys/kernel/btf"), functions) {
        Ok((offsets, targets)) => (Ok(offsets), fentry(host, targets, privileges)),
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

fn fentry(
    host: &Host<'_>,
    targets: Vec<FentryTarget>,
    privileges: &Privileges,
) -> Result<Vec<FentryTarget>, NoFentry> {
    if targets.is_empty() {
        return Err(NoFentry::NoFunctions);
    }
    if matches!(privileges.probing, Support::No(_)) {
        return Err(NoFentry::NotAllowed);
    }
    let targets = usable(targets, privileges.admin)?;
    host.kernel().trampolines().map(|()| targets)
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
