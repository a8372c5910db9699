//! Programs for guests, and the libraries that they are linked with: this machine's own, or, for a guest with another processor,
//! those of Debian's packages for it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::apt::{self, Archive, Needed};
use crate::architecture::Architecture;
use crate::{paths, process};

/// The programs that every guest has, and their packages. [`BUSYBOX`] has the rest.
const PROGRAMS: [Needed; 5] = [
    Needed {
        program: "dash",
        package: "dash",
    },
    Needed {
        program: "nft",
        package: "nftables",
    },
    Needed {
        program: "conntrack",
        package: "conntrack",
    },
    Needed {
        program: "ip",
        package: "iproute2",
    },
    Needed {
        program: "setpriv",
        package: "util-linux",
    },
];

const BUSYBOX: Needed = Needed {
    program: "busybox",
    package: "busybox-static",
};

/// What shows the libraries of programs that cannot run here.
const READELF: Needed = Needed {
    program: "readelf",
    package: "binutils",
};

/// The suite of Debian whose programs guests with another processor have.
const SUITE: &str = "trixie";

/// Where programs and their libraries come from.
#[derive(Debug)]
pub(super) enum ProgramSource {
    /// This machine.
    Installed,
    /// An unpacked tree of packages for another processor.
    Unpacked {
        tree: PathBuf,
        architecture: Architecture,
    },
}

impl ProgramSource {
    /// Makes sure that they are there: installs or downloads what is missing.
    ///
    /// # Errors
    /// When something cannot be had.
    pub(super) fn ensure(architecture: Architecture) -> Result<Self> {
        if architecture.is_host() {
            apt::ensure(&[&PROGRAMS[..], &[BUSYBOX]].concat())?;
            return Ok(Self::Installed);
        }
        apt::ensure(&[READELF])?;
        let name = format!("programs-{SUITE}-{}", architecture.debian());
        let tree = paths::guest().join(name);
        if !tree.is_dir() {
            let archive = Archive::open(architecture.debian())?;
            let packages = PROGRAMS
                .iter()
                .chain([&BUSYBOX])
                .map(|needed| needed.package);
            let packages = archive.with_dependencies(SUITE, &packages.collect::<Vec<_>>())?;
            apt::fetch(&archive, &packages, &tree)?;
        }
        // Without links, to see what leads out of it.
        let tree = tree
            .canonicalize()
            .with_context(|| format!("cannot read {}", tree.display()))?;
        Ok(Self::Unpacked { tree, architecture })
    }

    /// The names of all but busybox.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        PROGRAMS.iter().map(|needed| needed.program)
    }

    /// The path of busybox.
    ///
    /// # Errors
    /// When it is missing.
    pub(super) fn busybox(&self) -> Result<PathBuf> {
        self.path(BUSYBOX.program)
    }

    /// The path of a program.
    ///
    /// # Errors
    /// When it is missing.
    pub(super) fn path(&self, program: &str) -> Result<PathBuf> {
        match self {
            Self::Installed => process::find(program)
                .with_context(|| format!("{program} is missing on this machine")),
            Self::Unpacked { tree, .. } => ["usr/bin", "usr/sbin", "bin", "sbin"]
                .iter()
                .find_map(|dir| within(tree, &Path::new(dir).join(program)))
                .with_context(|| format!("no {program} in {}", tree.display())),
        }
    }

    /// The libraries of a program, with the dynamic linker: their paths here and in the guest. Static programs and other files
    /// have none.
    ///
    /// # Errors
    /// When the packages do not have one.
    pub(super) fn libraries(&self, program: &Path) -> Result<Vec<(PathBuf, PathBuf)>> {
        match self {
            Self::Installed => {
                // It fails for static programs and for other files.
                let ldd = process::capture(Command::new("ldd").arg(program)).unwrap_or_default();
                let libraries = shared_libraries(&ldd);
                Ok(libraries
                    .map(|path| (path.to_owned(), path.to_owned()))
                    .collect())
            }
            Self::Unpacked { tree, architecture } => needed_within(tree, *architecture, program),
        }
    }
}

/// The libraries of a program in a tree, and what those need in turn.
fn needed_within(
    tree: &Path,
    architecture: Architecture,
    program: &Path,
) -> Result<Vec<(PathBuf, PathBuf)>> {
    let multiarch = Path::new("lib").join(architecture.multiarch());
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut left = vec![program.to_owned()];
    while let Some(file) = left.pop() {
        let mut readelf = Command::new(READELF.program);
        readelf.arg("-dlW").arg(&file).env("LC_ALL", "C");
        // It fails for files that are no programs.
        let readelf = process::capture(&mut readelf).unwrap_or_default();
        for library in needed(&readelf) {
            if !seen.insert(library.to_owned()) {
                continue;
            }
            // The dynamic linker is named by its path.
            let (guest, places) = match library.strip_prefix('/') {
                Some(path) => (
                    PathBuf::from(library),
                    [path.into(), Path::new("usr").join(path)],
                ),
                None => {
                    let path = multiarch.join(library);
                    let in_usr = Path::new("usr").join(&path);
                    (Path::new("/").join(&path), [path, in_usr])
                }
            };
            let Some(host) = places.iter().find_map(|place| within(tree, place)) else {
                bail!(
                    "{} needs {library}, which the packages for {architecture} do not have",
                    file.display()
                );
            };
            left.push(host.clone());
            found.push((host, guest));
        }
    }
    Ok(found)
}

/// A file of a tree. A link to an absolute path would lead out of it, to a file of this machine's.
fn within(tree: &Path, path: &Path) -> Option<PathBuf> {
    let file = tree.join(path).canonicalize().ok()?;
    (file.starts_with(tree) && file.is_file()).then_some(file)
}

/// The libraries, and the dynamic linker by its path, in the output of `readelf -dl`:
///
/// ```text
///       [Requesting program interpreter: /lib/ld-linux-aarch64.so.1]
///  0x0000000000000001 (NEEDED)             Shared library: [libnftables.so.1]
/// ```
fn needed(readelf: &str) -> impl Iterator<Item = &str> {
    readelf.lines().filter_map(|line| {
        let (_, name) = line
            .split_once("Shared library: [")
            .or_else(|| line.split_once("program interpreter: "))?;
        name.trim_end().strip_suffix(']')
    })
}

/// The libraries, with the dynamic linker itself, in the output of ldd:
///
/// ```text
///     linux-vdso.so.1 (0x00007ffd0e5f6000)
///     libnftables.so.1 => /lib/x86_64-linux-gnu/libnftables.so.1 (0x00007f0a1e9f0000)
///     /lib64/ld-linux-x86-64.so.2 (0x00007f0a1eb2a000)
/// ```
fn shared_libraries(ldd: &str) -> impl Iterator<Item = &Path> {
    ldd.lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .map(Path::new)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn libraries_are_those_with_a_path() {
        let ldd = "\tlinux-vdso.so.1 (0x00007ffd0e5f6000)\n\
            \tlibnftables.so.1 => /lib/x86_64-linux-gnu/libnftables.so.1 (0x00007f0a1e9f0000)\n\
            \tlibgone.so.3 => not found\n\
            \t/lib64/ld-linux-x86-64.so.2 (0x00007f0a1eb2a000)\n";
        let expected = [
            "/lib/x86_64-linux-gnu/libnftables.so.1",
            "/lib64/ld-linux-x86-64.so.2",
        ];
        assert!(shared_libraries(ldd).eq(expected.map(Path::new)));
        assert_eq!(shared_libraries("\tstatically linked\n").count(), 0);
    }

    #[test]
    fn libraries_of_programs_that_do_not_run_here() {
        let readelf = "Elf file type is DYN (Position-Independent Executable file)\n\
            \x20     [Requesting program interpreter: /lib/ld-linux-aarch64.so.1]\n\
            Dynamic section at offset 0x1fda0 contains 27 entries:\n\
            \x200x0000000000000001 (NEEDED)             Shared library: [libnftables.so.1]\n\
            \x200x000000000000000e (SONAME)             Library soname: [libx.so.1]\n\
            \x200x0000000000000001 (NEEDED)             Shared library: [libc.so.6]\n";
        let expected = [
            "/lib/ld-linux-aarch64.so.1",
            "libnftables.so.1",
            "libc.so.6",
        ];
        assert!(needed(readelf).eq(expected));
        assert_eq!(
            needed("There is no dynamic section in this file.\n").count(),
            0
        );
    }

    #[test]
    fn no_link_leads_out_of_the_packages() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let tree = dir.path().canonicalize()?;
        fs::write(tree.join("libx.so.1.2"), "")?;
        symlink("libx.so.1.2", tree.join("libx.so.1"))?;
        symlink("/bin/sh", tree.join("sh"))?;
        let library = within(&tree, Path::new("libx.so.1"));
        assert_eq!(library, Some(tree.join("libx.so.1.2")));
        for other in ["sh", "gone", "."] {
            assert_eq!(within(&tree, Path::new(other)), None, "{other}");
        }
        Ok(())
    }
}
