//! Runs the guest scenarios. Only for guests: they unload modules and flush the table.
//!
//! `cargo xtask test` reads what it prints: `test NAME … ` before each scenario, and `ok`, `FAILED` or
//! `ignored` on a line after it.

use std::{
    cmp::Reverse,
    env,
    path::Path,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use ctpulse_tests::{
    ctpulse,
    kernel::{chains_are_limited, conntrack_is_a_module, reset},
    scenarios::{
        ALL, CHOSEN, EXACT, OF_LIMITED_CHAINS, OF_MODULES, ON_REQUEST, Scenario, WITH_PROGRAMS,
    },
};
use libtest_mimic::{Arguments, Trial};

/// Runs the guest scenarios, one after another. Only for guests: they unload modules and flush the table.
#[derive(Parser)]
struct Options {
    /// Only name them
    #[arg(long)]
    list: bool,
    /// Only name the programs of servers' packages that they take
    #[arg(long)]
    list_programs: bool,
    /// Only scenarios of exact timing, or only the others
    #[arg(long, value_name = "WHICH")]
    timing: Option<Timing>,
    /// Only the chosen scenarios, which drive every counter
    #[arg(long)]
    chosen: bool,
    /// Attach probes by kprobe alone
    #[arg(long)]
    no_fentry: bool,
    /// Only scenarios whose names contain one of these, those that take minutes included
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
}

/// The environment variable with the scenario to start with: the one in which the guest died before.
const FROM: &str = "GUEST_TESTS_FROM";

/// Whether a scenario needs a sender that is hardly ever delayed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Timing {
    Exact,
    Any,
}

impl Options {
    /// The scenarios to run, in their order.
    fn scenarios(&self) -> impl Iterator<Item = Scenario> {
        let from = env::var(FROM).ok();
        let before = move |(name, _): &Scenario| from.as_deref().is_some_and(|from| from != *name);
        ALL.iter()
            .copied()
            .skip_while(before)
            .filter(|(name, _)| self.want(name))
    }

    fn want(&self, name: &str) -> bool {
        let timing = if EXACT.contains(&name) {
            Timing::Exact
        } else {
            Timing::Any
        };
        let named = |filter: &String| name.contains(filter.as_str());
        let by_default = self.filters.is_empty() && !ON_REQUEST.contains(&name);
        self.timing.is_none_or(|wanted| wanted == timing)
            && (!self.chosen || CHOSEN.contains(&name))
            && (by_default || self.filters.iter().any(named))
    }
}

/// How many of the slowest scenarios are listed at the end.
const SLOWEST: usize = 10;

fn main() -> ExitCode {
    let options = Options::parse();
    if options.list_programs {
        for (name, _) in options.scenarios() {
            for (_, program) in WITH_PROGRAMS.iter().filter(|(of, _)| *of == name) {
                println!("{program}");
            }
        }
        return ExitCode::SUCCESS;
    }
    if options.no_fentry {
        ctpulse::without_fentry();
    }
    let arguments = Arguments {
        list: options.list,
        // They share one kernel.
        test_threads: Some(1),
        ..Arguments::default()
    };
    // If it cannot be determined, try them.
    let module = conntrack_is_a_module().unwrap_or(true);
    let chains = chains_are_limited().unwrap_or(true);
    // A guest with another processor has none of them.
    let has_programs = |name| {
        let mut programs = WITH_PROGRAMS.iter().filter(|(of, _)| *of == name);
        programs.all(|(_, program)| Path::new("/bin").join(program).exists())
    };
    let ignored = |name| {
        !has_programs(name)
            || (!module && OF_MODULES.contains(&name))
            || (!chains && OF_LIMITED_CHAINS.contains(&name))
    };
    let durations = Arc::new(Mutex::new(Vec::new()));
    let trials = options
        .scenarios()
        .map(|scenario| {
            let durations = Arc::clone(&durations);
            Trial::test(scenario.0, move || run(scenario, &durations))
                .with_ignored_flag(ignored(scenario.0))
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    print!(
        "{}",
        slowest(
            durations
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
        )
    );
    conclusion.exit_code()
}

/// A scenario and its duration.
type Took = (&'static str, Duration);

/// Runs a scenario from the common initial state, so that its failure is not caused by an earlier one.
fn run(
    (name, scenario): Scenario,
    durations: &Mutex<Vec<Took>>,
) -> Result<(), libtest_mimic::Failed> {
    let start = Instant::now();
    let result = reset()
        .context("prepare the guest for the scenario")
        .and_then(|()| scenario());
    let took = start.elapsed();
    println!("{:.1} s", took.as_secs_f64());
    let mut durations = durations.lock().unwrap_or_else(PoisonError::into_inner);
    durations.push((name, took));
    result.map_err(|error| {
        // Print it now: the guest may crash before the end.
        println!("{error:#}");
        format!("{error:#}").into()
    })
}

/// The slowest scenarios, and the total.
fn slowest(mut durations: Vec<Took>) -> String {
    let mut text = String::new();
    if durations.len() > 1 {
        let all: Duration = durations.iter().map(|(_, took)| *took).sum();
        let number = durations.len();
        text = format!(
            "{number} scenarios in {:.1} s; the slowest:\n",
            all.as_secs_f64()
        );
        durations.sort_by_key(|(_, took)| Reverse(*took));
        for (name, took) in durations.into_iter().take(SLOWEST) {
            text += &format!("{:8.1} s  {name}\n", took.as_secs_f64());
        }
    }
    text
}
