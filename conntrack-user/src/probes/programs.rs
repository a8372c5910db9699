//! Loads programs and attaches them to their functions, by kprobe or by fentry.

use aya::{
    Btf as KernelTypes, Ebpf,
    programs::{FEntry, FExit, KProbe, Program, ProgramError},
};

use super::{
    error::AttachError,
    plan::{AttachPoint, Mechanism, PlannedProbe},
};

/// Attaches all programs of a probe. `types` are those of vmlinux, which fentry needs.
pub(super) fn attach(
    ebpf: &mut Ebpf,
    types: Option<&KernelTypes>,
    probe: &PlannedProbe,
) -> Result<(), AttachError> {
    probe
        .attachments
        .iter()
        .try_for_each(|point| match (point.how, types) {
            (Mechanism::Fentry, Some(types)) => by_fentry(ebpf, types, *point),
            _ => by_kprobe(ebpf, *point),
        })
}

fn by_kprobe(ebpf: &mut Ebpf, point: AttachPoint) -> Result<(), AttachError> {
    let function = point.function;
    let program = point.program.kprobe;
    let kprobe: &mut KProbe = find(ebpf, program)?
        .try_into()
        .map_err(|cause| AttachError::OtherType { program, cause })?;
    match kprobe.load() {
        // One program may be attached to several functions.
        Ok(()) | Err(ProgramError::AlreadyLoaded) => {}
        Err(cause) => return Err(AttachError::Refused { program, cause }),
    }
    kprobe
        .attach(function, 0)
        .map_err(|cause| AttachError::Kprobe { function, cause })?;
    Ok(())
}

fn by_fentry(ebpf: &mut Ebpf, types: &KernelTypes, point: AttachPoint) -> Result<(), AttachError> {
    let function = point.function;
    let program = point.program.fentry;
    let other_type = |cause| AttachError::OtherType { program, cause };
    let refused = |cause| AttachError::Fentry {
        program,
        function,
        cause,
    };
    let found = find(ebpf, program)?;
    if point.program.at_return {
        let fexit: &mut FExit = found.try_into().map_err(other_type)?;
        fexit.load(function, types).map_err(refused)?;
        fexit.attach().map_err(refused)?;
    } else {
        let fentry: &mut FEntry = found.try_into().map_err(other_type)?;
        fentry.load(function, types).map_err(refused)?;
        fentry.attach().map_err(refused)?;
    }
    Ok(())
}

fn find<'a>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut Program, AttachError> {
    ebpf.program_mut(name).ok_or(AttachError::NoProgram(name))
}
