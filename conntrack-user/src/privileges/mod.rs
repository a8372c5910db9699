//! Which capabilities a run needs, for what and when ([`needs`], pure), and giving up all others: those of a thread ([`thread`]),
//! and the system calls that are not needed any more ([`filter`], whose rules are pure too).

mod calls;
pub mod filter;
mod install;
pub mod needs;
pub mod thread;

pub use rustix::thread::CapabilitySet;

/// The name of a capability: `CAP_BPF`.
#[must_use]
pub fn one_name(capability: CapabilitySet) -> String {
    let mut names = capability.iter_names();
    names.next().map_or_else(
        || format!("CAP_{}", capability.bits().trailing_zeros()),
        |(name, _)| format!("CAP_{name}"),
    )
}

/// Capabilities by their names, for messages: `CAP_BPF, CAP_PERFMON`; `none` for the empty set.
#[must_use]
pub fn names(capabilities: CapabilitySet) -> String {
    let names: Vec<String> = capabilities.iter().map(one_name).collect();
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}
