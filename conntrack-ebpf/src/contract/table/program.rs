//! Groups and programs.

/// A group of probes. Each group includes the previous one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProbeGroup {
    /// Probes that are hit at most a few times per connection.
    Flow,
    /// Also probes that are hit by every packet.
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

/// A program of the object file, in its two variants; both have the same body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramPair {
    /// Name of the program for a kprobe, or for a kretprobe when [`Self::at_return`].
    pub kprobe: &'static str,
    /// Name of the program for fentry, or for fexit when [`Self::at_return`].
    pub fentry: &'static str,
    /// Whether it runs when the function returns, instead of when it is entered.
    pub at_return: bool,
}
