//! `cargo xtask build`: the eBPF object, and the static binary that contains it.

use std::env;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::architecture::{Architecture, Choice};
use crate::paths;
use crate::process::{self, say};
use crate::symbols;
use crate::toolchain::Toolchain;

/// Build the static release binary; its path is the last line on standard output.
///
/// It has no symbols; they are in the file ctpulse.debug beside it, for debuggers and profilers.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    choice: Choice,
}

/// The target of the eBPF object.
const BPF: &str = "bpfel-unknown-none";

/// The eBPF object's path in its target directory.
const OBJECT: &str = "bpfel-unknown-none/release/conntrack-ebpf";

/// The variable that names the eBPF object for the build of ctpulse.
const EBPF_OBJECT: &str = "CTPULSE_EBPF_OBJECT";

/// The results of a build.
#[derive(Debug)]
pub(crate) struct Artifacts {
    /// The eBPF object, with BTF and without what is for debugging.
    pub(crate) ebpf_object: PathBuf,
    /// The static `ctpulse` without symbols, which contains the object. The symbols are beside it.
    pub(crate) binary: PathBuf,
}

pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let architecture = args.choice.architecture;
    let artifacts = all(&Toolchain::ensure(architecture)?, architecture)?;
    writeln!(io::stdout(), "{}", artifacts.binary.display())
        .context("cannot write to standard output")?;
    Ok(ExitCode::SUCCESS)
}

/// Builds the eBPF object and the static binary for a processor.
///
/// # Errors
/// When either cannot be built.
pub(crate) fn all(toolchain: &Toolchain, architecture: Architecture) -> Result<Artifacts> {
    let first = |path: PathBuf, what: &'static str| if path.exists() { "" } else { what };
    say(format_args!(
        "step 1 of 2: the eBPF programs{}",
        first(
            ebpf_target(architecture),
            " (the first time with their linker and Rust's core library: minutes)"
        )
    ));
    let ebpf_object = ebpf_object(toolchain, architecture)?;
    say(format_args!(
        "step 2 of 2: ctpulse{}",
        first(
            paths::target().join(architecture.musl()),
            " (the first time with all crates that it uses, optimized together: minutes)"
        )
    ));
    let mut cargo = static_cargo(toolchain, architecture, PROGRAM);
    cargo.args(["-p", "conntrack-user", "--bin", "ctpulse"]);
    cargo.env(EBPF_OBJECT, &ebpf_object);
    process::run(&mut cargo).context("cannot build ctpulse")?;
    let target = paths::target();
    let linked = target
        .join(architecture.musl())
        .join(PROGRAM)
        .join("ctpulse");
    let binary = symbols::split(
        toolchain,
        &linked,
        &target.join(architecture.named("ctpulse")),
    )
    .context("cannot take the symbols out of ctpulse")?;
    Ok(Artifacts {
        ebpf_object,
        binary,
    })
}

/// Builds the eBPF object for a processor and returns its path.
///
/// # Errors
/// When it or its linker cannot be built.
pub(crate) fn ebpf_object(toolchain: &Toolchain, architecture: Architecture) -> Result<PathBuf> {
    process::run(&mut ebpf_cargo(toolchain, "build", architecture)?)
        .context("cannot build the eBPF object")?;
    symbols::without_debug(toolchain, &ebpf_target(architecture).join(OBJECT))
        .context("cannot strip the eBPF object")
}

/// The features of the eBPF object that plant a fault.
const FAULTS: [&str; 2] = ["wrong-selector", "unseen-removals"];

/// Builds the eBPF objects that have a planted fault, and returns each fault with the object's path.
///
/// # Errors
/// When one or its linker cannot be built.
pub(crate) fn faulty_ebpf_objects(
    toolchain: &Toolchain,
    architecture: Architecture,
) -> Result<Vec<(&'static str, PathBuf)>> {
    let build = |fault: &'static str| {
        let target = paths::target().join(architecture.named("ebpf-faulty"));
        let target = target.join(fault);
        let mut cargo = ebpf_cargo(toolchain, "build", architecture)?;
        cargo.args(["--features", fault]);
        cargo.env("CARGO_TARGET_DIR", &target);
        process::run(&mut cargo)
            .with_context(|| format!("cannot build the eBPF object with {fault}"))?;
        let object = symbols::without_debug(toolchain, &target.join(OBJECT))?;
        Ok((fault, object))
    };
    FAULTS.into_iter().map(build).collect()
}

/// Builds the programs that test ctpulse in a guest, statically linked like ctpulse, and returns their paths.
///
/// # Errors
/// When they cannot be built.
pub(crate) fn test_programs(
    toolchain: &Toolchain,
    architecture: Architecture,
) -> Result<Vec<PathBuf>> {
    let mut cargo = static_cargo(toolchain, architecture, "release");
    cargo.args(["-p", "ctpulse-tests", "--bins"]);
    // Cargo lists the programs; its messages to the user still go to standard error.
    cargo
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit());
    let output = cargo.output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("cannot build the test programs ({})", output.status);
    }
    Ok(executables(&String::from_utf8_lossy(&output.stdout)))
}

/// A cargo command for the host's crates, with the path of the eBPF object.
pub(crate) fn host_cargo(toolchain: &Toolchain, subcommand: &str, ebpf_object: &Path) -> Command {
    let mut cargo = toolchain.cargo();
    cargo.arg(subcommand).env(EBPF_OBJECT, ebpf_object);
    cargo
}

/// Has the compiler write other paths than those of this machine, so that the same sources make the same bytes anywhere.
fn same_paths_anywhere() -> String {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(env::home_dir()?.join(".cargo")));
    let workspace = Some((paths::workspace().to_owned(), "ctpulse"));
    let known = [home.map(|home| (home, "cargo")), workspace];
    let flags = known
        .into_iter()
        .flatten()
        .map(|(path, name)| format!("--remap-path-prefix={}={name}", path.display()));
    // Cargo takes flags apart at this character, so that a path may have spaces.
    flags.collect::<Vec<_>>().join("\u{1f}")
}

/// The profile of ctpulse itself, in Cargo.toml.
const PROGRAM: &str = "program";

/// Has the linker keep one of several functions with the same instructions, and write in few bytes what has to be relocated at the
/// start, which the C library understands (musl 1.2.4): together 3 % of ctpulse.
const SMALLER: [&str; 2] = ["-Clink-arg=--icf=all", "-Clink-arg=--pack-dyn-relocs=relr"];

/// A cargo command that builds static binaries for a processor, by a profile.
fn static_cargo(toolchain: &Toolchain, architecture: Architecture, profile: &str) -> Command {
    let target = architecture.musl();
    let mut cargo = toolchain.cargo();
    cargo.args(["build", "--profile", profile, "--target", target]);
    let [folded, packed] = SMALLER;
    let flags = [&same_paths_anywhere(), folded, packed];
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    // What some crates have in C and assembly needs no C library. The machine's own compiler knows its own processor alone.
    let of_target = target.replace('-', "_");
    let compiler = if architecture.is_host() {
        "cc"
    } else {
        "clang"
    };
    cargo.env(format!("CC_{of_target}"), compiler);
    cargo.env(format!("AR_{of_target}"), "ar");
    // Nor do its paths get in.
    cargo.env(format!("CFLAGS_{of_target}"), "-g0");
    // The machine's own linker knows its own processor alone; the compiler brings one that knows all, and what to link with.
    let target = target.to_uppercase().replace('-', "_");
    cargo.env(format!("CARGO_TARGET_{target}_LINKER"), "rust-lld");
    cargo
}

/// A cargo command for the eBPF programs. They read the registers of a processor.
///
/// # Errors
/// When the eBPF linker cannot be built.
pub(crate) fn ebpf_cargo(
    toolchain: &Toolchain,
    subcommand: &str,
    architecture: Architecture,
) -> Result<Command> {
    let linker = toolchain.bpf_linker()?;
    let mut cargo = toolchain.cargo();
    cargo.args([
        subcommand,
        "-p",
        "conntrack-ebpf",
        "--bin",
        "conntrack-ebpf",
        "--release",
    ]);
    cargo.args(["-Z", "build-std=core", "--target", BPF]);
    // There is no precompiled core for BPF, and building it is not stable yet; on a pinned
    // toolchain that is safe.
    cargo.env("RUSTC_BOOTSTRAP", "1");
    cargo.env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", linker);
    // The linker makes BTF from debug information. It warns about files that are named like an LLVM library but are none, until
    // it finds the right one; errors are still reported.
    let architecture_flag = format!("--cfg=bpf_target_arch=\"{architecture}\"");
    let flags = [
        "-Cdebuginfo=2",
        "-Clink-arg=--btf",
        "-Alinker-messages",
        &architecture_flag,
        &same_paths_anywhere(),
    ];
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    // A target directory of its own: the flags differ, and it does not wait for the lock of a host build.
    cargo.env("CARGO_TARGET_DIR", ebpf_target(architecture));
    Ok(cargo)
}

fn ebpf_target(architecture: Architecture) -> PathBuf {
    paths::target().join(architecture.named("ebpf"))
}

/// The programs named in cargo's messages, one JSON object per line.
fn executables(messages: &str) -> Vec<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_found_among_cargos_messages() {
        let messages = r#"
            {"reason":"compiler-artifact","target":{"name":"anyhow"},"executable":null,"fresh":true}
            {"reason":"build-script-executed","package_id":"x"}
            not json
            {"reason":"compiler-artifact","target":{"name":"guest-tests"},"executable":"/t/release/guest-tests","fresh":false}
            {"reason":"build-finished","success":true}"#;
        assert_eq!(
            executables(messages),
            [PathBuf::from("/t/release/guest-tests")]
        );
    }
}
