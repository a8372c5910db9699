//! `ctpulse config`.

use std::io::{self, Write};

use crate::{cli::ConfigArgs, config::Config};

/// Prints the configuration in effect.
///
/// # Errors
///
/// A configuration that is refused, or of writing.
pub fn run(args: &ConfigArgs) -> io::Result<()> {
    let config = Config::load(args.config.as_deref()).map_err(io::Error::other)?;
    io::stdout().write_all(config.to_toml().as_bytes())
}
