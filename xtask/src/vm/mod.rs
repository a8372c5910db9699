//! `cargo xtask vm`: boots a kernel in QEMU and runs a command in it.
//!
//! [`kernel`] finds what to boot ([`built_in`] makes it), [`initramfs`] makes the guest's file system (a [`tree`] of files,
//! with the [`modules`] it needs), [`qemu`] starts it, and [`session`] follows it to its end, of
//! which [`console`] is the evidence.

mod built_in;
mod console;
mod initramfs;
mod kernel;
mod modules;
mod qemu;
mod session;
mod tree;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::process::{self as std_process, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use self::initramfs::Contents;
use self::kernel::Kernel;
use self::qemu::{Accelerator, Console, Machine};
use self::session::End;
use crate::process::say;
use crate::toolchain::Toolchain;
use crate::{build, paths};

/// Boot a kernel in QEMU and run a command (or a shell) in it.
///
/// The guest has busybox, nft, conntrack, ip, ctpulse and the test programs. The command's output
/// and exit status become xtask's; the kernel's messages go to a log file, which is shown when the
/// guest crashes or hangs.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The series of a Debian cloud kernel (6.1, 6.12); 6.12-built-in to build one from Debian's source
    /// that has nf_conntrack built in; or the path of a .deb or of a tree it was unpacked to
    #[arg(long, default_value = "6.12")]
    kernel: String,

    #[command(flatten)]
    size: Size,

    /// End the guest when the command takes longer (the time to boot does not count)
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: Option<u64>,

    /// More kernel parameters
    #[arg(long, value_name = "KERNEL_ARGS", allow_hyphen_values = true)]
    append: Vec<String>,

    /// Add a file to the guest, with its libraries; GUEST defaults to /bin/NAME for programs, else
    /// /NAME
    #[arg(long = "file", value_name = "HOST[:GUEST]", value_parser = file)]
    files: Vec<(PathBuf, PathBuf)>,

    /// Do not load conntrack's modules at start
    #[arg(long)]
    no_modules: bool,

    /// Leave ctpulse and the test programs out: nothing is built
    #[arg(long)]
    bare: bool,

    /// What to run in the guest; without it there is a shell on the console
    #[arg(last = true)]
    command: Vec<String>,
}

/// How big guests are.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Size {
    /// Number of processors
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=255))]
    pub(crate) cpus: u32,

    /// Memory, as QEMU understands it
    #[arg(long, default_value = "1024M")]
    pub(crate) memory: String,
}

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
}

pub(crate) fn main(args: Args) -> Result<ExitCode> {
    let mut files = Vec::new();
    if !args.bare {
        let toolchain = Toolchain::ensure()?;
        let artifacts = build::all(&toolchain)?;
        files.extend(in_bin(&build::test_programs(&toolchain, &artifacts)?));
        files.extend(in_bin(&[artifacts.binary]));
        files.push(wrong_object(build::wrong_ebpf_object(&toolchain)?));
    }
    // The user's own files come last, so that they replace ours.
    files.extend(args.files);
    let guest = Guest {
        kernel: args.kernel,
        size: args.size,
        timeout: args.timeout.map(Duration::from_secs),
        append: args.append.join(" "),
        files,
        no_modules: args.no_modules,
        instructions: false,
        command: (!args.command.is_empty()).then_some(args.command),
    };
    Ok(ExitCode::from(guest.run()?))
}

/// Where the guest tests look for the eBPF object that is wrong on purpose.
pub(crate) fn wrong_object(path: PathBuf) -> (PathBuf, PathBuf) {
    (path, PathBuf::from("/lib/ctpulse/wrong-selector.o"))
}

/// Programs of the host, to be in the guest's /bin.
pub(crate) fn in_bin(programs: &[PathBuf]) -> impl Iterator<Item = (PathBuf, PathBuf)> {
    programs
        .iter()
        .filter_map(|path| Some((path.clone(), Path::new("/bin").join(path.file_name()?))))
}

impl Guest {
    /// Boots the guest, runs its command and returns the command's exit status.
    ///
    /// # Errors
    /// When there is no such kernel, the host lacks something, or the guest crashes or hangs; the
    /// end of its console has been shown then.
    pub(crate) fn run(self) -> Result<u8> {
        let dir = TemporaryDir::create()?;
        let kernel = Kernel::locate(&self.kernel)?;
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
        let mut machine = Machine {
            kernel: &kernel,
            initramfs: &initramfs,
            cpus: self.size.cpus,
            memory: &self.size.memory,
            append: &self.append,
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
            return Ok(0);
        }
        let log = paths::guest().join(format!("console-{}.log", kernel.release));
        let mut end = session::run(&machine, &log, self.timeout)?;
        for again in 1..=EMULATION_RETRIES {
            if accelerator != Accelerator::Tcg || !emulation_race(&end, &log) {
                break;
            }
            say(format_args!(
                "the guest died of a breakpoint that its kernel had patched away, a race of multi-threaded \
                 emulation: starting again ({again} of {EMULATION_RETRIES})"
            ));
            end = session::run(&machine, &log, self.timeout)?;
        }
        if accelerator == Accelerator::Kvm && matches!(end, End::NotStarted(_)) {
            say("the guest does not start under KVM: trying without");
            machine.accelerator = Accelerator::Tcg;
            end = session::run(&machine, &log, self.timeout)?;
        }
        verdict(end, &kernel.release, &log)
    }
}

/// How often a guest that died of emulation is started again.
const EMULATION_RETRIES: u32 = 3;

/// Whether the guest died of a race in QEMU's multi-threaded TCG: one CPU still executes the
/// breakpoint that another has just patched away (`text_poke_bp`), and the kernel knows no reason
/// for it, or a wrong one. With single-threaded emulation attaching under traffic does not do it. Any other
/// crash is the guest's own, and a finding.
fn emulation_race(end: &End, log: &Path) -> bool {
    let console = fs::read(log).unwrap_or_default();
    matches!(end, End::Died) && console::is_stray_breakpoint(&String::from_utf8_lossy(&console))
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

/// Parses `HOST[:GUEST]`.
fn file(arg: &str) -> Result<(PathBuf, PathBuf)> {
    // Only what looks like an absolute path is one in the guest, so that a colon in a name does no
    // harm.
    let (host, guest) = match arg.rsplit_once(":/") {
        Some((host, guest)) => (Path::new(host), Some(Path::new("/").join(guest))),
        None => (Path::new(arg), None),
    };
    let metadata = fs::metadata(host).with_context(|| format!("cannot read {}", host.display()))?;
    if !metadata.is_file() {
        bail!("{} is not a file", host.display());
    }
    let guest = match guest {
        Some(guest) => guest,
        None => {
            let name = host
                .file_name()
                .with_context(|| format!("{} has no name", host.display()))?;
            let executable = metadata.permissions().mode() & 0o111 != 0;
            Path::new(if executable { "/bin" } else { "/" }).join(name)
        }
    };
    if guest.components().any(|part| part == Component::ParentDir) {
        bail!("the guest's path {} must not contain `..`", guest.display());
    }
    Ok((host.to_owned(), guest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_a_place_in_the_guest() -> Result<()> {
        let [sh, manifest] = [
            "/bin/sh",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ];
        assert_eq!(file(sh)?, (sh.into(), "/bin/sh".into()));
        assert_eq!(file(manifest)?, (manifest.into(), "/Cargo.toml".into()));
        assert_eq!(
            file(&format!("{manifest}:/etc/x"))?,
            (manifest.into(), "/etc/x".into())
        );
        Ok(())
    }

    #[test]
    fn what_cannot_be_added_is_refused() {
        for arg in ["/no/such/file", "/etc", "/bin/sh:/../x", "/bin/sh:relative"] {
            assert!(file(arg).is_err(), "{arg}");
        }
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
