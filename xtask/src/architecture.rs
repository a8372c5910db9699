//! The processors that ctpulse is built for and that guests can have, and what differs between them.

use crate::apt::Needed;

/// The processors that ctpulse is built for and that guests can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Architecture {
    /// 64-bit x86.
    #[value(name = "x86_64", alias = "amd64")]
    Amd64,
    /// 64-bit ARM.
    #[value(name = "aarch64", alias = "arm64")]
    Arm64,
}

/// The option that chooses one.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Choice {
    /// The processor, if it is another than this machine's; amd64 and arm64 serve as well
    #[arg(long = "arch", value_name = "ARCH", value_enum, default_value_t = Architecture::HOST)]
    pub(crate) architecture: Architecture,
}

impl Architecture {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];

    /// This machine's. Its programs run here, and guests of it may run under KVM.
    pub(crate) const HOST: Self = if cfg!(target_arch = "aarch64") {
        Self::Arm64
    } else {
        Self::Amd64
    };

    /// The one that Debian calls so.
    pub(crate) fn from_debian(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|architecture| architecture.debian() == name)
    }

    /// Whether it is this machine's.
    pub(crate) fn is_host(self) -> bool {
        self == Self::HOST
    }

    /// What Debian calls it.
    pub(crate) fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// What Rust and Linux call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// Rust's target for static binaries.
    pub(crate) fn musl(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-unknown-linux-musl",
            Self::Arm64 => "aarch64-unknown-linux-musl",
        }
    }

    /// The directory in packages where libraries are.
    pub(crate) fn multiarch(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-linux-gnu",
            Self::Arm64 => "aarch64-linux-gnu",
        }
    }

    /// The name of a file or directory for what is made for this processor: as it is for this machine's.
    pub(crate) fn named(self, name: &str) -> String {
        if self.is_host() {
            name.to_owned()
        } else {
            format!("{name}-{}", self.name())
        }
    }

    /// The program that emulates it.
    pub(crate) fn qemu(self) -> Needed {
        match self {
            Self::Amd64 => Needed {
                program: "qemu-system-x86_64",
                package: "qemu-system-x86",
            },
            Self::Arm64 => Needed {
                program: "qemu-system-aarch64",
                package: "qemu-system-arm",
            },
        }
    }

    /// The machine around it.
    pub(crate) fn machine(self) -> &'static str {
        match self {
            Self::Amd64 => "q35",
            Self::Arm64 => "virt",
        }
    }

    /// The emulated processor.
    pub(crate) fn emulated(self) -> &'static str {
        match self {
            Self::Amd64 => "max",
            // The architecture's own algorithm for signing pointers takes most of the time that its kernel runs.
            Self::Arm64 => "max,pauth-impdef=on",
        }
    }

    /// Its first serial port, which is the console.
    pub(crate) fn console(self) -> &'static str {
        match self {
            Self::Amd64 => "ttyS0",
            Self::Arm64 => "ttyAMA0",
        }
    }

    /// The kernel parameters that it needs under emulation.
    pub(crate) fn emulation_parameters(self) -> &'static str {
        match self {
            // The emulated TSCs of all CPUs are synchronous, but the kernel's test of that can fail under slow emulation. It
            // would then use HPET, which makes reading the clock ten times slower.
            Self::Amd64 => "tsc=reliable",
            Self::Arm64 => "",
        }
    }
}

impl std::fmt::Display for Architecture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
