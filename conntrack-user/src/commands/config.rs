//! `ctpulse config`.

use std::io::Write;

use super::stdout;
use crate::{
    cli::ConfigArgs,
    commands::{Failure, configuration},
};

/// Prints the configuration in effect.
pub(super) fn run(args: &ConfigArgs) -> Result<(), Failure> {
    let config = configuration(args.config.as_deref())?;
    stdout()
        .write_all(config.to_toml().as_bytes())
        .map_err(Failure::Output)
}
