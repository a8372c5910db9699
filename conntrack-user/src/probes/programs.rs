//! Loads programs and attaches them to their functions, by fentry or by kprobe.

use std::sync::Arc;

use aya::{
    Ebpf,
    programs::{KProbe, Program, ProgramError},
};

use super::{
    error::AttachError,
    facts::NoFentry,
    fentry::{FentryError, Trampoline, Trampolines},
    offsets::FentryTarget,
    plan::{AttachPoint, Mechanism},
};

/// Attaches all programs of a function, and gives how: by kprobe too where the kernel refuses a trampoline. Never both, as the
/// programs of a function find each other's notes by how they were called.
///
/// # Errors
///
/// When one cannot be attached; then some of them may be.
pub(super) fn attach(
    ebpf: &mut Ebpf,
    trampolines: &mut Trampolines<'_>,
    points: &[AttachPoint],
) -> Result<(Vec<AttachPoint>, Vec<Trampoline>), AttachError> {
    let target = points.first().and_then(|point| match point.how {
        Mechanism::Fentry(target) => Some(target),
        Mechanism::Kprobe(_) => None,
    });
    let Some(target) = target else {
        by_kprobe(ebpf, points)?;
        return Ok((points.to_vec(), Vec::new()));
    };
    let error = match by_fentry(ebpf, trampolines, points, target) {
        Ok(attached) => return Ok((points.to_vec(), attached)),
        Err(error) => Arc::new(error),
    };
    by_kprobe(ebpf, points).map_err(|kprobe| AttachError::Neither {
        fentry: Arc::clone(&error),
        kprobe: Box::new(kprobe),
    })?;
    let instead = points.iter().map(|point| AttachPoint {
        how: Mechanism::Kprobe(NoFentry::Attach(Arc::clone(&error))),
        ..point.clone()
    });
    Ok((instead.collect(), Vec::new()))
}

/// All of them, or none.
fn by_fentry(
    ebpf: &Ebpf,
    trampolines: &mut Trampolines<'_>,
    points: &[AttachPoint],
    target: FentryTarget,
) -> Result<Vec<Trampoline>, FentryError> {
    points
        .iter()
        .map(|point| trampolines.attach(ebpf, point.program, target))
        .collect()
}

fn by_kprobe(ebpf: &mut Ebpf, points: &[AttachPoint]) -> Result<(), AttachError> {
    for point in points {
        let function = point.function;
        let program = point.program.kprobe;
        let found = ebpf.program_mut(program);
        let found: &mut Program = found.ok_or(AttachError::NoProgram(program))?;
        let kprobe: &mut KProbe = found
            .try_into()
            .map_err(|cause| AttachError::OtherType { program, cause })?;
        match kprobe.load() {
            // One program may be attached to several functions.
            Ok(()) | Err(ProgramError::AlreadyLoaded) => {}
            Err(cause) => return Err(AttachError::Refused { program, cause }),
        }
        kprobe
            .attach(&point.symbol, 0)
            .map_err(|cause| AttachError::Kprobe { function, cause })?;
    }
    Ok(())
}
