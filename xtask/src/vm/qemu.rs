//! QEMU: how it is called, and whether it can use KVM.

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

/// How the guest's processors are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accelerator {
    /// By the host's processor.
    Kvm,
    /// By translation, ten times slower or more.
    Tcg,
    /// By translation on one thread, with a clock that goes by instructions: one nanosecond each. What
    /// is measured is then the same however busy the host is.
    Counted,
}

impl Accelerator {
    /// KVM where it works, else translation.
    ///
    /// That /dev/kvm can be opened is not enough: where the host is itself a guest, KVM may refuse
    /// the processor's registers, or run no code at all. So a guest has to run a few instructions.
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

/// Whether a guest under KVM runs a firmware that does nothing but exit.
fn kvm_runs_code(dir: &Path) -> Result<bool> {
    const VALUE: u8 = 0x10;
    const SIZE: usize = 64 * 1024;
    // The processor starts 16 bytes below the end: mov al, VALUE; out 0xf4, al; hlt.
    const CODE: [u8; 5] = [0xb0, VALUE, 0xe6, 0xf4, 0xf4];
    let mut firmware = vec![0; SIZE];
    firmware[SIZE - 16..][..CODE.len()].copy_from_slice(&CODE);
    let path = dir.join("firmware");
    fs::write(&path, firmware).with_context(|| format!("cannot write {}", path.display()))?;
    // A KVM that runs no code runs none for ever.
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
    // What isa-debug-exit makes of the value written to it.
    Ok(output.status.code() == Some(i32::from(VALUE) << 1 | 1))
}

/// A guest's hardware and what it boots.
#[derive(Debug)]
pub(crate) struct Machine<'a> {
    pub(crate) kernel: &'a Kernel,
    pub(crate) initramfs: &'a Path,
    pub(crate) cpus: u32,
    /// As QEMU understands it: "1024M".
    pub(crate) memory: &'a str,
    /// More kernel parameters.
    pub(crate) append: String,
    pub(crate) accelerator: Accelerator,
}

/// What is at the other end of the guest's console.
#[derive(Debug)]
pub(crate) enum Console<'a> {
    /// The user's terminal.
    Terminal,
    /// A log file; standard output, error and so on leave through ports, each a name and our socket
    /// for it.
    Log(&'a Path, Vec<(&'static str, OwnedFd)>),
}

impl Machine<'_> {
    /// Starts the guest. It does not outlive the thread that started it.
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
                    // QEMU is to inherit it.
                    fcntl_setfd(fd, FdFlags::empty())
                        .with_context(|| format!("cannot pass on the port {name}"))?;
                }
            }
        }
        // SAFETY: between fork and exec only a system call is made, which allocates nothing and
        // takes no lock.
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

    /// The kernel's command line: a panic (an oops is one too) ends the guest at once, and a CPU that hangs
    /// in the kernel ends it after a minute.
    fn parameters(&self) -> String {
        let clock = match self.accelerator {
            Accelerator::Kvm => "",
            // The emulated counters of all processors are one, yet the kernel's test for that may
            // fail where emulation is slow; it then takes HPET, which makes every look at the clock
            // ten times as expensive.
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

/// A path as the value of a QEMU option, where a comma ends the value unless it is doubled.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

/// How long a guest may take to start its first process and load its modules: many times what it takes where the machine is
/// busy, and short enough to start it again where emulation has hung (with a clock of instructions, 6.1 has been seen to).
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
