//! The pinned toolchain and tools: their versions, installation, and use.
//!
//! Aya needs a newer Rust than xtask itself, and the eBPF linker uses the compiler's LLVM. So the versions here depend on each
//! other: change them together.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::apt::{self, Needed};
use crate::architecture::Architecture;
use crate::paths;
use crate::process::{self, say};

/// The Rust release that builds, tests and lints everything but xtask itself.
const RUST: &str = "1.98.0";
/// The eBPF linker: 0.10 uses the LLVM 22 of Rust 1.98; from 0.11 on it needs its own.
const BPF_LINKER: Tool = Tool {
    name: "bpf-linker",
    version: "0.10.4",
};
const CARGO_DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
};

/// What makes packages.
const CARGO_DEB: Tool = Tool {
    name: "cargo-deb",
    version: "3.8.0",
};
const CARGO_GENERATE_RPM: Tool = Tool {
    name: "cargo-generate-rpm",
    version: "0.21.0",
};
const CARGO_SBOM: Tool = Tool {
    name: "cargo-sbom",
    version: "0.10.0",
};
/// What changes the core, for `cargo xtask mutants`.
const CARGO_MUTANTS: Tool = Tool {
    name: "cargo-mutants",
    version: "27.1.0",
};

const CLANG: Needed = Needed {
    program: "clang",
    package: "clang",
};

/// Components, as `rustup component list` shows them.
const COMPONENTS: [&str; 3] = ["rust-src", "clippy", "rustfmt"];

/// A Rust program that is compiled with the pinned toolchain, and installed in the target directory.
struct Tool {
    name: &'static str,
    version: &'static str,
}

/// The pinned toolchain; having one means it is installed.
#[derive(Debug)]
pub(crate) struct Toolchain(());

impl Toolchain {
    /// Makes sure that the pinned toolchain is installed, with rust-src, clippy and rustfmt, and the musl target of a processor.
    ///
    /// # Errors
    /// When rustup or a C compiler is missing, or clang for another processor or the toolchain cannot be installed.
    pub(crate) fn ensure(architecture: Architecture) -> Result<Self> {
        if process::find("rustup").is_none() {
            bail!(
                "rustup is missing: install it from https://rustup.rs (Debian 13 and later: apt-get install rustup)"
            );
        }
        if process::find("cc").is_none() {
            bail!("a C compiler is missing (rustc links with it): apt-get install gcc libc6-dev");
        }
        if !architecture.is_host() {
            // It compiles what a crate has in C for another processor.
            apt::ensure(&[CLANG])?;
        }
        let mut list = Command::new("rustup");
        list.args(["component", "list", "--installed", "--toolchain", RUST]);
        clean(&mut list);
        // Without output it is not installed at all.
        let installed = process::capture(&mut list).unwrap_or_default();
        let target = architecture.musl();
        let missing = missing_components(&installed, target);
        if !missing.is_empty() {
            say(format_args!(
                "installing Rust {RUST} ({})",
                missing.join(", ")
            ));
            let mut install = Command::new("rustup");
            install.args([
                "toolchain",
                "install",
                RUST,
                "--profile",
                "minimal",
                "--no-self-update",
            ]);
            install.args(["--component", &COMPONENTS.join(","), "--target", target]);
            process::run(clean(&mut install))
                .with_context(|| format!("cannot install Rust {RUST}"))?;
        }
        Ok(Self(()))
    }

    /// A program of the pinned toolchain, run in the workspace, without the environment that cargo has set up for xtask.
    fn program(program: impl Into<OsString>) -> Command {
        let mut command = Command::new("rustup");
        command
            .args(["run", RUST])
            .arg(program.into())
            .current_dir(paths::workspace());
        clean(&mut command);
        command.env("CARGO_TARGET_DIR", paths::target());
        command
    }

    /// The pinned cargo.
    #[expect(
        clippy::unused_self,
        reason = "having a Toolchain proves that it is installed"
    )]
    pub(crate) fn cargo(&self) -> Command {
        Self::program("cargo")
    }

    /// The path of the eBPF linker, which is compiled if it is missing.
    ///
    /// # Errors
    /// When it cannot be compiled.
    pub(crate) fn bpf_linker(&self) -> Result<PathBuf> {
        self.tool(&BPF_LINKER)
    }

    /// cargo-deny, run with the pinned toolchain's cargo. It is compiled if it is missing.
    ///
    /// # Errors
    /// When it cannot be compiled.
    pub(crate) fn cargo_deny(&self) -> Result<Command> {
        Ok(Self::program(self.tool(&CARGO_DENY)?))
    }

    /// cargo-deb, likewise.
    ///
    /// # Errors
    /// When it cannot be compiled.
    pub(crate) fn cargo_deb(&self) -> Result<Command> {
        Ok(Self::program(self.tool(&CARGO_DEB)?))
    }

    /// cargo-generate-rpm, likewise.
    ///
    /// # Errors
    /// When it cannot be compiled.
    pub(crate) fn cargo_generate_rpm(&self) -> Result<Command> {
        Ok(Self::program(self.tool(&CARGO_GENERATE_RPM)?))
    }

    /// cargo-sbom, likewise.
    ///
    /// # Errors
    /// When it cannot be compiled.
    pub(crate) fn cargo_sbom(&self) -> Result<Command> {
        Ok(Self::program(self.tool(&CARGO_SBOM)?))
    }

    /// cargo-mutants, likewise.
    ///
    /// # Errors
    /// When it cannot be compiled.
    pub(crate) fn cargo_mutants(&self) -> Result<Command> {
        Ok(Self::program(self.tool(&CARGO_MUTANTS)?))
    }

    /// The objcopy that comes with the pinned compiler.
    ///
    /// # Errors
    /// When the compiler does not print where it has its libraries.
    #[expect(
        clippy::unused_self,
        reason = "having a Toolchain proves that it is installed"
    )]
    pub(crate) fn objcopy(&self) -> Result<Command> {
        Ok(Self::program(Self::own_tools()?.join("rust-objcopy")))
    }

    /// The directory of llvm-cov and llvm-profdata, of the compiler's own version. Installs them if they are missing.
    ///
    /// # Errors
    /// When rustup cannot install them.
    #[expect(
        clippy::unused_self,
        reason = "having a Toolchain proves that it is installed"
    )]
    pub(crate) fn llvm_tools(&self) -> Result<PathBuf> {
        let tools = Self::own_tools()?;
        if !tools.join("llvm-cov").is_file() {
            let mut install = Command::new("rustup");
            install.args(["component", "add", "llvm-tools", "--toolchain", RUST]);
            process::run(clean(&mut install)).context("cannot install llvm-tools")?;
        }
        Ok(tools)
    }

    /// Where the compiler has programs that come with it.
    fn own_tools() -> Result<PathBuf> {
        let libraries =
            process::capture(Self::program("rustc").args(["--print", "target-libdir"]))?;
        // lib/rustlib/HOST has `lib` and `bin`.
        Ok(Path::new(libraries.trim_end()).with_file_name("bin"))
    }

    fn tool(&self, tool: &Tool) -> Result<PathBuf> {
        let Tool { name, version } = tool;
        let tools = paths::target().join("tools");
        let root = tools.join(format!("{name}-{version}"));
        let program = root.join("bin").join(name);
        if !program.is_file() {
            say(format_args!(
                "compiling {name} {version} (once; a minute or more)"
            ));
            let build = tools.join("build");
            let mut install = self.cargo();
            install.args(["install", name, "--version", version, "--locked", "--quiet"]);
            install
                .arg("--root")
                .arg(&root)
                .env("CARGO_TARGET_DIR", &build);
            // `cargo install` advises to extend PATH, but these tools are called by path.
            install.stdin(Stdio::null());
            process::run(&mut install)
                .with_context(|| format!("cannot compile {name} {version}"))?;
            // Hundreds of megabytes that are not needed any more. A failure to remove them does not matter.
            let _ = fs::remove_dir_all(&build);
        }
        Ok(program)
    }
}

/// Removes from a command's environment what cargo and rustup have set for xtask.
pub(crate) fn clean(command: &mut Command) -> &mut Command {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(leaks) {
            command.env_remove(name);
        }
    }
    // `cargo run` puts the outer toolchain's libraries first, among them the LLVM that the eBPF
    // linker would pick up.
    if let Some(path) = env::var_os("LD_LIBRARY_PATH") {
        let rest: Vec<_> = env::split_paths(&path)
            .filter(|dir| !is_cargo_library_dir(dir, &paths::target()))
            .collect();
        match env::join_paths(&rest) {
            Ok(joined) if !joined.is_empty() => command.env("LD_LIBRARY_PATH", joined),
            _ => command.env_remove("LD_LIBRARY_PATH"),
        };
    }
    command
}

/// Whether an environment variable belongs to the outer toolchain or to xtask's package, or would make builds depend on the user.
/// Configuration of cargo itself (its home, registries, proxies, jobs) is kept.
fn leaks(name: &str) -> bool {
    const EXACT: [&str; 17] = [
        "CARGO",
        "CARGO_BIN_NAME",
        "CARGO_BUILD_RUSTC",
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "CARGO_CRATE_NAME",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_PRIMARY_PACKAGE",
        "OUT_DIR",
        "RUSTC",
        "RUSTC_BOOTSTRAP",
        "RUSTDOC",
        "RUSTDOCFLAGS",
        "RUSTFLAGS",
        "RUSTUP_TOOLCHAIN",
        "RUSTUP_TOOLCHAIN_SOURCE",
        "RUST_RECURSION_COUNT",
    ];
    const PREFIXES: [&str; 3] = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_EXE_"];
    EXACT.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a directory of `LD_LIBRARY_PATH` was set by cargo: libraries of a toolchain, or the target directory.
fn is_cargo_library_dir(dir: &Path, target: &Path) -> bool {
    dir.starts_with(target)
        || dir
            .components()
            .any(|part| part.as_os_str() == "toolchains" || part.as_os_str() == "rustlib")
}

/// The [`COMPONENTS`], and the target as `rust-std-TARGET`, that are not in the output of `rustup component list --installed`.
///
/// A line is a component's name, followed by `-HOST` for those that depend on the host:
/// `clippy-x86_64-unknown-linux-gnu`.
fn missing_components(installed: &str, target: &str) -> Vec<String> {
    let has = |component: &str| {
        installed.lines().any(|line| {
            line.trim()
                .strip_prefix(component)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        })
    };
    let components = COMPONENTS.map(str::to_owned).into_iter();
    components
        .chain([format!("rust-std-{target}")])
        .filter(|component| !has(component))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: &str = "x86_64-unknown-linux-musl";

    #[test]
    fn a_complete_toolchain_lacks_nothing() {
        let installed = "cargo-x86_64-unknown-linux-gnu\nclippy-x86_64-unknown-linux-gnu\nrust-src\n\
            rust-std-x86_64-unknown-linux-gnu\nrust-std-x86_64-unknown-linux-musl\nrustc-x86_64-unknown-linux-gnu\n\
            rustfmt-x86_64-unknown-linux-gnu\n";
        assert_eq!(missing_components(installed, TARGET), [""; 0]);
        assert_eq!(
            missing_components(installed, "aarch64-unknown-linux-musl"),
            ["rust-std-aarch64-unknown-linux-musl"]
        );
    }

    #[test]
    fn a_minimal_toolchain_lacks_components() {
        let installed = "cargo-x86_64-unknown-linux-gnu\nrust-std-x86_64-unknown-linux-gnu\nrustc-x86_64-unknown-linux-gnu\n";
        assert_eq!(
            missing_components(installed, TARGET),
            [
                "rust-src",
                "clippy",
                "rustfmt",
                "rust-std-x86_64-unknown-linux-musl"
            ]
        );
    }

    #[test]
    fn only_variables_of_the_outer_cargo_are_removed() {
        for name in [
            "CARGO",
            "CARGO_MANIFEST_DIR",
            "CARGO_PKG_NAME",
            "RUSTUP_TOOLCHAIN",
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
        ] {
            assert!(leaks(name), "{name}");
        }
        for name in [
            "CARGO_HOME",
            "RUSTUP_HOME",
            "CARGO_BUILD_JOBS",
            "CARGO_HTTP_PROXY",
            "CARGO_NET_OFFLINE",
            "PATH",
            "RUST_BACKTRACE",
        ] {
            assert!(!leaks(name), "{name}");
        }
    }

    #[test]
    fn library_directories_of_cargo_are_recognised() {
        let target = Path::new("/src/ctpulse/target");
        for dir in [
            "/src/ctpulse/target/debug/deps",
            "/home/u/.rustup/toolchains/stable-x86_64-unknown-linux-gnu/lib",
            "/usr/lib/rustlib/x86_64-unknown-linux-gnu/lib",
        ] {
            assert!(is_cargo_library_dir(Path::new(dir), target), "{dir}");
        }
        assert!(!is_cargo_library_dir(Path::new("/opt/llvm/lib"), target));
    }
}
