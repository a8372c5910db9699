//! The manifests for Kubernetes, checked by the types of its API.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::apt::{self, Needed};
use crate::paths;
use crate::process;

const NEEDED: [Needed; 2] = [
    Needed {
        program: "node",
        package: "nodejs",
    },
    Needed {
        program: "npm",
        package: "npm",
    },
];

/// Packages of npm: the API's types, that of the Prometheus operator, and what reads and checks.
const PACKAGES: [&str; 4] = [
    "kubernetes-models@5",
    "@kubernetes-models/prometheus-operator@6",
    "js-yaml@5",
    "typescript@7",
];

const WRITER: &str = include_str!("manifests.mjs");

/// Requires that each object has the type that it says.
///
/// # Errors
/// When one has not, or what checks cannot be had.
pub(super) fn check() -> Result<()> {
    apt::ensure(&NEEDED)?;
    let dir = paths::target().join("tools/kubernetes");
    let write = |name: &str, text: &str| -> Result<PathBuf> {
        let path = dir.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    };
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    if !dir.join("node_modules/.bin/tsc").exists() {
        let mut install = Command::new("npm");
        install.args(["install", "--silent", "--no-save", "--prefix", "."]);
        process::run(install.args(PACKAGES).current_dir(&dir))?;
    }
    let writer = write("manifests.mjs", WRITER)?;
    let manifests = paths::workspace().join("conntrack-user/packaging/kubernetes");
    let program = process::capture(
        Command::new("node")
            .arg(writer)
            .args(["daemonset.yaml", "podmonitor.yaml"].map(|name| manifests.join(name)))
            .current_dir(&dir),
    )?;
    write("check.mts", &program)?;
    let mut compile = Command::new("node_modules/.bin/tsc");
    compile
        .args([
            "--noEmit",
            "--strict",
            "--skipLibCheck",
            "--module",
            "nodenext",
        ])
        .arg("check.mts")
        .current_dir(&dir);
    process::run(&mut compile).context("a manifest is not as the API has it")
}
