//! `cargo xtask servers`: the servers that tests run against, unpacked from Debian's packages rather than installed, so that this
//! machine starts none of them by itself.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use crate::apt::{self, Archive, Needed};
use crate::architecture::Architecture;
use crate::paths;

/// Download the servers that tests run against; their directory is the last line on standard output.
///
/// `cargo xtask test` does so by itself. A test that is started by hand needs that directory in CTPULSE_SERVERS.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// node_exporter, by its path in the packages.
pub(crate) const NODE_EXPORTER: &str = "usr/bin/prometheus-node-exporter";

/// The servers and their tools, by their paths in the packages.
const SERVERS: [Needed; 8] = [
    Needed {
        program: "usr/bin/prometheus",
        package: "prometheus",
    },
    Needed {
        program: "usr/bin/promtool",
        package: "prometheus",
    },
    Needed {
        program: NODE_EXPORTER,
        package: "prometheus-node-exporter",
    },
    Needed {
        program: "usr/bin/victoria-metrics",
        package: "victoria-metrics",
    },
    Needed {
        program: "usr/sbin/netdata",
        package: "netdata-core",
    },
    Needed {
        program: "usr/sbin/sshd",
        package: "openssh-server",
    },
    Needed {
        program: "usr/bin/ssh",
        package: "openssh-client",
    },
    Needed {
        program: "usr/bin/ssh-keygen",
        package: "openssh-client",
    },
];

/// The suite of Debian that has all of them: a later one has no Netdata.
const SUITE: &str = "bookworm";

/// The C library goes with the dynamic linker, which is this machine's, whatever libraries a program is run with.
const OF_THE_MACHINE: &str = "libc6=";

pub(crate) fn main(_: &Args) -> Result<ExitCode> {
    writeln!(io::stdout(), "{}", tree()?.display()).context("cannot write to standard output")?;
    Ok(ExitCode::SUCCESS)
}

/// The tree that has the servers and their libraries. Without it, they are downloaded.
///
/// # Errors
/// When they cannot be downloaded or unpacked.
pub(crate) fn tree() -> Result<PathBuf> {
    let tree = paths::target().join(format!("servers-{SUITE}"));
    if !is_complete(&tree) {
        let archive = Archive::open(Architecture::HOST.debian())?;
        let mut names: Vec<_> = SERVERS.iter().map(|server| server.package).collect();
        names.dedup();
        let mut packages = archive.with_dependencies(SUITE, &names)?;
        packages.retain(|package| !package.starts_with(OF_THE_MACHINE));
        apt::fetch(&archive, &packages, &tree)?;
    }
    Ok(tree)
}

/// Whether a tree has every server. One of an earlier list may not.
fn is_complete(tree: &Path) -> bool {
    SERVERS
        .iter()
        .all(|server| tree.join(server.program).is_file())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_tree_that_lacks_a_server_is_not_complete() -> Result<()> {
        let dir = tempfile::tempdir()?;
        for server in SERVERS {
            assert!(!is_complete(dir.path()), "without {}", server.program);
            let program = dir.path().join(server.program);
            fs::create_dir_all(program.parent().unwrap_or(dir.path()))?;
            fs::write(program, "")?;
        }
        assert!(is_complete(dir.path()));
        Ok(())
    }
}
