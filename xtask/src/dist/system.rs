//! The .deb and the .rpm. What is in them is said in `conntrack-user/Cargo.toml`, where the tools that make them look.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::staging::Staged;
use super::{VERSION, pack, write_file};
use crate::paths;
use crate::process;
use crate::toolchain::Toolchain;

/// Writes both.
///
/// # Errors
/// When a tool cannot be had, or refuses.
pub(super) fn make(toolchain: &Toolchain, staged: &Staged, dist: &Path) -> Result<()> {
    let target = staged.architecture.musl();
    let changelog = staged.dir.join("changelog.Debian");
    let text = std::fs::read(&changelog)
        .with_context(|| format!("cannot read {}", changelog.display()))?;
    write_file(
        &changelog.with_added_extension("gz"),
        pack::compressed(&text)?,
    )?;
    let debian = format!("ctpulse_{VERSION}-1_{}.deb", staged.architecture.debian());
    let mut deb = toolchain.cargo_deb()?;
    deb.args([
        "-p",
        "conntrack-user",
        "--no-build",
        "--no-strip",
        "--target",
        target,
    ])
    .arg("--output")
    .arg(dist.join(debian))
    .env("SOURCE_DATE_EPOCH", staged.time.to_string());
    process::run(&mut deb).context("cannot make the .deb")?;
    let mut rpm = toolchain.cargo_generate_rpm()?;
    rpm.args(["-p", "conntrack-user", "--target", target])
        .arg("--target-dir")
        .arg(paths::target())
        .arg("--source-date")
        .arg(staged.time.to_string())
        .arg("--output")
        .arg(dist.join(format!(
            "ctpulse-{VERSION}-1.{}.rpm",
            staged.architecture.name()
        )));
    process::run(&mut rpm).context("cannot make the .rpm")
}
