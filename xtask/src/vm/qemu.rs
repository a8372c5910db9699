//! QEMU: its command line, and whether it can use KVM.

use std::ffi::OsString;
use std::fs;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Signal, set_parent_process_death_signal};

use super::kernel::Kernel;
use crate::apt::{self, Needed};

const QEMU: Needed = Needed {
    program: "qemu-system-x86_64",
    package: "qemu-system-x86",
};

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
    /// no code at all. So this starts a guest that runs a few instructions.
    pub(crate) fn best(dir: &Path) -> Result<Self> {
        apt::ensure(&[QEMU])?;
        let usable = Path::new("/dev/kvm").exists() && kvm_runs_code(dir)?;
        Ok(if usable { Self::Kvm } else { Self::Tcg })
    }

    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Kvm => &["-accel", "kvm", "-cpu", "host"],
            Self::Tcg => &["-accel", "tcg,thread=multi", "-cpu", "max"],
            Self::Counted => &[
                "-accel",
                "tcg,thread=single",
                "-cpu",
                "max",
                "-icount",
                "shift=0,sleep=off",
            ],
        }
    }
}

/// Whether a guest under KVM can run firmware that exits immediately.
fn kvm_runs_code(dir: &Path) -> Result<bool> {
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
        QEMU.program,
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-m",
        "16",
    ]);
    qemu.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=1"])
        .args(Accelerator::Kvm.arguments());
    qemu.arg("-bios").arg(&path).stdin(Stdio::null());
    let output = qemu
        .output()
        .context("cannot run timeout and qemu-system-x86_64")?;
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

/// Where the guest's console and output go.
#[derive(Debug)]
pub(crate) enum Console<'a> {
    /// The user's terminal.
    Terminal,
    /// A log file. Standard output, standard error and control messages leave through ports, each with a name and our socket.
    Log(&'a Path, Vec<(&'static str, OwnedFd)>),
}

impl Machine<'_> {
    /// Starts the guest, which ends with the thread that started it.
    ///
    /// # Errors
    /// When QEMU cannot be started.
    pub(crate) fn start(&self, console: &Console<'_>) -> Result<Child> {
        let mut qemu = Command::new(QEMU.program);
        qemu.args(self.arguments(console));
        match console {
            Console::Terminal => {}
            Console::Log(_, ports) => {
                qemu.stdin(Stdio::null()).stdout(Stdio::null());
                for (name, fd) in ports {
                    // QEMU must inherit it.
                    fcntl_setfd(fd, FdFlags::empty())
                        .with_context(|| format!("cannot pass on the port {name}"))?;
                }
            }
        }
        // SAFETY: between fork and exec there is only a system call, which does not allocate or lock.
        unsafe {
            qemu.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?));
        }
        qemu.spawn()
            .with_context(|| format!("cannot run {}", QEMU.program))
    }

    fn arguments(&self, console: &Console<'_>) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(OsString::from));
        add(&[
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-no-reboot",
            "-machine",
            "q35",
        ]);
        add(self.accelerator.arguments());
        add(&["-smp", &self.cpus.to_string(), "-m", self.memory]);
        add(&["-append", &self.parameters()]);
        match console {
            Console::Terminal => {
                add(&["-chardev", "stdio,id=console,mux=on,signal=off"]);
                add(&["-serial", "chardev:console", "-mon", "chardev=console"]);
            }
            Console::Log(log, ports) => {
                add(&[
                    "-chardev",
                    &format!("file,id=console,path={}", escaped(log)),
                    "-serial",
                    "chardev:console",
                ]);
                add(&["-device", "virtio-serial-pci"]);
                for (name, fd) in ports {
                    add(&[
                        "-chardev",
                        &format!("socket,id={name},fd={}", fd.as_raw_fd()),
                    ]);
                    add(&[
                        "-device",
                        &format!("virtserialport,chardev={name},name={name}"),
                    ]);
                }
            }
        }
        arguments.extend(["-kernel".into(), self.kernel.image.clone().into()]);
        arguments.extend(["-initrd".into(), self.initramfs.into()]);
        arguments
    }

    /// The kernel's command line: a panic (or oops) ends the guest at once, and a soft lockup ends it after a minute.
    fn parameters(&self) -> String {
        let clock = match self.accelerator {
            Accelerator::Kvm => "",
            // The emulated TSCs of all CPUs are synchronous, but the kernel's test of that can fail under slow emulation. It
            // would then use HPET, which makes reading the clock ten times slower.
            Accelerator::Tcg | Accelerator::Counted => "tsc=reliable",
        };
        let parameters = [
            "console=ttyS0 quiet panic=-1 oops=panic softlockup_panic=1 watchdog_thresh=30",
            clock,
            self.append.trim(),
        ];
        parameters
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_parameters_come_last_so_that_they_win() {
        let kernel = Kernel {
            release: "6.12".to_owned(),
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
        let arguments = machine.arguments(&Console::Terminal);
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
        let arguments = Accelerator::Counted.arguments();
        assert!(arguments.contains(&"tcg,thread=single") && arguments.contains(&"-icount"));
    }

    #[test]
    fn commas_in_paths_are_doubled() {
        assert_eq!(escaped(Path::new("/a,b/c")), "/a,,b/c");
    }
}
