//! `cargo xtask fuzz`: gives ctpulse's parsers what nobody would write, by libFuzzer.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::apt::{self, Needed};
use crate::architecture::Architecture;
use crate::paths;
use crate::process::{self, say};
use crate::toolchain::Toolchain;

/// Fuzz ctpulse's parsers: every target, or those that are named.
///
/// It starts from the inputs of tests/fuzz/corpus, which the tests of conntrack-user take too, and keeps what it finds in
/// target/fuzz. An input that fails is printed with its path.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Targets, by the names of files in tests/fuzz/targets
    targets: Vec<String>,
    /// End a target after so many executions
    #[arg(long, default_value_t = 10_000_000)]
    runs: u64,
    /// End a target after so many seconds
    #[arg(long)]
    seconds: Option<u64>,
    /// Then make the corpus of each target the fewest inputs found that reach everything that was reached
    #[arg(long)]
    minimize: bool,
}

/// What compiles libFuzzer, which is in C++.
const COMPILER: Needed = Needed {
    program: "c++",
    package: "g++",
};

/// The most memory of a target in MB. Its allocator ends it at a quarter of that; this is for what is held besides.
const MEMORY: u32 = 2048;

/// The longest that an input may take, in seconds: far more than any takes, on a busy machine too.
const TIMEOUT: u32 = 25;

/// The longest input, in bytes. Longer ones are slower, and find little.
const LONGEST: u32 = 8192;

/// The most inputs of a corpus that is committed, and the most bytes of each: all corpora together are a few hundred kilobytes.
const INPUTS: usize = 25;
const BYTES: u64 = 1_500;

pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let toolchain = Toolchain::ensure(Architecture::HOST)?;
    apt::ensure(&[COMPILER])?;
    let all = targets()?;
    if let Some(unknown) = args.targets.iter().find(|target| !all.contains(target)) {
        bail!("no target {unknown}; there are {}", all.join(", "));
    }
    let chosen = match args.targets.is_empty() {
        true => all,
        false => args.targets.clone(),
    };
    let programs = build(&toolchain, &chosen)?;
    let mut outcomes = Vec::new();
    for target in &chosen {
        say(format_args!("fuzzing {target} …"));
        let outcome = run(&programs, target, args)?;
        say(&outcome);
        if args.minimize && outcome.failed.is_none() {
            minimize(&programs, target)?;
        }
        outcomes.push(outcome);
    }
    say("summary");
    for outcome in &outcomes {
        say(outcome);
    }
    Ok(
        match outcomes.iter().all(|outcome| outcome.failed.is_none()) {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        },
    )
}

fn source() -> PathBuf {
    paths::workspace().join("tests/fuzz")
}

/// What a target has found, from one run to the next.
fn found(target: &str) -> PathBuf {
    paths::target().join("fuzz/corpus").join(target)
}

/// The inputs of a target that are committed.
fn committed(target: &str) -> PathBuf {
    source().join("corpus").join(target)
}

/// All targets, in order.
fn targets() -> Result<Vec<String>> {
    let directory = source().join("targets");
    let mut names = Vec::new();
    for path in files(&directory)? {
        let name = path
            .file_stem()
            .map(|name| name.to_string_lossy().into_owned());
        names.extend(name);
    }
    names.sort();
    Ok(names)
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let list = || -> io::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(directory)?;
        entries.map(|entry| Ok(entry?.path())).collect()
    };
    list().with_context(|| directory.display().to_string())
}

/// Builds the targets, instrumented as libFuzzer needs it; returns the directory of the programs.
fn build(toolchain: &Toolchain, targets: &[String]) -> Result<PathBuf> {
    let triple = format!("{}-unknown-linux-gnu", Architecture::HOST.name());
    // Besides what cargo-fuzz passes: counters of code that a target cannot reach are left out, as all are looked through for each input.
    let flags = [
        "-Cpasses=sancov-module",
        "-Cllvm-args=-sanitizer-coverage-level=4",
        "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
        "-Cllvm-args=-sanitizer-coverage-pc-table",
        "-Cllvm-args=-sanitizer-coverage-trace-compares",
        "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
        "-Clink-arg=-Wl,-z,start-stop-gc",
        "--cfg=fuzzing",
    ];
    let directory = paths::target().join("fuzz");
    let mut cargo = toolchain.cargo();
    // With a target named, build scripts are not instrumented.
    cargo.args(["build", "--release", "--locked", "--target", &triple]);
    cargo
        .arg("--manifest-path")
        .arg(source().join("Cargo.toml"));
    for target in targets {
        cargo.args(["--bin", target]);
    }
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    cargo.env("CARGO_TARGET_DIR", &directory);
    process::run(&mut cargo).context("cannot build the targets")?;
    Ok(directory.join(triple).join("release"))
}

/// How a target went.
#[derive(Debug, PartialEq)]
struct Outcome {
    target: String,
    executions: u64,
    per_second: u64,
    inputs: usize,
    /// The input that failed.
    failed: Option<String>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            target,
            executions,
            per_second,
            inputs,
            failed,
        } = self;
        write!(
            f,
            "{target:14} {executions:>10} executions, {per_second:>6} a second, {inputs:>5} inputs"
        )?;
        match failed {
            Some(path) => write!(f, ", FAILED: {path}"),
            None => write!(f, ", no failure"),
        }
    }
}

fn run(programs: &Path, target: &str, args: &Args) -> Result<Outcome> {
    let corpus = found(target);
    fs::create_dir_all(&corpus).with_context(|| corpus.display().to_string())?;
    let failures = paths::target().join("fuzz/failures");
    fs::create_dir_all(&failures).with_context(|| failures.display().to_string())?;
    let mut program = Command::new(programs.join(target));
    program.arg(&corpus).arg(committed(target));
    program.args([
        format!("-runs={}", args.runs),
        format!("-rss_limit_mb={MEMORY}"),
        format!("-timeout={TIMEOUT}"),
        format!("-max_len={LONGEST}"),
        "-print_final_stats=1".to_owned(),
        "-verbosity=0".to_owned(),
        format!("-artifact_prefix={}/{target}-", failures.display()),
    ]);
    if let Some(seconds) = args.seconds {
        program.arg(format!("-max_total_time={seconds}"));
    }
    // Panics of the targets are on it, too.
    let output = program
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .with_context(|| format!("cannot run {target}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let outcome = outcome(target, &text, files(&corpus)?.len());
    if !output.status.success() {
        // The end says what failed, and for which input.
        let lines: Vec<&str> = text.lines().collect();
        for line in &lines[lines.len().saturating_sub(40)..] {
            say(line.chars().take(500).collect::<String>());
        }
        let failed = outcome.failed.clone();
        return Ok(Outcome {
            failed: Some(failed.unwrap_or_else(|| output.status.to_string())),
            ..outcome
        });
    }
    Ok(outcome)
}

/// Reads what libFuzzer prints at its end.
fn outcome(target: &str, text: &str, inputs: usize) -> Outcome {
    let number = |name: &str| {
        let mut values = text.lines().filter_map(|line| {
            let value = line.strip_prefix("stat::")?.strip_prefix(name)?;
            value.trim_start_matches(':').trim().parse().ok()
        });
        values.next().unwrap_or_default()
    };
    let written = text
        .lines()
        .find_map(|line| line.split("Test unit written to ").nth(1));
    Outcome {
        target: target.to_owned(),
        executions: number("number_of_executed_units"),
        per_second: number("average_exec_per_sec"),
        inputs,
        failed: written.map(str::to_owned),
    }
}

/// Replaces the committed corpus by the fewest inputs that reach the same, up to a bound.
fn minimize(programs: &Path, target: &str) -> Result<()> {
    let fewest = paths::target().join("fuzz/fewest").join(target);
    if fewest.exists() {
        fs::remove_dir_all(&fewest).with_context(|| fewest.display().to_string())?;
    }
    fs::create_dir_all(&fewest).with_context(|| fewest.display().to_string())?;
    let mut program = Command::new(programs.join(target));
    program.arg("-set_cover_merge=1").arg(&fewest);
    program.arg(found(target)).arg(committed(target));
    program.args([
        format!("-rss_limit_mb={MEMORY}"),
        format!("-max_len={LONGEST}"),
    ]);
    program.stdout(Stdio::null()).stderr(Stdio::null());
    process::pass(&mut program)?;
    let mut inputs = Vec::new();
    for path in files(&fewest)? {
        let length = fs::metadata(&path).map(|data| data.len());
        inputs.push((length.with_context(|| path.display().to_string())?, path));
    }
    let (all, kept) = (inputs.len(), within_bounds(inputs));
    say(format_args!(
        "{target}: {} of {all} inputs are kept",
        kept.len()
    ));
    let directory = committed(target);
    for path in files(&directory)? {
        // What once failed is kept, whatever it reaches.
        let is_kept = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("failed-"));
        if !is_kept {
            fs::remove_file(&path).with_context(|| path.display().to_string())?;
        }
    }
    for path in kept {
        let name = path.file_name().context("an input has a name")?;
        fs::copy(&path, directory.join(name)).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// As many of the inputs as may be committed, from the shortest to the longest: short ones reach the refusals, long ones the rest.
fn within_bounds(mut inputs: Vec<(u64, PathBuf)>) -> Vec<PathBuf> {
    inputs.retain(|(length, _)| *length <= BYTES);
    inputs.sort();
    let (all, kept) = (inputs.len(), inputs.len().min(INPUTS));
    let mut paths = inputs.into_iter().map(|(_, path)| path).enumerate();
    // The first, the last, and those evenly between them.
    let is_next = |at: usize, place: usize| at == place * (all - 1) / (kept.max(2) - 1);
    let chosen = (0..kept).filter_map(|place| paths.find(|(at, _)| is_next(*at, place)));
    chosen.map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_run_is_read() {
        let text = "Done 1000 runs in 3 second(s)\nstat::number_of_executed_units: 1000\n\
            stat::average_exec_per_sec:     333\nstat::new_units_added:          7\n";
        let went = outcome("x", text, 12);
        assert_eq!((went.executions, went.per_second), (1000, 333));
        assert_eq!(went.failed, None);
        let text =
            "thread panicked\nartifact_prefix='a/'; Test unit written to a/crash-1\nBase64: eA==\n";
        let went = outcome("x", text, 12);
        assert_eq!(went.failed.as_deref(), Some("a/crash-1"));
        assert!(went.to_string().contains("FAILED: a/crash-1"), "{went}");
    }

    #[test]
    fn what_is_committed_is_bounded_and_of_every_length() {
        let kept = |lengths: Vec<u64>| -> Vec<u64> {
            let name = |length: &u64| (*length, length.to_string().into());
            let kept = within_bounds(lengths.iter().map(name).collect());
            let lengths = kept.iter().map(|path| path.display().to_string().parse());
            lengths.map(|length| length.expect("a number")).collect()
        };
        assert_eq!(kept(vec![]), [0; 0]);
        assert_eq!(kept(vec![7]), [7]);
        assert_eq!(kept(vec![BYTES + 1, 3, 9, 1]), [1, 3, 9]);
        let of_many = kept((0..1_000).collect());
        assert_eq!(of_many.len(), INPUTS);
        assert_eq!((of_many[0], of_many[INPUTS - 1]), (0, 999));
        let gaps = of_many.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(gaps.max().is_some_and(|gap| gap <= 42), "{of_many:?}");
    }

    /// A target that is built, that has inputs, and that is a function of conntrack-user: by these names in three places.
    #[test]
    fn targets_are_the_same_everywhere() -> Result<()> {
        let names = targets()?;
        let manifest = fs::read_to_string(source().join("Cargo.toml"))?;
        let table = fs::read_to_string(paths::workspace().join("conntrack-user/src/fuzzing.rs"))?;
        assert!(!names.is_empty());
        for name in &names {
            assert!(
                manifest.contains(&format!("path = \"targets/{name}.rs\"")),
                "{name}"
            );
            assert!(table.contains(&format!("(\"{name}\", {name})")), "{name}");
            assert!(!files(&committed(name))?.is_empty(), "{name}");
        }
        assert_eq!(manifest.matches("[[bin]]").count(), names.len());
        Ok(())
    }
}
