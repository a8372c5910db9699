//! The guest's file system: busybox, a few programs with their libraries, kernel modules, and the files under test.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::kernel::Kernel;
use super::modules::Modules;
use super::out::{self, Out};
use super::programs::ProgramSource;
use super::tree::Tree;
use crate::apt::{self, Needed};
use crate::process;

/// What the host needs to make an initramfs.
const NEEDED: [Needed; 3] = [
    Needed {
        program: "depmod",
        package: "kmod",
    },
    Needed {
        program: "cpio",
        package: "cpio",
    },
    Needed {
        program: "xz",
        package: "xz-utils",
    },
];

/// Files of the host in which these programs look up names, if they exist.
const DATABASES: [&str; 2] = ["/etc/protocols", "/etc/services"];

/// Kernel modules for the guest, as far as the kernel has them. The kernel or `modprobe` loads them on demand; [`LOADED`] are
/// loaded at boot.
const MODULES: [&str; 19] = [
    "nf_conntrack*",
    "nf_defrag_*",
    "nf_nat*",
    "nf_reject_*",
    "nf_log*",
    "nf_synproxy*",
    "nf_tables",
    "nft_*",
    "nfnetlink*",
    "act_ct",
    "sch_netem",
    "sch_ingress",
    "br_netfilter",
    "dummy",
    "ifb",
    "veth",
    // libcrc32c, which older nf_conntrack needs, requests an implementation by alias, which depmod does not show.
    "crc32c*",
    "virtio_pci",
    "virtio_console",
];

/// Modules that are loaded before the command runs, unless the user disables that: with these, conntrack is available and a first
/// rule enables tracking. Their dependencies are loaded too.
const LOADED: [&str; 4] = [
    "nf_conntrack",
    "nf_conntrack_netlink",
    "nf_tables",
    "nft_ct",
];

const INIT: &str = include_str!("init.sh");

/// The contents of the guest besides the system itself.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// Files of the host and their absolute paths in the guest.
    pub(crate) files: Vec<(PathBuf, PathBuf)>,
    /// The command to run; without one there is a shell on the console.
    pub(crate) command: Option<Vec<String>>,
    /// Whether the command (or the kernel) loads conntrack's modules.
    pub(crate) no_modules: bool,
    /// What its first process sends when the command has ended.
    pub(crate) out: Vec<Out>,
}

/// Creates the initramfs in a temporary directory, and returns its path.
///
/// # Errors
/// When the host lacks something, or a file cannot be read or written.
pub(crate) fn build(kernel: &Kernel, contents: &Contents, dir: &Path) -> Result<PathBuf> {
    apt::ensure(&NEEDED)?;
    let programs = ProgramSource::ensure(kernel.architecture)?;
    let tree = Tree::create(dir.join("root"))?;
    for mount_point in ["dev", "proc", "sys", "run", "tmp", "root", "etc", "var"] {
        tree.directory(mount_point)?;
    }
    tree.link("../run", "var/run")?;
    tree.directory("bin")?;
    tree.link("bin", "sbin")?;
    // Programs and scripts may use either path.
    tree.link(".", "usr")?;
    tree.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n", 0o644)?;
    tree.write("etc/group", "root:x:0:\n", 0o644)?;
    tree.write("etc/shrc", "alias ip=/bin/ip\n", 0o644)?;
    tree.write("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n", 0o644)?;
    for database in DATABASES.map(Path::new) {
        if database.is_file() {
            tree.copy(database, database)?;
        }
    }
    let add = |host: &Path, guest: &Path| tree.program(host, guest, &programs.libraries(host)?);
    for program in ProgramSource::names() {
        add(&programs.path(program)?, &Path::new("/bin").join(program))?;
    }
    // The guest makes links to it where there is no program of the name.
    add(&programs.busybox()?, Path::new("/bin/busybox"))?;
    // Busybox has a shell too, but it would prefer busybox's `ip` to any other.
    tree.link("dash", "bin/sh")?;
    add_modules(&tree, kernel)?;
    for (host, guest) in &contents.files {
        add(host, guest)?;
    }
    let loaded = if contents.no_modules {
        String::new()
    } else {
        LOADED.join(" ")
    };
    tree.write("etc/guest.conf", &format!("modules='{loaded}'\n"), 0o644)?;
    if !contents.out.is_empty() {
        tree.write("etc/guest.out", &out::list(&contents.out), 0o644)?;
    }
    if let Some(command) = &contents.command {
        tree.write("command", &script(command), 0o755)?;
    }
    tree.write("init", INIT, 0o755)?;
    tree.pack(&dir.join("initramfs.cpio"))
}

/// The shell script that runs a command instead of the shell.
fn script(command: &[String]) -> String {
    let words: Vec<_> = command.iter().map(|word| process::quote(word)).collect();
    format!("exec {}\n", words.join(" "))
}

/// Adds kernel modules, with the indexes for `modprobe`.
fn add_modules(tree: &Tree, kernel: &Kernel) -> Result<()> {
    let depmod = on_host("depmod")?;
    // Read-only: the kernel's tree may belong to the user.
    let mut show = Command::new(&depmod);
    show.args(["--show", "--basedir"])
        .arg(&kernel.base)
        .arg(&kernel.release);
    let modules = Modules::parse(&process::capture(&mut show)?);
    let from = kernel.modules();
    let to = Path::new("/lib/modules").join(&kernel.release);
    for module in modules.select(&MODULES) {
        tree.decompressed(&from.join(module), &to.join(module))?;
    }
    for list in [
        "modules.order",
        "modules.builtin",
        "modules.builtin.modinfo",
    ] {
        if from.join(list).is_file() {
            tree.copy(&from.join(list), &to.join(list))?;
        }
    }
    let mut index = Command::new(&depmod);
    process::run(index.arg("--basedir").arg(tree.root()).arg(&kernel.release))
}

/// The path of a program of [`NEEDED`].
fn on_host(program: &str) -> Result<PathBuf> {
    process::find(program).with_context(|| format!("{program} is missing on this machine"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_keeps_its_words() {
        let command = ["sh", "-c", "echo \"it's\" $0; exit 7"].map(str::to_owned);
        assert_eq!(
            script(&command),
            "exec sh -c 'echo \"it'\\''s\" $0; exit 7'\n"
        );
    }
}
