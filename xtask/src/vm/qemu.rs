//! QEMU: its command line, and whether it can use KVM.

use std::ffi::OsString;
use std::fs;
use std::io::IsTerminal as _;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Signal, set_parent_process_death_signal};

use super::kernel::Kernel;
use crate::apt;
use crate::architecture::Architecture;

/// Whether a guest did not start under KVM: the next would not either.
static KVM_FAILED: AtomicBool = AtomicBool::new(false);

/// How the guest's CPUs are executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accelerator {
    /// KVM.
    Kvm,
    /// Emulation, which is at least ten times slower.
    Tcg,
    /// Single-threaded emulation with a clock that counts instructions, one nanosecond each. So measurements do not depend on the
    /// load of the host.
    Counted,
}

impl Accelerator {
    /// KVM if it works, else emulation.
    ///
    /// It is not enough that /dev/kvm can be opened: on a host that is a guest itself, KVM may reject the CPU's registers, or run
    /// no code at all. So this starts a guest that runs a few instructions. A kernel may fail all the same
    /// ([`Self::kvm_failed`]). Another processor than the host's is always emulated.
    pub(crate) fn best(architecture: Architecture, dir: &Path) -> Result<Self> {
        let usable = architecture.is_host()
            && !KVM_FAILED.load(Ordering::Relaxed)
            && Path::new("/dev/kvm").exists()
            && kvm_runs_code(architecture, dir)?;
        Ok(if usable { Self::Kvm } else { Self::Tcg })
    }

    /// Notes that a guest did not start under KVM.
    pub(crate) fn kvm_failed() {
        KVM_FAILED.store(true, Ordering::Relaxed);
    }

    fn arguments(self, architecture: Architecture) -> Vec<&'static str> {
        let (accelerator, processor) = match self {
            Self::Kvm => ("kvm", "host"),
            Self::Tcg => ("tcg,thread=multi", architecture.emulated()),
            Self::Counted => ("tcg,thread=single", architecture.emulated()),
        };
        let mut arguments = vec!["-accel", accelerator, "-cpu", processor];
        if self == Self::Counted {
            arguments.extend(["-icount", "shift=0,sleep=off"]);
        }
        arguments
    }
}

/// Makes sure that the host has QEMU for an architecture.
///
/// # Errors
/// When it cannot be installed.
pub(crate) fn ensure(architecture: Architecture) -> Result<()> {
    apt::ensure(&[architecture.qemu()])
}

/// Whether a guest under KVM can run firmware that exits immediately.
fn kvm_runs_code(architecture: Architecture, dir: &Path) -> Result<bool> {
    if architecture != Architecture::Amd64 {
        // The code is x86's. If KVM fails elsewhere, the guest's start shows it.
        return Ok(true);
    }
    const VALUE: u8 = 0x10;
    const SIZE: usize = 64 * 1024;
    // The CPU starts 16 bytes below the end: mov al, VALUE; out 0xf4, al; hlt.
    const CODE: [u8; 5] = [0xb0, VALUE, 0xe6, 0xf4, 0xf4];
    let mut firmware = vec![0; SIZE];
    firmware[SIZE - 16..][..CODE.len()].copy_from_slice(&CODE);
    let path = dir.join("firmware");
    fs::write(&path, firmware).with_context(|| format!("cannot write {}", path.display()))?;
    // A broken KVM hangs.
    let mut qemu = Command::new("timeout");
    qemu.args([
        "10",
        architecture.qemu().program,
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-m",
        "16",
    ]);
    qemu.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=1"])
        .args(Accelerator::Kvm.arguments(architecture));
    qemu.arg("-bios").arg(&path).stdin(Stdio::null());
    let output = qemu.output().context("cannot run timeout and QEMU")?;
    // The exit status that isa-debug-exit makes of the value written to it.
    Ok(output.status.code() == Some(i32::from(VALUE) << 1 | 1))
}

/// A guest's hardware, kernel and initramfs.
#[derive(Debug)]
pub(crate) struct Machine<'a> {
    pub(crate) kernel: &'a Kernel,
    pub(crate) initramfs: &'a Path,
    pub(crate) cpus: u32,
    /// In QEMU's syntax: "1024M".
    pub(crate) memory: &'a str,
    /// Additional kernel parameters.
    pub(crate) append: String,
    pub(crate) accelerator: Accelerator,
}

/// Where the guest's console goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Console<'a> {
    /// Standard input and output: the user's terminal, or, for QEMU's standard input, a pipe where that is none.
    Terminal,
    /// A log file.
    Log(&'a Path),
}

/// A way out of the guest besides its console: its name, and the socket at QEMU's end.
pub(crate) type Port = (&'static str, OwnedFd);

impl Machine<'_> {
    /// Starts the guest, which ends with the thread that started it. QEMU's standard error is a pipe.
    ///
    /// # Errors
    /// When QEMU cannot be started.
    pub(crate) fn start(&self, console: Console<'_>, ports: &[Port]) -> Result<Child> {
        let program = self.kernel.architecture.qemu().program;
        let mut qemu = Command::new(program);
        qemu.args(self.arguments(console, ports))
            .stderr(Stdio::piped());
        match console {
            Console::Terminal if std::io::stdin().is_terminal() => {}
            Console::Terminal => {
                qemu.stdin(Stdio::piped());
            }
            Console::Log(_) => {
                qemu.stdin(Stdio::null()).stdout(Stdio::null());
            }
        }
        for (name, fd) in ports {
            // QEMU must inherit it.
            fcntl_setfd(fd, FdFlags::empty())
                .with_context(|| format!("cannot pass on the port {name}"))?;
        }
        // SAFETY: between fork and exec there is only a system call, which does not allocate or lock.
        unsafe {
            qemu.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?));
        }
        qemu.spawn()
            .with_context(|| format!("cannot run {program}"))
    }

    fn arguments(&self, console: Console<'_>, ports: &[Port]) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(OsString::from));
        add(&[
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-no-reboot",
            "-machine",
            self.kernel.architecture.machine(),
        ]);
        add(&self.accelerator.arguments(self.kernel.architecture));
        add(&["-smp", &self.cpus.to_string(), "-m", self.memory]);
        add(&["-append", &self.parameters()]);
        match console {
            Console::Terminal => {
                add(&["-chardev", "stdio,id=console,mux=on,signal=off"]);
                add(&["-serial", "chardev:console", "-mon", "chardev=console"]);
            }
            Console::Log(log) => {
                let file = format!("file,id=console,path={}", escaped(log));
                add(&["-chardev", &file, "-serial", "chardev:console"]);
            }
        }
        add(&["-device", "virtio-serial-pci"]);
        for (name, fd) in ports {
            let socket = format!("socket,id={name},fd={}", fd.as_raw_fd());
            let port = format!("virtserialport,chardev={name},name={name}");
            add(&["-chardev", &socket, "-device", &port]);
        }
        arguments.extend(["-kernel".into(), self.kernel.image.clone().into()]);
        arguments.extend(["-initrd".into(), self.initramfs.into()]);
        arguments
    }

    /// The kernel's command line: a panic (or oops) ends the guest at once, and a soft lockup ends it after a minute.
    fn parameters(&self) -> String {
        let architecture = self.kernel.architecture;
        let console = format!(
            "console={} quiet panic=-1 oops=panic softlockup_panic=1 watchdog_thresh=30",
            architecture.console()
        );
        let emulation = match self.accelerator {
            Accelerator::Kvm => "",
            Accelerator::Tcg | Accelerator::Counted => architecture.emulation_parameters(),
        };
        [console.as_str(), emulation, self.append.trim()]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// A path as the value of a QEMU option, where commas must be doubled.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

/// The timeout for starting the first process and loading modules. It is many times what that takes on a busy host, and short
/// enough to restart a guest whose emulation has hung (6.1 does sometimes, with a clock that counts instructions).
pub(crate) fn boot_limit(accelerator: Accelerator) -> Duration {
    match accelerator {
        Accelerator::Kvm => Duration::from_secs(60),
        Accelerator::Tcg | Accelerator::Counted => Duration::from_secs(180),
    }
}

/// The same where the user looks on: only KVM has one, which may run nothing at all.
pub(crate) fn boot_limit_on_terminal(accelerator: Accelerator) -> Option<Duration> {
    (accelerator == Accelerator::Kvm).then(|| boot_limit(accelerator))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_parameters_come_last_so_that_they_win() {
        let kernel = Kernel {
            release: "6.12".to_owned(),
            architecture: Architecture::Amd64,
            image: "/k/vmlinuz".into(),
            base: "/k".into(),
        };
        let machine = Machine {
            kernel: &kernel,
            initramfs: Path::new("/i.cpio"),
            cpus: 3,
            memory: "512M",
            append: "loglevel=7".to_owned(),
            accelerator: Accelerator::Tcg,
        };
        assert_eq!(
            machine.parameters(),
            "console=ttyS0 quiet panic=-1 oops=panic softlockup_panic=1 watchdog_thresh=30 tsc=reliable loglevel=7"
        );
        let arguments = machine.arguments(Console::Terminal, &[]);
        let position = |word: &str| arguments.iter().position(|argument| argument == word);
        assert_eq!(
            position("-smp").map(|i| &arguments[i + 1]),
            Some(&OsString::from("3"))
        );
        assert_eq!(
            position("-kernel").map(|i| &arguments[i + 1]),
            Some(&OsString::from("/k/vmlinuz"))
        );
    }

    #[test]
    fn a_clock_of_instructions_needs_one_thread() {
        let arguments = Accelerator::Counted.arguments(Architecture::Amd64);
        assert!(arguments.contains(&"tcg,thread=single") && arguments.contains(&"-icount"));
    }

    #[test]
    fn commas_in_paths_are_doubled() {
        assert_eq!(escaped(Path::new("/a,b/c")), "/a,,b/c");
    }
}
