//! The reasons why a probe can be missing.

use std::sync::Arc;

use thiserror::Error;

use crate::probes::{
    error::AttachError,
    facts::{Disproved, FactError, NoFentry},
    offsets::{FieldError, TypesError},
};

/// Why a probe is missing. The text is shown to users.
#[derive(Clone, Debug, Error)]
pub enum MissingReason {
    /// The user wants no probes.
    #[error("turned off with --probes off")]
    TurnedOff,
    /// The counters are read from a directory, not from this kernel.
    #[error("they would count this kernel, not what --proc-root shows")]
    OtherRoot,
    /// The group that was asked for does not include it.
    #[error("costs every packet; ask for it with --probes all")]
    NotAsked,
    /// The host lacks something that every probe needs.
    #[error("{0}")]
    Host(String),
    /// A fact that every probe needs is not known.
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
    /// Several functions have this name, and a kprobe would be put on any one of them.
    #[error("{count} functions are named {function}")]
    Ambiguous {
        /// How many there are.
        count: usize,
        function: &'static str,
    },
    /// The compiler has left only versions of the function whose arguments may be others.
    #[error("there is no {function}, only {}, whose arguments may differ", .versions.join(", "))]
    OnlyVersions {
        function: &'static str,
        /// Their symbols.
        versions: Vec<String>,
    },
    /// The compiler has calls pass a version of the function instead.
    #[error("not all calls of {function} pass it: there is {}, too", .versions.join(", "))]
    Split {
        function: &'static str,
        /// The symbols of the versions.
        versions: Vec<String>,
    },
    /// It was probed, and counted what cannot be right.
    #[error(transparent)]
    Disproved(#[from] Disproved),
    /// Neither a kprobe nor fentry is possible.
    #[error("{function}: {no_kprobes}, and no fentry: {no_fentry}")]
    NoMechanism {
        function: &'static str,
        /// Why there are no kprobes.
        no_kprobes: String,
        /// Why there is no trampoline.
        no_fentry: NoFentry,
    },
    /// None of several functions can be probed.
    #[error("{}", joined(.0))]
    NoAlternative(Vec<MissingReason>),
    /// The kernel refused the probe, or something that every probe needs.
    #[error(transparent)]
    Attach(Arc<AttachError>),
    /// The probe was attached, but nf_conntrack was unloaded or reloaded since.
    #[error("{0}")]
    Lost(String),
}

impl MissingReason {
    /// The reason without the function's name: the same for all functions that are missing for this reason.
    #[must_use]
    pub fn without_function(&self) -> String {
        match self {
            Self::NoFunction { kernel, .. } => {
                format!("{kernel} has no such function (inlined or renamed)")
            }
            Self::NoMechanism {
                no_kprobes,
                no_fentry,
                ..
            } => format!("{no_kprobes}, and no fentry: {no_fentry}"),
            Self::NoAlternative(reasons) => {
                let mut reasons = reasons.iter().map(Self::without_function);
                match reasons.next() {
                    Some(first) if reasons.all(|reason| reason == first) => first,
                    _ => self.to_string(),
                }
            }
            Self::Attach(error) => error.without_function(),
            _ => self.to_string(),
        }
    }
}

impl From<AttachError> for MissingReason {
    fn from(error: AttachError) -> Self {
        Self::Attach(Arc::new(error))
    }
}

/// Reasons as one text; consecutive ones that are the same appear once.
fn joined(reasons: &[MissingReason]) -> String {
    let mut reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    reasons.dedup();
    reasons.join("; ")
}
