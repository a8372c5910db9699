//! Groups and programs.

/// Which probes are attached: each group includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProbeGroup {
    /// Probes that are hit at most a few times in a connection's life.
    Flow,
    /// Probes that are hit by every packet, too.
    All,
}

impl ProbeGroup {
    /// The name on the command line and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::All => "all",
        }
    }
}

/// A program of the object file, in the two ways it can be attached; both have the same body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramPair {
    /// Name of the program for a kprobe, or for a kretprobe when [`Self::at_return`].
    pub kprobe: &'static str,
    /// Name of the program for fentry, or for fexit when [`Self::at_return`].
    pub fentry: &'static str,
    /// Whether it runs when the function returns, instead of when it is entered.
    pub at_return: bool,
}
