//! The tests that run on this machine.

use std::process::Command;

use crate::apt::{self, Needed};
use crate::build::{self, Artifacts};
use crate::process;
use crate::report::Report;
use crate::servers;
use crate::toolchain::Toolchain;

/// The browser that tests of the report use, and its driver.
const BROWSER: &[Needed] = &[
    Needed {
        program: "chromium",
        package: "chromium",
    },
    Needed {
        program: "chromedriver",
        package: "chromium-driver",
    },
];

/// The terminal for tests of the live view.
const TMUX: Needed = Needed {
    program: "tmux",
    package: "tmux",
};

/// The checker of man pages.
const GROFF: Needed = Needed {
    program: "groff",
    package: "groff-base",
};

/// Runs the workspace's tests, unit and whole-program.
pub(super) fn tests(
    report: &mut Report,
    toolchain: &Toolchain,
    artifacts: Option<&Artifacts>,
    filters: &[String],
) {
    // Without it the tests of the report fail, with errors that name what to install.
    report.step("browser", || apt::ensure(BROWSER));
    // Likewise the tests with servers.
    let servers = report.step("servers", servers::tree);
    let Some(artifacts) = artifacts else {
        report.skip("host tests", "the build failed");
        return;
    };
    let cargo = |selection: &[&str], more: &[&str]| -> Command {
        let mut cargo = build::host_cargo(toolchain, "test", &artifacts.ebpf_object);
        cargo.env("CTPULSE_BIN", &artifacts.binary);
        if let Some(servers) = &servers {
            cargo.env("CTPULSE_SERVERS", servers);
        }
        cargo.arg("--no-fail-fast").args(selection).args(more);
        cargo
    };
    let workspace = ["--workspace", "--exclude", "conntrack-ebpf"];
    // Its library builds for the host too, but its programs do not.
    let ebpf = ["-p", "conntrack-ebpf", "--lib"];
    let built = report.step("build of host tests", || {
        process::run(&mut cargo(&workspace, &["--no-run"]))?;
        process::run(&mut cargo(&ebpf, &["--no-run"]))
    });
    if built.is_none() {
        report.skip("host tests", "their build failed");
        return;
    }
    let filters: Vec<&str> = [
        &["--"][..],
        &filters.iter().map(String::as_str).collect::<Vec<_>>(),
    ]
    .concat();
    report.step("host tests", || {
        apt::ensure(&[TMUX, GROFF])?;
        process::pass(&mut cargo(&workspace, &filters))
    });
    report.step("host tests of conntrack-ebpf", || {
        process::pass(&mut cargo(&ebpf, &filters))
    });
}
