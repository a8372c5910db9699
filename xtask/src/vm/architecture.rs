//! What differs between the processors that guests can have.

use crate::apt::Needed;

/// The processors that guests can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Architecture {
    /// 64-bit x86, as this machine has it: guests run its programs.
    Amd64,
}

impl Architecture {
    /// All of them.
    const ALL: [Self; 1] = [Self::Amd64];

    /// The one that Debian calls so.
    pub(super) fn from_debian(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|architecture| architecture.debian() == name)
    }

    /// What Debian calls it.
    pub(super) fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
        }
    }

    /// The program that emulates it.
    pub(super) fn qemu(self) -> Needed {
        match self {
            Self::Amd64 => Needed {
                program: "qemu-system-x86_64",
                package: "qemu-system-x86",
            },
        }
    }

    /// The machine around it.
    pub(super) fn machine(self) -> &'static str {
        match self {
            Self::Amd64 => "q35",
        }
    }

    /// Its first serial port, which is the console.
    pub(super) fn console(self) -> &'static str {
        match self {
            Self::Amd64 => "ttyS0",
        }
    }

    /// The kernel parameters that it needs under emulation.
    pub(super) fn emulation_parameters(self) -> &'static str {
        match self {
            // The emulated TSCs of all CPUs are synchronous, but the kernel's test of that can fail under slow emulation. It
            // would then use HPET, which makes reading the clock ten times slower.
            Self::Amd64 => "tsc=reliable",
        }
    }
}
