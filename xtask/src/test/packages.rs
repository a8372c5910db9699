//! Packages: checked by Debian's own tools, then installed, started, asked, stopped and removed in a guest that boots systemd.

mod manifests;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::apt::{self, Needed};
use crate::architecture::Architecture;
use crate::dist::{self, VERSION};
use crate::paths;
use crate::process::{self, say};
use crate::report::{Parts, Report};
use crate::vm::{Guest, Size};

/// What the checks need of the host.
const NEEDED: [Needed; 4] = [
    Needed {
        program: "lintian",
        package: "lintian",
    },
    Needed {
        program: "debootstrap",
        package: "debootstrap",
    },
    Needed {
        program: "piuparts",
        package: "piuparts",
    },
    Needed {
        program: "skopeo",
        package: "skopeo",
    },
];

/// The suite of the system in the guest.
const SUITE: &str = "bookworm";

/// What it has besides what Debian demands.
const INCLUDED: &str =
    "systemd,systemd-sysv,kmod,iproute2,curl,procps,nftables,rpm,ca-certificates";

/// What the guest does first, and what its systemd does.
const BOOT: &str = include_str!("packages/boot.sh");
const CHECK: &str = include_str!("packages/check.sh");
const UNIT: &str = include_str!("packages/check.service");

/// Makes the packages and checks them.
pub(super) fn tests(report: &mut Report, kernel: &str) {
    report.step("Kubernetes manifests", manifests::check);
    let Some(dist) = report.step("packages", || {
        apt::ensure(&NEEDED)?;
        dist::packages(Architecture::HOST)
    }) else {
        return;
    };
    report.step("lintian", || lintian(&dist));
    report.step("container image", || image(&dist));
    let Some(base) = report.step("a Debian system", base_system) else {
        return;
    };
    report.step("piuparts", || piuparts(&dist, &base));
    report.step_in_parts(
        format!("packages in a guest with systemd on {kernel}"),
        |parts| in_guest(&dist, &base, kernel, parts),
    );
}

fn deb(dist: &Path) -> PathBuf {
    let debian = Architecture::HOST.debian();
    dist.join(format!("ctpulse_{VERSION}-1_{debian}.deb"))
}

/// Whatever it says fails: a tag that has its reason is in the package's overrides.
fn lintian(dist: &Path) -> Result<()> {
    let mut lintian = Command::new("lintian");
    lintian.args(["--allow-root", "--tag-display-limit=0", "--info"]);
    let said = process::capture(lintian.arg(deb(dist)))?;
    if !said.trim().is_empty() {
        bail!("lintian says of {}:\n{said}", deb(dist).display());
    }
    Ok(())
}

/// That who distributes images can read it, with every layer and checksum.
fn image(dist: &Path) -> Result<()> {
    let processor = Architecture::HOST.name();
    let image = dist.join(format!("ctpulse-{VERSION}-{processor}.oci.tar"));
    let copy = paths::guest().join("image");
    if copy.exists() {
        fs::remove_dir_all(&copy).with_context(|| format!("cannot remove {}", copy.display()))?;
    }
    let mut skopeo = Command::new("skopeo");
    skopeo
        .args(["--insecure-policy", "copy", "--quiet"])
        .arg(format!("oci-archive:{}", image.display()))
        .arg(format!("dir:{}", copy.display()));
    process::run(&mut skopeo)
}

/// The archive of a system as `debootstrap` makes it. It is made once.
fn base_system() -> Result<PathBuf> {
    let dir = paths::guest().join(format!("system-{SUITE}"));
    let archive = dir.with_added_extension("tar");
    if archive.is_file() {
        return Ok(archive);
    }
    if dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    say(format_args!("making a Debian {SUITE} (once; some minutes)"));
    let mut debootstrap = Command::new("debootstrap");
    debootstrap
        .args(["--variant=minbase", "--include", INCLUDED, SUITE])
        .arg(&dir)
        .arg(apt::main_mirror()?);
    process::run(&mut debootstrap)?;
    // Packages that were downloaded for it would be half of it.
    let mut tar = Command::new("tar");
    tar.args([
        "--create",
        "--exclude=./var/cache/apt/archives/*.deb",
        "--directory",
    ])
    .arg(&dir)
    .arg("--file")
    .arg(archive.with_added_extension("part"))
    .arg(".");
    process::run(&mut tar)?;
    fs::rename(archive.with_added_extension("part"), &archive)
        .with_context(|| format!("cannot make {}", archive.display()))?;
    let _ = fs::remove_dir_all(&dir);
    Ok(archive)
}

/// Installs and purges it in a clean system, and looks for what is left.
fn piuparts(dist: &Path, base: &Path) -> Result<()> {
    let compressed = base.with_added_extension("gz");
    if !compressed.is_file() {
        process::run(Command::new("gzip").args(["--keep", "--fast"]).arg(base))?;
    }
    let mut piuparts = Command::new("piuparts");
    piuparts
        .args([
            "--distribution",
            SUITE,
            "--no-upgrade-test",
            "--warn-on-leftovers-after-purge",
        ])
        .arg("--mirror")
        .arg(format!("{} main", apt::main_mirror()?))
        .arg("--basetgz")
        .arg(compressed)
        .arg(deb(dist));
    process::run(&mut piuparts)
}

fn in_guest(dist: &Path, base: &Path, kernel: &str, parts: &mut Parts) -> Result<()> {
    let scripts = paths::guest().join("packages");
    fs::create_dir_all(&scripts).with_context(|| format!("cannot create {}", scripts.display()))?;
    let mut files = vec![(base.to_owned(), PathBuf::from("/packages/system.tar"))];
    for (name, text) in [
        ("boot.sh", BOOT),
        ("check.sh", CHECK),
        ("check.service", UNIT),
    ] {
        let path = scripts.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        files.push((path, Path::new("/packages").join(name)));
    }
    let processor = Architecture::HOST.name();
    let rpm = dist.join(format!("ctpulse-{VERSION}-1.{processor}.rpm"));
    let tarball = dist.join(format!("ctpulse-{VERSION}-{processor}.tar.gz"));
    for (file, name) in [
        (deb(dist), "ctpulse.deb"),
        (rpm, "ctpulse.rpm"),
        (tarball, "ctpulse.tar.gz"),
    ] {
        files.push((file, Path::new("/packages").join(name)));
    }
    let guest = Guest {
        architecture: Architecture::HOST,
        kernel: kernel.to_owned(),
        size: Size {
            cpus: 2,
            // The system is there twice: as an archive, and unpacked.
            memory: "3072M".to_owned(),
        },
        timeout: Some(Duration::from_secs(1_800)),
        append: String::new(),
        files,
        out: Vec::new(),
        no_modules: false,
        instructions: false,
        command: Some(["sh", "/packages/boot.sh"].map(str::to_owned).to_vec()),
        resume: None,
    };
    match guest.run(parts)?.status {
        0 => Ok(()),
        status => {
            bail!("a check of the packages failed (exit status {status}); what it did is above")
        }
    }
}
