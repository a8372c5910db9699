//! `cargo xtask vm`: boots a kernel in QEMU and runs a command in it.
//!
//! A [`guest`] consists of a [`kernel`], from [`debian`] or [`from_source`], and an [`initramfs`], which is a [`tree`] of files with
//! the [`programs`] and [`modules`] it needs. [`qemu`] starts it, [`session`] follows it to its end, [`console`] and
//! [`qemu_log`] find the reason of that in the logs, and [`out`] copies files out of it.

mod console;
mod debian;
mod emulation;
mod from_source;
mod guest;
mod initramfs;
mod kernel;
mod modules;
mod out;
mod programs;
mod qemu;
mod qemu_log;
mod session;
mod tree;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

pub(crate) use self::guest::Guest;
use self::out::Out;
use crate::architecture::Choice;
use crate::build;
use crate::report::Parts;
use crate::toolchain::Toolchain;

/// Boot a kernel in QEMU and run a command (or a shell) in it.
///
/// The guest has busybox, nft, conntrack, ip, ctpulse and the test programs. The command's output
/// and exit status become xtask's; the kernel's messages go to a log file, which is shown when the
/// guest crashes or hangs. Kernels are downloaded from Debian's archive, from whichever suite has the
/// newest of the series, through the mirror that this machine's apt uses.
///
/// Where KVM does not work, or the guest does not start under it, the processor is emulated; another than
/// this machine's always is.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The series of a Debian kernel (5.10, 6.1, 6.12; 7 for the newest of them), which is the cloud flavour
    /// unless another follows (6.12-amd64 for the generic one, 6.12-rt); 6.12-built-in to build one from
    /// Debian's source that has nf_conntrack built in, 6.12-thinlto to have that done by clang with ThinLTO
    /// (Talos); or the path of a .deb or of a tree it was unpacked to
    #[arg(long, default_value = "6.12")]
    kernel: String,

    #[command(flatten)]
    choice: Choice,

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

    /// Copy a file or directory out of the guest when the command has ended; HOST defaults to the current
    /// directory
    #[arg(long = "out", value_name = "GUEST[:HOST]", value_parser = Out::parse)]
    out: Vec<Out>,

    /// Do not load conntrack's modules at start
    #[arg(long)]
    no_modules: bool,

    /// Have the guest's clock go by instructions, one nanosecond each: its timing is then the same however
    /// busy this machine is, but its processors share one thread
    #[arg(long)]
    instructions: bool,

    /// Leave ctpulse and the test programs out: nothing is built
    #[arg(long)]
    bare: bool,

    /// What to run in the guest; without it there is a shell on the console, which reads standard input
    /// where that is no terminal
    #[arg(last = true)]
    command: Vec<String>,
}

/// The size of guests.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Size {
    /// Number of processors
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=255))]
    pub(crate) cpus: u32,

    /// Memory, as QEMU understands it
    #[arg(long, default_value = "1024M")]
    pub(crate) memory: String,
}

pub(crate) fn main(args: Args) -> Result<ExitCode> {
    let architecture = args.choice.architecture;
    let mut files = Vec::new();
    if !args.bare {
        let toolchain = Toolchain::ensure(architecture)?;
        let artifacts = build::all(&toolchain, architecture)?;
        files.extend(in_bin(&build::test_programs(&toolchain, architecture)?));
        files.extend(in_bin(&[artifacts.binary]));
        files.extend(faulty_objects(build::faulty_ebpf_objects(
            &toolchain,
            architecture,
        )?));
    }
    // The user's files come last, so that they replace ours.
    files.extend(args.files);
    let guest = Guest {
        architecture,
        kernel: args.kernel,
        size: args.size,
        timeout: args.timeout.map(Duration::from_secs),
        append: args.append.join(" "),
        files,
        out: args.out,
        no_modules: args.no_modules,
        instructions: args.instructions,
        command: (!args.command.is_empty()).then_some(args.command),
        resume: None,
    };
    let finished = guest.run(&mut Parts::default())?;
    Ok(ExitCode::from(finished.status))
}

/// Where the guest tests expect the eBPF objects with planted faults.
pub(crate) fn faulty_objects(
    objects: Vec<(&'static str, PathBuf)>,
) -> impl Iterator<Item = (PathBuf, PathBuf)> {
    let place = |fault| Path::new("/lib/ctpulse").join(format!("{fault}.o"));
    objects
        .into_iter()
        .map(move |(fault, path)| (path, place(fault)))
}

/// Programs of the host, to be copied to the guest's /bin.
pub(crate) fn in_bin(programs: &[PathBuf]) -> impl Iterator<Item = (PathBuf, PathBuf)> {
    programs
        .iter()
        .filter_map(|path| Some((path.clone(), Path::new("/bin").join(path.file_name()?))))
}

/// Parses `HOST[:GUEST]`.
fn file(arg: &str) -> Result<(PathBuf, PathBuf)> {
    // Only something like an absolute path is taken as the path in the guest, so that file names may contain colons.
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
    fn files_have_a_path_in_the_guest() -> Result<()> {
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
    fn invalid_files_are_refused() {
        for arg in ["/no/such/file", "/etc", "/bin/sh:/../x", "/bin/sh:relative"] {
            assert!(file(arg).is_err(), "{arg}");
        }
    }
}
