//! `cargo xtask mutants`: whether the core's tests notice when it is changed.

mod justified;
mod outcomes;
mod package;
mod tally;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::outcomes::MutantOutcome;
use self::tally::Tally;
use crate::architecture::Architecture;
use crate::paths;
use crate::process::say;
use crate::toolchain::Toolchain;

/// Change the core in one place at a time, by cargo-mutants, and run its tests: they should fail.
///
/// What is changed are conntrack-user/src/model and the parser of conntrack-user/src/reading/proc_stat, in a package of the core
/// alone, made in target/mutants: there a change is compiled in seconds. Changes that no test notices are printed as entries of
/// tests/mutants.txt, which has those that need no test, with the reason. It fails if there are others.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Rooms or files, by the start of their paths in conntrack-user/src, such as `model/verify`; all if none is named
    paths: Vec<String>,
    /// A sample: of each room every Nth change, from the Kth on (from 0)
    #[arg(long, value_name = "K/N")]
    shard: Option<String>,
    /// Only what survived the last run, is new, or has moved
    #[arg(long)]
    again: bool,
}

/// The most memory of a compiler or of the tests, in bytes: a change can make them endless.
const MEMORY: u64 = 6 << 30;

/// What the tests are run with: fewer random inputs, the same each time, and none kept for the next change.
const TESTS: [(&str, &str); 4] = [
    ("PROPTEST_CASES", "16"),
    ("PROPTEST_RNG_SEED", "1"),
    ("PROPTEST_MAX_SHRINK_ITERS", "0"),
    ("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true"),
];

pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let toolchain = Toolchain::ensure(Architecture::HOST)?;
    let list = paths::workspace().join("tests/mutants.txt");
    let text = fs::read_to_string(&list).with_context(|| list.display().to_string())?;
    let justified = justified::parse(&text).with_context(|| list.display().to_string())?;
    let directory = paths::target().join("mutants");
    let package = package::make(&directory.join("all"), None)?;
    let files = chosen(package::files(&package.join("src"))?, &args.paths)?;
    let most = getrlimit(Resource::As).maximum;
    let most = Some(most.map_or(MEMORY, |most| most.min(MEMORY)));
    let limit = Rlimit {
        current: most,
        maximum: most,
    };
    setrlimit(Resource::As, limit).context("cannot limit memory")?;
    let mut outcomes = Vec::new();
    let mut tallies: Vec<(String, Tally)> = Vec::new();
    for (room, files) in by_room(&files) {
        say(format_args!("changing {room} …"));
        let of_room = Room {
            name: &room,
            files: &files,
            package: &package,
            directory: &directory,
        };
        let found = of_room.run(&toolchain, args)?;
        tallies.push((room, Tally::of(&found, &justified)));
        outcomes.extend(found);
    }
    println!("{}", Tally::HEADING);
    for (room, tally) in &tallies {
        println!("{}", tally.row(room));
    }
    let all = tallies.iter().map(|(_, tally)| *tally).sum::<Tally>();
    println!("{}", all.row("all"));
    let compared = justified::compare(
        &justified,
        &outcomes,
        &files,
        args.shard.is_none() && !args.again,
    );
    for mutant in &compared.unknown {
        println!(
            "\nno test notices, and it is not in {}:\n{mutant}",
            list.display()
        );
    }
    for mutant in &compared.stale {
        println!(
            "\nin {}, but it does not survive:\n{mutant}",
            list.display()
        );
    }
    Ok(match compared.unknown.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Of the core's files, by their paths in conntrack-user/src, those that are named, or all that are the core's.
fn chosen(files: Vec<String>, named: &[String]) -> Result<Vec<String>> {
    let is_named = |file: &str, name: &str| {
        let name = name.trim_end_matches('/').trim_end_matches(".rs");
        let rest = file.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest == ".rs" || rest.starts_with('/'))
    };
    let core: Vec<_> = files
        .into_iter()
        .filter(|file| room(file).is_some())
        .collect();
    if let Some(name) = (named.iter()).find(|name| !core.iter().any(|file| is_named(file, name))) {
        bail!(
            "{name} is neither a room nor a file of the core, such as model/verify or reading/proc_stat.rs"
        );
    }
    let is_chosen =
        |file: &String| named.is_empty() || named.iter().any(|name| is_named(file, name));
    Ok(core.into_iter().filter(is_chosen).collect())
}

/// The room of a file, by its path in conntrack-user/src; none if it is not changed.
fn room(file: &str) -> Option<String> {
    let mut parts = file.trim_end_matches(".rs").split('/');
    let (above, room) = (parts.next()?, parts.next()?);
    let is_core = match above {
        "model" => room != "mod" && room != "tests",
        _ => (above, room) == ("reading", "proc_stat"),
    };
    is_core.then(|| format!("{above}/{room}"))
}

fn by_room(files: &[String]) -> BTreeMap<String, Vec<String>> {
    let mut rooms = BTreeMap::<String, Vec<String>>::new();
    for file in files {
        if let Some(room) = room(file) {
            rooms.entry(room).or_default().push(file.clone());
        }
    }
    rooms
}

/// Files of a room that are changed together.
struct Room<'a> {
    name: &'a str,
    files: &'a [String],
    /// With all tests.
    package: &'a Path,
    directory: &'a Path,
}

impl Room<'_> {
    /// Runs the tests of the room for each change, and all tests of the core for those that they do not notice.
    fn run(&self, toolchain: &Toolchain, args: &Args) -> Result<Vec<MutantOutcome>> {
        let output = self.directory.join("out").join(self.name.replace('/', "-"));
        if output.exists() && !args.again {
            fs::remove_dir_all(&output).with_context(|| output.display().to_string())?;
        }
        fs::create_dir_all(&output).with_context(|| output.display().to_string())?;
        let near = package::make(&self.directory.join("near"), Some(self.name))?;
        let mut outcomes = BTreeMap::new();
        for package in [&near, self.package] {
            let mut mutants = self.command(toolchain, package, &output, args.shard.as_deref())?;
            succeed(mutants.args(["--iterate", "--", "--lib"]))?;
            outcomes.extend(read(&output.join("mutants.out"))?);
            if !outcomes.values().any(MutantOutcome::is_open) {
                break;
            }
        }
        Ok(outcomes.into_values().collect())
    }

    fn command(
        &self,
        toolchain: &Toolchain,
        package: &Path,
        output: &Path,
        shard: Option<&str>,
    ) -> Result<Command> {
        let mut command = toolchain.cargo_mutants()?;
        command.current_dir(package);
        // The package is a copy; changed in its place, a change is compiled on top of what was compiled before.
        command.args(["mutants", "--in-place", "--no-times", "--colors=never"]);
        // Changes that make the tests endless are frequent, and the tests of a room are short.
        command.args(["--minimum-test-timeout=10", "--timeout-multiplier=4"]);
        // What is shown to programmers alone.
        command.args(["--exclude-re", "impl (fmt::)?Debug"]);
        command.arg("--output").arg(output);
        for file in self.files {
            command.args(["--file", &format!("src/{file}")]);
        }
        if let Some(shard) = shard {
            command.args(["--shard", shard, "--sharding", "round-robin"]);
        }
        command.env("CARGO_TARGET_DIR", self.directory.join("build"));
        command.envs(TESTS);
        Ok(command)
    }
}

/// Runs cargo-mutants to its end. That changes were not noticed, or made tests endless, is no failure of its own.
fn succeed(command: &mut Command) -> Result<()> {
    // Its messages are not our result.
    let stderr = io::stderr().as_fd().try_clone_to_owned();
    let stderr = stderr.context("cannot duplicate standard error")?;
    let status = command.stdout(Stdio::from(stderr)).status();
    let status = status.context("cannot run cargo-mutants")?;
    match status.code() {
        Some(0 | 2 | 3) => Ok(()),
        _ => bail!("cargo-mutants failed ({status})"),
    }
}

/// What cargo-mutants has written into its directory.
fn read(directory: &Path) -> Result<BTreeMap<String, MutantOutcome>> {
    let path = directory.join("outcomes.json");
    if !path.exists() {
        // There was nothing left to change.
        return Ok(BTreeMap::new());
    }
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let change = |path: &str| fs::read_to_string(directory.join(path)).unwrap_or_default();
    outcomes::parse(&text, change).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_by_rooms_or_by_themselves() -> Result<()> {
        let all = [
            "clock.rs",
            "lib.rs",
            "model/mod.rs",
            "model/overhead.rs",
            "model/tests/eras.rs",
            "model/verify/grace.rs",
            "model/verify/mod.rs",
            "reading/owners.rs",
            "reading/proc_stat.rs",
            "reading/proc_stat/repeated.rs",
        ];
        let chosen = |named: &[&str]| {
            let named: Vec<String> = named.iter().map(|&name| name.to_owned()).collect();
            chosen(all.map(str::to_owned).to_vec(), &named)
        };
        let rooms = by_room(&chosen(&[])?);
        let names: Vec<_> = rooms
            .iter()
            .map(|(room, files)| (room.as_str(), files.len()))
            .collect();
        assert_eq!(
            names,
            [
                ("model/overhead", 1),
                ("model/verify", 2),
                ("reading/proc_stat", 2)
            ]
        );
        assert_eq!(
            chosen(&["model/verify/"])?,
            ["model/verify/grace.rs", "model/verify/mod.rs"]
        );
        assert_eq!(
            chosen(&["reading/proc_stat", "model/verify/mod.rs"])?.len(),
            3
        );
        assert!(chosen(&["model/verif"]).is_err());
        assert!(chosen(&["model/verify", "clock.rs"]).is_err());
        Ok(())
    }
}
