//! Guest kernels that no distribution has: built from Debian's source of a series, with nf_conntrack built in
//! (`built_in.config`), by gcc or by clang with ThinLTO (`thinlto.config`). A build takes some minutes, so its result is kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self as std_process, Command};
use std::thread;

use anyhow::{Context as _, Result, bail};

use super::debian;
use crate::apt::{self, Archive, Needed};
use crate::architecture::Architecture;
use crate::process::{self, say};

/// How a kernel differs from Debian's.
#[derive(Debug)]
struct Flavour {
    /// Follows the series in the kernel's name.
    suffix: &'static str,
    /// For the user.
    description: &'static str,
    config: &'static str,
    compiler: &'static [Needed],
    /// The parameters that make the kernel's build system take that compiler.
    make: &'static [&'static str],
}

const FLAVOURS: [Flavour; 2] = [
    Flavour {
        suffix: "-built-in",
        description: "with nf_conntrack built in",
        config: include_str!("built_in.config"),
        compiler: &[needed("gcc", "gcc")],
        make: &[],
    },
    Flavour {
        suffix: "-thinlto",
        description: "by clang with ThinLTO, nf_conntrack built in",
        config: concat!(
            include_str!("built_in.config"),
            "\n",
            include_str!("thinlto.config")
        ),
        compiler: &[
            needed("clang", "clang"),
            needed("ld.lld", "lld"),
            needed("llvm-ar", "llvm"),
            // For the programs that run during the build: clang takes libc's headers and start files from here.
            needed("gcc", "gcc"),
        ],
        make: &["LLVM=1"],
    },
];

/// The file that records what a tree was built from.
const RECIPE: &str = "recipe";

/// What the host needs to build a kernel, besides a compiler.
const NEEDED: [Needed; 8] = [
    needed("make", "make"),
    needed("flex", "flex"),
    needed("bison", "bison"),
    needed("bc", "bc"),
    needed("perl", "perl"),
    needed("pahole", "dwarves"),
    needed("xz", "xz-utils"),
    // Not a program, but always at the same path.
    needed("/usr/include/libelf.h", "libelf-dev"),
];

const fn needed(program: &'static str, package: &'static str) -> Needed {
    Needed { program, package }
}

/// A kernel to be built: of a series, in a flavour.
#[derive(Debug)]
pub(super) struct SourceKernel<'a> {
    series: &'a str,
    flavour: &'static Flavour,
}

impl<'a> SourceKernel<'a> {
    /// Reads a name such as `6.12-built-in`: a series of two numbers, and a flavour.
    pub(super) fn parse(spec: &'a str) -> Option<Self> {
        let number =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let (series, flavour) = FLAVOURS
            .iter()
            .find_map(|flavour| Some((spec.strip_suffix(flavour.suffix)?, flavour)))?;
        let (major, minor) = series.split_once('.')?;
        (number(major) && number(minor)).then_some(Self { series, flavour })
    }

    /// The kernel's tree. An existing one is used if it was built from the current source and configuration; else it is built.
    ///
    /// # Errors
    /// When the source or a program cannot be had, or the build fails.
    pub(super) fn tree(&self) -> Result<PathBuf> {
        let Self { series, flavour } = self;
        let package = format!("linux-source-{series}");
        let tree = debian::trees().join(format!("linux-{series}{}", flavour.suffix));
        let made_of = fs::read_to_string(tree.join(RECIPE)).ok();
        let archive = Archive::open(Architecture::Amd64.debian())?;
        let recipe = match archive.version(&package) {
            Ok(version) => format!("{package} {version}\n{}", flavour.config),
            // Without apt's lists an existing tree is good enough.
            Err(_) if made_of.is_some() => return Ok(tree),
            Err(error) => return Err(error),
        };
        if made_of.as_ref() == Some(&recipe) {
            return Ok(tree);
        }
        apt::ensure(&[flavour.compiler, &NEEDED].concat())?;
        say(format_args!(
            "building a kernel from {package}, {}: some minutes",
            flavour.description
        ));
        let work = debian::trees().join(format!("build-{}", std_process::id()));
        let built = build(&archive, &package, flavour, &recipe, &work).and_then(|built| {
            if tree.exists() {
                fs::remove_dir_all(&tree)
                    .with_context(|| format!("cannot replace {}", tree.display()))?;
            }
            fs::rename(&built, &tree).with_context(|| format!("cannot create {}", tree.display()))
        });
        // Several gigabytes.
        let _ = fs::remove_dir_all(&work);
        built.with_context(|| format!("cannot build a kernel from {package}"))?;
        Ok(tree)
    }
}

/// Downloads, configures and builds in a directory; returns a tree with the layout of a package.
fn build(
    archive: &Archive,
    package: &str,
    flavour: &Flavour,
    recipe: &str,
    work: &Path,
) -> Result<PathBuf> {
    let create = |dir: &Path| {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))
    };
    create(work)?;
    let deb = work.join("deb");
    apt::fetch(archive, &[package.to_owned()], &deb)?;
    let archive = deb.join(format!("usr/src/{package}.tar.xz"));
    process::run(
        Command::new("tar")
            .arg("-xf")
            .arg(&archive)
            .arg("-C")
            .arg(work),
    )?;
    let source = work.join(package);
    let config = work.join("config");
    write(&config, flavour.config)?;
    let make = |target: &str| {
        let mut make = Command::new("make");
        make.arg("-s").arg("-C").arg(&source).arg(target);
        // No other parameters of the kernel's build system are set.
        make.args(flavour.make)
            .env("KCONFIG_ALLCONFIG", &config)
            .env_remove("MAKEFLAGS");
        make
    };
    process::capture(&mut make("allnoconfig"))?;
    let configured = source.join(".config");
    let configured = fs::read_to_string(&configured)
        .with_context(|| format!("cannot read {}", configured.display()))?;
    check(flavour.config, &configured)?;
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    process::run(make("bzImage").arg(format!("-j{jobs}")))?;
    let release = source.join("include/config/kernel.release");
    let release = fs::read_to_string(&release)
        .with_context(|| format!("cannot read {}", release.display()))?;
    let release = release.trim();

    let tree = work.join("tree");
    let modules = tree.join("lib/modules").join(release);
    create(&modules)?;
    create(&tree.join("boot"))?;
    let image = tree.join("boot").join(format!("vmlinuz-{release}"));
    fs::copy(source.join("arch/x86/boot/bzImage"), &image)
        .with_context(|| format!("cannot create {}", image.display()))?;
    // depmod needs these. There are no modules, but modprobe must know what is built in.
    write(&modules.join("modules.order"), "")?;
    for list in ["modules.builtin", "modules.builtin.modinfo"] {
        fs::copy(source.join(list), modules.join(list))
            .with_context(|| format!("the build made no {list}"))?;
    }
    write(&tree.join(RECIPE), recipe)?;
    Ok(tree)
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Fails unless every option is set: make ignores options that the kernel does not have, or whose dependencies are not met.
fn check(wanted: &str, config: &str) -> Result<()> {
    let options = wanted.lines().filter(|line| line.starts_with("CONFIG_"));
    let missing: Vec<&str> = options
        .filter(|option| !config.lines().any(|line| line == *option))
        .collect();
    if !missing.is_empty() {
        bail!(
            "this kernel cannot be configured with {}",
            missing.join(" ")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_kernels_that_are_built() {
        let name = |spec| SourceKernel::parse(spec).map(|w| (w.series, w.flavour.suffix));
        assert_eq!(name("6.12-built-in"), Some(("6.12", "-built-in")));
        assert_eq!(name("6.12-thinlto"), Some(("6.12", "-thinlto")));
        for other in [
            "6.12",
            "6-built-in",
            "6.12.1-built-in",
            "./6.12-built-in",
            "-built-in",
            "6.12-built-in-thinlto",
        ] {
            assert_eq!(name(other), None, "{other}");
        }
    }

    #[test]
    fn options_that_are_not_taken_are_named() {
        for Flavour { config, .. } in &FLAVOURS {
            assert!(check(config, config).is_ok());
            let without = config.replace(
                "CONFIG_NF_CONNTRACK=y\n",
                "# CONFIG_NF_CONNTRACK is not set\n",
            );
            let error = check(config, &without).map_err(|e| e.to_string());
            assert_eq!(
                error,
                Err("this kernel cannot be configured with CONFIG_NF_CONNTRACK=y".to_owned())
            );
        }
    }
}
