//! Which functions are probed, and how.

use clap::{Args, ValueEnum};

use crate::cli::{heading, values::probed_function};

/// Options about probes.
#[derive(Args, Clone, Debug)]
pub struct ProbeArgs {
    /// Which kernel functions to probe
    #[arg(long, short, value_enum, default_value_t = ProbesArg::Auto, help_heading = heading::PROBES)]
    pub probes: ProbesArg,
    /// Use kprobes even where the kernel offers fentry: for all functions, or for these. Without fentry,
    /// nf_conntrack can be unloaded while ctpulse runs
    #[arg(
        long,
        value_name = "FUNCTION",
        num_args = 0..,
        require_equals = true,
        value_delimiter = ',',
        value_parser = probed_function,
        help_heading = heading::PROBES
    )]
    pub no_fentry: Option<Vec<String>>,
}

impl ProbeArgs {
    /// These functions, by whatever the kernel offers.
    #[must_use]
    pub const fn of(probes: ProbesArg) -> Self {
        Self {
            probes,
            no_fentry: None,
        }
    }
}

impl Default for ProbeArgs {
    fn default() -> Self {
        Self::of(ProbesArg::Auto)
    }
}

/// Groups of probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProbesArg {
    /// The flow group, where the host allows it
    Auto,
    /// No probes: only what the kernel counts by itself
    Off,
    /// The flow group: its cost is per connection, not per packet
    Flow,
    /// Everything, functions that run for every packet included
    All,
}
