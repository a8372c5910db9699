//! A bench that runs in a guest, and what it reports.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};

use super::page;
use crate::architecture::Architecture;
use crate::build;
use crate::process::say;
use crate::report::Parts;
use crate::toolchain::Toolchain;
use crate::vm::{self, Guest, Size};

/// How long it may take.
const LIMIT: Duration = Duration::from_secs(3600);

/// What to run, and where.
pub(super) struct Bench<'a> {
    /// The guest's kernel, as for `vm`.
    pub(super) kernel: &'a str,
    pub(super) size: Size,
    /// Whether the guest's clock counts instructions.
    pub(super) instructions: bool,
    /// More kernel parameters.
    pub(super) append: String,
    /// Programs of this machine that are compared with ctpulse.
    pub(super) others: Vec<PathBuf>,
    pub(super) command: Vec<String>,
}

impl Bench<'_> {
    /// Runs it, and writes its report into a page of the manual, or only shows it.
    ///
    /// # Errors
    /// As [`Self::run`], and when the page cannot be written.
    pub(super) fn publish(self, name: &str, page: &str, only_print: bool) -> Result<()> {
        let report = self.run()?;
        match only_print {
            true => Ok(()),
            false => page::publish(&report, name, page),
        }
    }

    /// Builds ctpulse and the bench, runs it, and returns its standard output, which is shown as well.
    ///
    /// # Errors
    /// When something cannot be built, or it fails in the guest.
    pub(super) fn run(self) -> Result<String> {
        let toolchain = Toolchain::ensure(Architecture::HOST)?;
        let artifacts = build::all(&toolchain, Architecture::HOST)?;
        let mut programs = build::test_programs(&toolchain, Architecture::HOST)?;
        programs.push(artifacts.binary);
        programs.extend(self.others);
        say(format_args!(
            "bench: {} on {} …",
            self.command.join(" "),
            self.kernel
        ));
        let guest = Guest {
            architecture: Architecture::HOST,
            kernel: self.kernel.to_owned(),
            size: self.size,
            timeout: Some(LIMIT),
            append: self.append,
            files: vm::in_bin(&programs).collect(),
            out: Vec::new(),
            no_modules: false,
            instructions: self.instructions,
            command: Some(self.command),
            // Its output is kept; a guest that died starts again.
            resume: Some(|_| None),
        };
        let finished = guest.run(&mut Parts::default())?;
        match finished.status {
            0 => Ok(finished.output),
            status => bail!("the bench on {} ended with status {status}", self.kernel),
        }
    }
}
