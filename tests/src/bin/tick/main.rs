//! Measures what a tick of ctpulse takes without probes, beside what a bare read of the same file takes, and what others do.
//!
//! All of them work at the same pace, one after another, in each of several rounds. What is measured is CPU time, of all threads and
//! in the kernel too.

mod collector;
mod growth;
mod measured;
mod netdata;
mod pace;
mod start;
mod statistics;

use std::{ffi::OsString, path::PathBuf};

use anyhow::Result;
use clap::Parser;
use ctpulse_tests::{cpu_time::median, markdown};

use collector::{BareRead, Collector, Conntrack, Ctpulse, NodeExporter};
use netdata::Netdata;
use pace::PACE;
use statistics::Statistics;

/// Measures what a tick takes.
#[derive(Parser)]
struct Options {
    /// ctpulse
    #[arg(long, default_value = "ctpulse")]
    ctpulse: PathBuf,
    /// node_exporter, for comparison
    #[arg(long)]
    node_exporter: Option<PathBuf>,
    /// conntrack, for comparison
    #[arg(long)]
    conntrack: Option<PathBuf>,
    /// The directory of servers that has Netdata, for comparison
    #[arg(long)]
    servers: Option<PathBuf>,
    /// Rounds, each of all of them
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Instead: how the cost grows, with recordings made of this one
    #[arg(long, value_name = "RECORDING")]
    growth: Option<PathBuf>,
    /// Instead: how it grows with entries in the table; only for guests
    #[arg(long)]
    entries: bool,
    /// Instead: how it grows with CPUs, a row of a table for those of this kernel; only for guests
    #[arg(long)]
    cpus: bool,
    /// Run this program, and print what it took: microseconds of CPU, and KiB of memory at most
    #[arg(long, hide = true, num_args = 1.., allow_hyphen_values = true)]
    measured: Vec<OsString>,
    /// Read this file at the pace of the others, for ever: what the others are compared with
    #[arg(long, hide = true)]
    bare: Option<PathBuf>,
}

/// The CPUs that the file has rows for which is a copy.
const MANY: usize = 512;

/// How to do the same with a file.
struct Row {
    what: &'static str,
    /// Which bare read it is compared with.
    rows: usize,
    collector: Box<dyn Collector>,
    taken: Vec<std::time::Duration>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    if let Some(file) = &options.bare {
        return pace::read_for_ever(file);
    }
    if !options.measured.is_empty() {
        return measured::child(&options.measured);
    }
    if let Some(recording) = &options.growth {
        let report = growth::report(&options.ctpulse, recording, options.rounds)?;
        print!("{report}");
        return Ok(());
    }
    if options.entries {
        print!("{}", growth::of_entries()?);
        return Ok(());
    }
    if options.cpus {
        print!("{}", growth::of_cpus()?);
        return Ok(());
    }
    let (here, many) = (Statistics::of_this_kernel()?, Statistics::copied(MANY)?);
    let mut rows = Vec::new();
    for statistics in [&here, &many] {
        let mut add = |what, collector: Box<dyn Collector>| {
            rows.push(Row {
                what,
                rows: statistics.rows,
                collector,
                taken: Vec::new(),
            });
        };
        add(BARE, Box::new(BareRead(statistics.file())));
        add(
            "ctpulse, a line of JSON",
            Box::new(Ctpulse::new(&options.ctpulse, statistics, "json")),
        );
        add(
            "ctpulse, a line of text",
            Box::new(Ctpulse::new(&options.ctpulse, statistics, "text")),
        );
        if let Some(program) = &options.node_exporter {
            add(
                "node_exporter, a scrape of its conntrack collector alone",
                Box::new(NodeExporter::new(program, statistics)),
            );
        }
        if statistics.is_of_this_kernel()
            && let Some(program) = &options.conntrack
        {
            add("`conntrack -S`", Box::new(Conntrack(program.clone())));
        }
        if statistics.is_of_this_kernel()
            && let Some(tree) = &options.servers
        {
            add("Netdata, its collection", Box::new(Netdata::new(tree)));
        }
    }
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}", options.rounds);
        for row in &mut rows {
            row.taken.push(row.collector.measure()?);
        }
    }
    print!("{}", table(&mut rows));
    println!("\n{}", start::report(&options.ctpulse, options.rounds)?);
    println!(
        "Medians of {} rounds, interleaved; in each, {} ticks {} ms apart. {}.",
        options.rounds,
        pace::TICKS,
        PACE.as_millis(),
        statistics::host()?
    );
    Ok(())
}

const BARE: &str = "opening, reading and closing the file";

fn table(rows: &mut [Row]) -> String {
    let medians: Vec<_> = rows.iter_mut().map(|row| median(&mut row.taken)).collect();
    let bare = |rows_of: usize, rows: &[Row]| {
        let at = rows
            .iter()
            .position(|row| row.what == BARE && row.rows == rows_of);
        at.map(|at| medians[at])
    };
    let lines: Vec<_> = rows
        .iter()
        .zip(&medians)
        .map(|(row, median)| {
            let micros = |time: &std::time::Duration| format!("{:.0}", time.as_secs_f64() * 1e6);
            let span = match (row.taken.first(), row.taken.last()) {
                (Some(least), Some(most)) => format!("{}–{}", micros(least), micros(most)),
                _ => String::new(),
            };
            let ratio = bare(row.rows, rows).filter(|_| row.what != BARE);
            [
                row.what.to_owned(),
                row.rows.to_string(),
                micros(median),
                span,
                ratio.map_or(String::new(), |bare| {
                    format!("{:.1}", median.as_secs_f64() / bare.as_secs_f64())
                }),
            ]
        })
        .collect();
    markdown::table(
        ["", "rows", "µs", "least–most", "× the bare read"],
        1,
        &lines,
    )
}
