//! `ctpulse config`.

use std::io::{self, Write};

use crate::cli::ConfigArgs;
use crate::commands::{Failure, configuration};

/// Prints the configuration in effect.
pub(super) fn run(args: &ConfigArgs) -> Result<(), Failure> {
    let config = configuration(args.config.as_deref())?;
    io::stdout()
        .write_all(config.to_toml().as_bytes())
        .map_err(Failure::Output)
}
