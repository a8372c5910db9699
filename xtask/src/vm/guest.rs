//! One guest: what it is made of, its run, and what its end means.

use std::fs;
use std::path::{Path, PathBuf};
use std::process as std_process;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::Size;
use super::console;
use super::emulation;
use super::initramfs::{self, Contents};
use super::kernel::Kernel;
use super::qemu::{Accelerator, Console, Machine};
use super::session::{self, End, Transcript};
use crate::paths;
use crate::process::say;
use crate::report::Parts;

/// A guest to boot.
#[derive(Debug)]
pub(crate) struct Guest {
    /// The kernel as the user names it.
    pub(crate) kernel: String,
    pub(crate) size: Size,
    /// How long the command may take.
    pub(crate) timeout: Option<Duration>,
    /// More kernel parameters.
    pub(crate) append: String,
    /// Files of the host and their absolute paths in the guest.
    pub(crate) files: Vec<(PathBuf, PathBuf)>,
    /// Leave it to the command to load conntrack's modules.
    pub(crate) no_modules: bool,
    /// Have its clock go by instructions.
    pub(crate) instructions: bool,
    /// Without one there is a shell on the console.
    pub(crate) command: Option<Vec<String>>,
    /// How the command continues when the guest is started again, if it can: from what it wrote to standard
    /// output, a kernel parameter for it. Else it is run again from its start.
    pub(crate) resume: Option<fn(&str) -> Option<String>>,
}

/// A command that has run to its end.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Its exit status.
    pub(crate) status: u8,
    /// All that it wrote to standard output, if it can be resumed.
    pub(crate) output: String,
}

impl Guest {
    /// Boots the guest and runs its command to the end. What each part took is noted.
    ///
    /// # Errors
    /// When there is no such kernel, the host lacks something, or the guest crashes or hangs; the
    /// end of its console has been shown then.
    pub(crate) fn run(self, parts: &mut Parts) -> Result<Finished> {
        let start = Instant::now();
        let dir = TemporaryDir::create()?;
        let kernel = Kernel::locate(&self.kernel)?;
        parts.note("kernel", start.elapsed());
        let start = Instant::now();
        let accelerator = if self.instructions {
            Accelerator::Counted
        } else {
            Accelerator::best(&dir.0)?
        };
        let contents = Contents {
            files: self.files,
            command: self.command,
            no_modules: self.no_modules,
        };
        let initramfs = initramfs::build(&kernel, &contents, &dir.0)?;
        parts.note("initramfs", start.elapsed());
        let mut machine = Machine {
            kernel: &kernel,
            initramfs: &initramfs,
            cpus: self.size.cpus,
            memory: &self.size.memory,
            append: self.append.clone(),
            accelerator,
        };
        if contents.command.is_none() {
            say(format_args!(
                "Linux {}; `exit` ends the guest, Ctrl-A X kills it",
                kernel.release
            ));
            let status = machine
                .start(&Console::Terminal)?
                .wait()
                .context("cannot wait for QEMU")?;
            if !status.success() {
                bail!("QEMU failed ({status})");
            }
            return Ok(Finished {
                status: 0,
                output: String::new(),
            });
        }
        let log = paths::guest().join(format!("console-{}.log", kernel.release));
        let transcript = self.resume.map(|_| Transcript::default());
        let mut run = |machine: &Machine<'_>| {
            session::run(machine, &log, self.timeout, transcript.as_ref(), parts)
        };
        let output = || {
            transcript
                .as_ref()
                .map(Transcript::text)
                .unwrap_or_default()
        };
        let mut end = run(&machine)?;
        for again in 1..=EMULATION_RETRIES {
            let Some(fault) = fault_of_emulation(accelerator, &end, &log, again) else {
                break;
            };
            say(format_args!(
                "the guest {fault}, a fault of emulation: starting again ({again} of {EMULATION_RETRIES})"
            ));
            if let Some(parameter) = self.resume.and_then(|resume| resume(&output())) {
                machine.append = format!("{} {parameter}", self.append);
            }
            end = run(&machine)?;
        }
        if accelerator == Accelerator::Kvm && matches!(end, End::NotStarted(_)) {
            say("the guest does not start under KVM: trying without");
            machine.accelerator = Accelerator::Tcg;
            end = run(&machine)?;
        }
        let status = verdict(end, &kernel.release, &log)?;
        Ok(Finished {
            status,
            output: output(),
        })
    }
}

/// How often a guest that died of emulation is started again.
const EMULATION_RETRIES: u32 = 5;

/// How often one that hangs before its command is: a kernel that never boots is to be found out in the end.
const BOOT_RETRIES: u32 = 2;

/// What emulation did wrong, if that is why the guest ended. Any other crash is the guest's own, and a finding.
fn fault_of_emulation(
    accelerator: Accelerator,
    end: &End,
    log: &Path,
    again: u32,
) -> Option<String> {
    if accelerator == Accelerator::Kvm {
        return None;
    }
    match end {
        End::NotStarted(limit) if again <= BOOT_RETRIES => {
            Some(format!("did not start within {} s", limit.as_secs()))
        }
        End::Died => {
            let console = fs::read(log).unwrap_or_default();
            let fault = emulation::fault(&String::from_utf8_lossy(&console))?;
            Some(format!("died because it {fault}"))
        }
        _ => None,
    }
}

/// The exit status that a guest's end means, or else the reason why there is none, with the console
/// as evidence.
fn verdict(end: End, release: &str, log: &Path) -> Result<u8> {
    let console = || String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned();
    let reason = match end {
        End::Exited(status) => return Ok(status),
        // Like a program that ends by SIGPIPE: whoever closed it knows why.
        End::OutputClosed => return Ok(0),
        End::Died => match console::crash(&console()) {
            Some(crash) => format!("crashed: {crash}"),
            None => "ended before its command did".to_owned(),
        },
        End::NotStarted(limit) => format!("did not start within {} s", limit.as_secs()),
        End::TimedOut(limit) => format!(
            "still ran its command after {} s (--timeout)",
            limit.as_secs()
        ),
    };
    for line in console::excerpt(&console()) {
        eprintln!("guest: {line}");
    }
    bail!(
        "the guest ({release}) {reason}; its console is in {}",
        log.display()
    )
}

/// A directory for what one guest needs while it runs.
#[derive(Debug)]
struct TemporaryDir(PathBuf);

impl TemporaryDir {
    fn create() -> Result<Self> {
        let parent = paths::guest().join("run");
        remove_abandoned(&parent);
        let dir = parent.join(std_process::id().to_string());
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        Ok(Self(dir))
    }
}

impl Drop for TemporaryDir {
    fn drop(&mut self) {
        // The next guest tries again.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Removes the directories, named by process id, of those that were killed before they could.
fn remove_abandoned(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if !Path::new("/proc").join(entry.file_name()).exists() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_hangs_at_boot_is_started_again_twice() {
        let fault = |accelerator, end: &End, again| {
            fault_of_emulation(accelerator, end, Path::new("/none"), again)
        };
        let hung = End::NotStarted(Duration::from_secs(180));
        for again in 1..=BOOT_RETRIES {
            assert!(fault(Accelerator::Counted, &hung, again).is_some());
        }
        assert_eq!(fault(Accelerator::Counted, &hung, BOOT_RETRIES + 1), None);
        assert_eq!(fault(Accelerator::Kvm, &hung, 1), None);
        assert_eq!(fault(Accelerator::Tcg, &End::Exited(1), 1), None);
    }

    #[test]
    fn exit_statuses_pass_through() -> Result<()> {
        assert_eq!(verdict(End::Exited(7), "6.12", Path::new("/none"))?, 7);
        assert_eq!(verdict(End::OutputClosed, "6.12", Path::new("/none"))?, 0);
        let error = verdict(
            End::TimedOut(Duration::from_secs(10)),
            "6.12",
            Path::new("/none"),
        )
        .map_err(|e| e.to_string());
        assert_eq!(
            error,
            Err("the guest (6.12) still ran its command after 10 s (--timeout); its console is in /none".to_owned())
        );
        Ok(())
    }
}
