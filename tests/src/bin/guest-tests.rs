//! Runs the guest scenarios. Only in a guest: they unload modules and flush the table.

use std::{process::ExitCode, time::Instant};

use clap::Parser;
use ctpulse_tests::{
    kernel::conntrack_is_a_module,
    scenarios::{ALL, OF_MODULES, Scenario},
};
use libtest_mimic::{Arguments, Trial};

/// Runs the guest scenarios, one after another. Only in a guest: they unload modules and flush the
/// table.
#[derive(Parser)]
struct Options {
    /// Only name them
    #[arg(long)]
    list: bool,
    /// Only scenarios whose names contain one of these
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
}

impl Options {
    fn want(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| name.contains(filter))
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let arguments = Arguments {
        list: options.list,
        // They share one kernel.
        test_threads: Some(1),
        ..Arguments::default()
    };
    // Not knowing, they are tried.
    let module = conntrack_is_a_module().unwrap_or(true);
    let trials = ALL
        .iter()
        .filter(|(name, _)| options.want(name))
        .map(|&scenario| {
            Trial::test(scenario.0, move || run(scenario))
                .with_ignored_flag(!module && OF_MODULES.contains(&scenario.0))
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn run((_, scenario): Scenario) -> Result<(), libtest_mimic::Failed> {
    let start = Instant::now();
    let result = scenario();
    println!("{:.1} s", start.elapsed().as_secs_f64());
    result.map_err(|error| format!("{error:#}").into())
}
