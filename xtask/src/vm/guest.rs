//! A guest: its parts, its run, and the meaning of its end.

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
use super::out::{self, Out};
use super::qemu::{self, Accelerator, Console, Machine};
use super::session::{End, Session, Transcript};
use crate::architecture::Architecture;
use crate::paths;
use crate::process::say;
use crate::report::Parts;

/// A guest to boot.
#[derive(Debug)]
pub(crate) struct Guest {
    /// The processor, for which its files are.
    pub(crate) architecture: Architecture,
    /// The kernel, as named by the user.
    pub(crate) kernel: String,
    pub(crate) size: Size,
    /// The timeout of the command.
    pub(crate) timeout: Option<Duration>,
    /// Additional kernel parameters.
    pub(crate) append: String,
    /// Files of the host and their absolute paths in the guest.
    pub(crate) files: Vec<(PathBuf, PathBuf)>,
    /// Files to copy out of the guest when the command has ended.
    pub(crate) out: Vec<Out>,
    /// Whether the command itself loads conntrack's modules.
    pub(crate) no_modules: bool,
    /// Whether the guest's clock counts instructions.
    pub(crate) instructions: bool,
    /// The command; without one there is a shell on the console.
    pub(crate) command: Option<Vec<String>>,
    /// How the command can continue after the guest was restarted: maps its standard output so far to a kernel parameter. Without
    /// it the command runs from its start again.
    pub(crate) resume: Option<fn(&str) -> Option<String>>,
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Its exit status.
    pub(crate) status: u8,
    /// Its standard output, if it can be resumed.
    pub(crate) output: String,
}

impl Guest {
    /// Boots the guest and runs its command to the end. Records the duration of each part.
    ///
    /// # Errors
    /// When there is no such kernel, the host lacks something, or the guest crashes or hangs; the
    /// end of its console has been shown then.
    pub(crate) fn run(self, parts: &mut Parts) -> Result<Finished> {
        let start = Instant::now();
        let dir = TemporaryDir::create()?;
        let kernel = Kernel::locate(&self.kernel, self.architecture)?;
        parts.note("kernel", start.elapsed());
        let start = Instant::now();
        qemu::ensure(kernel.architecture)?;
        let accelerator = if self.instructions {
            Accelerator::Counted
        } else {
            Accelerator::best(kernel.architecture, &dir.0)?
        };
        let contents = Contents {
            files: self.files,
            command: self.command,
            no_modules: self.no_modules,
            out: self.out,
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
        let logs = Logs::of(&kernel.release);
        let archive = dir.0.join("out.tar");
        let interactive = contents.command.is_none();
        if interactive {
            say(format_args!(
                "Linux {}; `exit` ends the guest, Ctrl-A X kills it",
                kernel.release
            ));
        }
        let transcript = self.resume.map(|_| Transcript::default());
        let session = Session {
            console: if interactive {
                Console::Terminal
            } else {
                Console::Log(&logs.console)
            },
            qemu_log: &logs.qemu,
            timeout: self.timeout,
            transcript: transcript.as_ref(),
            archive: (!contents.out.is_empty()).then_some(archive.as_path()),
        };
        let output = || {
            transcript
                .as_ref()
                .map(Transcript::text)
                .unwrap_or_default()
        };
        let mut end = session.run(&machine, parts)?;
        if accelerator == Accelerator::Kvm
            && let Some(reason) = fault_of_kvm(&end)
        {
            say(format_args!("{reason} under KVM: trying without"));
            Accelerator::kvm_failed();
            machine.accelerator = Accelerator::Tcg;
            end = session.run(&machine, parts)?;
        }
        for again in 1..=EMULATION_RETRIES {
            let Some(fault) = fault_of_emulation(machine.accelerator, &end, &logs.console, again)
            else {
                break;
            };
            say(format_args!(
                "the guest {fault}, a fault of emulation: starting again ({again} of {EMULATION_RETRIES})"
            ));
            if let Some(parameter) = self.resume.and_then(|resume| resume(&output())) {
                machine.append = format!("{} {parameter}", self.append);
            }
            end = session.run(&machine, parts)?;
        }
        let status = if interactive && end == End::Died {
            // The user has switched it off.
            0
        } else {
            let ended = matches!(end, End::Exited(_));
            let status = verdict(end, &kernel.release, &logs)?;
            if ended && !contents.out.is_empty() {
                out::unpack(&archive, &contents.out, &dir.0)?;
            }
            status
        };
        Ok(Finished {
            status,
            output: output(),
        })
    }
}

/// Where the messages of a guest and of QEMU are.
#[derive(Debug)]
struct Logs {
    console: PathBuf,
    qemu: PathBuf,
}

impl Logs {
    fn of(release: &str) -> Self {
        let log = |of: &str| paths::guest().join(format!("{of}-{release}.log"));
        Self {
            console: log("console"),
            qemu: log("qemu"),
        }
    }
}

/// What KVM did wrong, if the guest did not run under it.
fn fault_of_kvm(end: &End) -> Option<String> {
    match end {
        End::NotStarted(limit) => Some(format!(
            "the guest does not start within {} s",
            limit.as_secs()
        )),
        End::QemuFailed(reason) => Some(format!("QEMU failed ({reason})")),
        _ => None,
    }
}

/// How often a guest is restarted after an emulation fault.
const EMULATION_RETRIES: u32 = 5;

/// How often a guest is restarted that hangs before its command starts. There is a limit, so that a kernel that never boots is
/// reported.
const BOOT_RETRIES: u32 = 2;

/// The emulation fault that ended the guest, if it was one. Any other crash is a finding.
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

/// The exit status for the end of a guest; or an error that includes the end of its console.
fn verdict(end: End, release: &str, logs: &Logs) -> Result<u8> {
    let console =
        || String::from_utf8_lossy(&fs::read(&logs.console).unwrap_or_default()).into_owned();
    let reason = match end {
        End::Exited(status) => return Ok(status),
        // Like a program that ends by SIGPIPE: the reader has closed the pipe on purpose.
        End::OutputClosed => return Ok(0),
        End::QemuFailed(reason) => bail!(
            "QEMU failed: {reason}; all that it said is in {}",
            logs.qemu.display()
        ),
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
        logs.console.display()
    )
}

/// A directory for the files of a running guest.
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
        // If it fails, the next guest tries again.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Removes directories (named by process id) that killed processes have left behind.
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
    fn what_does_not_run_under_kvm_is_tried_without() {
        let stopped = End::QemuFailed("KVM internal error. Suberror: 1".to_owned());
        for end in [stopped, End::NotStarted(Duration::from_secs(60))] {
            assert!(fault_of_kvm(&end).is_some(), "{end:?}");
        }
        for end in [End::Died, End::Exited(1), End::OutputClosed] {
            assert_eq!(fault_of_kvm(&end), None, "{end:?}");
        }
    }

    #[test]
    fn exit_statuses_pass_through() -> Result<()> {
        let logs = Logs {
            console: "/none".into(),
            qemu: "/qemu".into(),
        };
        let verdict = |end| verdict(end, "6.12", &logs);
        assert_eq!(verdict(End::Exited(7))?, 7);
        assert_eq!(verdict(End::OutputClosed)?, 0);
        let error = verdict(End::TimedOut(Duration::from_secs(10))).map_err(|e| e.to_string());
        assert_eq!(
            error,
            Err("the guest (6.12) still ran its command after 10 s (--timeout); its console is in /none".to_owned())
        );
        let error = verdict(End::QemuFailed("no memory".to_owned())).map_err(|e| e.to_string());
        assert_eq!(
            error,
            Err("QEMU failed: no memory; all that it said is in /qemu".to_owned())
        );
        Ok(())
    }
}
