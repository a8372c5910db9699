//! Whether conntrack is hooked into a network namespace.

/// What is known of conntrack's hooks in a network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hooks {
    /// They are registered: packets are tracked.
    Registered,
    /// They are not: no packet can be tracked, except by Open vSwitch or by act_ct of `tc`.
    Absent,
    /// It could not be found out; the text says why.
    Unknown(String),
}
