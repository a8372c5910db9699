//! How many connections are expected, as helpers (FTP, SIP, …) announce them, and how many may be.

/// The expectations of a network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expectations {
    /// Those that are held.
    pub held: u64,
    /// `nf_conntrack_expect_max`: the kernel refuses more.
    pub max: u64,
}

impl Expectations {
    /// What is held in percent of the limit. The kernel refuses all where that is 0.
    #[must_use]
    pub fn percent(self) -> f64 {
        match self.max {
            0 => 100.0,
            max => self.held as f64 * 100.0 / max as f64,
        }
    }
}
