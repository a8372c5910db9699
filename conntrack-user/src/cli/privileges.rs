//! What becomes of privileges once the probes are attached.

use clap::{Args, ValueEnum};

use crate::{cli::heading, engine::settings::PrivilegeSettings};

/// Options about privileges.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrivilegeArgs {
    /// What becomes of root's privileges once the probes are attached: kept, so that probes can be attached again, or
    /// given up, but for what reading takes
    #[arg(long, value_enum, default_value_t = PrivilegesArg::Keep, help_heading = heading::PRIVILEGES)]
    pub privileges: PrivilegesArg,
}

/// What can become of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PrivilegesArg {
    /// Keep them: probes are attached again when nf_conntrack was loaded again, or when a check calls for another function
    Keep,
    /// Give them up: capabilities, system calls, and gaining any by starting programs. If nf_conntrack is unloaded, the
    /// run ends with status 1
    Drop,
}

impl PrivilegeArgs {
    /// The same as settings, of a run that does nothing besides that takes privileges.
    #[must_use]
    pub fn settings(self) -> PrivilegeSettings {
        PrivilegeSettings {
            drop: self.privileges == PrivilegesArg::Drop,
            ..PrivilegeSettings::default()
        }
    }
}

impl Default for PrivilegeArgs {
    fn default() -> Self {
        Self {
            privileges: PrivilegesArg::Keep,
        }
    }
}
