//! `cargo xtask`: builds, runs, tests and lints ctpulse, and boots guest kernels for it.
//!
//! This crate compiles with the stable toolchain of the machine; everything that it builds uses the toolchain pinned in
//! [`toolchain`]. There is a module per subcommand. Each keeps its decisions (parsing, resolving, quoting) in pure functions,
//! separate from side effects.

mod apt;
mod architecture;
mod bench;
mod build;
mod coverage;
mod dist;
mod docs;
mod fuzz;
mod lint;
mod man;
mod mutants;
mod paths;
mod process;
mod report;
mod run;
mod servers;
mod symbols;
mod test;
mod toolchain;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Build, run, test and lint ctpulse, and boot guest kernels for it.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Build(build::Args),
    Run(run::Args),
    Test(test::Args),
    Lint(lint::Args),
    Vm(vm::Args),
    Bench(bench::Args),
    Coverage(coverage::Args),
    Dist(dist::Args),
    Docs(docs::Args),
    Fuzz(fuzz::Args),
    Mutants(mutants::Args),
    Servers(servers::Args),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Build(args) => build::main(&args),
        Command::Run(args) => run::main(&args),
        Command::Test(args) => test::main(args),
        Command::Lint(args) => lint::main(&args),
        Command::Vm(args) => vm::main(args),
        Command::Bench(args) => bench::main(args),
        Command::Coverage(args) => coverage::main(&args),
        Command::Dist(args) => dist::main(&args),
        Command::Docs(args) => docs::main(&args),
        Command::Fuzz(args) => fuzz::main(&args),
        Command::Mutants(args) => mutants::main(&args),
        Command::Servers(args) => servers::main(&args),
    };
    outcome.unwrap_or_else(|error| {
        process::say(format_args!("{error:#}"));
        ExitCode::FAILURE
    })
}
