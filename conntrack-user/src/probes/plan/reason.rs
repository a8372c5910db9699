//! Why a probe is missing.

use std::sync::Arc;

use thiserror::Error;

use crate::probes::{
    error::AttachError,
    facts::FactError,
    offsets::{FieldError, TypesError},
};

/// Why a probe is missing. The text is shown to users.
#[derive(Clone, Debug, Error)]
pub enum MissingReason {
    /// The user wants no probes.
    #[error("turned off with --probes off")]
    TurnedOff,
    /// The counters shown are those of a directory.
    #[error("they would count this kernel, not what --proc-root shows")]
    OtherRoot,
    /// The group asked for does not have it.
    #[error("costs every packet; ask for it with --probes all")]
    NotAsked,
    /// The host lacks something that every probe needs.
    #[error("{0}")]
    Host(String),
    /// A file of the kernel lacks what every probe needs.
    #[error(transparent)]
    Fact(#[from] FactError),
    /// The kernel's types cannot be read.
    #[error("no kernel type information: {0} (CONFIG_DEBUG_INFO_BTF)")]
    Types(#[from] TypesError),
    /// A field that its programs read is not in the kernel's types.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The kernel has no such function.
    #[error("{kernel} has no function {function} (inlined or renamed)")]
    NoFunction {
        /// Release of the kernel.
        kernel: String,
        function: &'static str,
    },
    /// Several functions have that name, of which a kprobe would take any.
    #[error("{count} functions are named {function}")]
    Ambiguous {
        /// How many there are.
        count: u32,
        function: &'static str,
    },
    /// Neither a kprobe nor fentry is possible.
    #[error("{no_kprobes}, and vmlinux's type information does not have {function}, for fentry")]
    NoMechanism {
        /// Why there are no kprobes.
        no_kprobes: String,
        function: &'static str,
    },
    /// None of several functions can be probed.
    #[error("{}", joined(.0))]
    NoAlternative(Vec<MissingReason>),
    /// The kernel refused it, or something that every probe needs.
    #[error(transparent)]
    Attach(Arc<AttachError>),
    /// The probe was attached, and is lost.
    #[error("{0}")]
    Lost(String),
}

impl From<AttachError> for MissingReason {
    fn from(error: AttachError) -> Self {
        Self::Attach(Arc::new(error))
    }
}

/// Each reason once, where neighbours are the same.
pub(super) fn joined(reasons: &[MissingReason]) -> String {
    let mut reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    reasons.dedup();
    reasons.join("; ")
}
