//! CPUs for eyes: below a sample, a line for each counter that moved, the busiest CPU first.

use crate::{
    model::{
        kernel::counters::Counter,
        record::{PerCpu, Skew},
    },
    output::number::compact,
};

/// What the lines mean.
pub const LEGEND: &str = "by CPU: the busiest one's rate by the mean of all that are online, then events/s, busiest first";

/// The lines for those of `counters` that moved. `width`: characters there are, if there is a limit.
#[must_use]
pub fn lines(
    per_cpu: &PerCpu,
    wanted: impl Fn(Counter) -> bool,
    width: Option<usize>,
) -> Vec<String> {
    per_cpu
        .rates
        .iter()
        .filter(|(counter, _)| wanted(*counter))
        .filter_map(|(counter, rates)| {
            let skew = per_cpu.skew.get(counter)?;
            Some(line(counter, skew, rates, per_cpu.cpus.as_deref(), width))
        })
        .collect()
}

fn line(
    counter: Counter,
    skew: &Skew,
    rates: &[f64],
    cpus: Option<&[u32]>,
    width: Option<usize>,
) -> String {
    let mut cells: Vec<(usize, f64)> = rates.iter().copied().enumerate().collect();
    cells.retain(|(_, rate)| *rate > 0.0);
    cells.sort_by(|a, b| b.1.total_cmp(&a.1));
    let name = |at: usize| match cpus.and_then(|cpus| cpus.get(at)) {
        Some(id) => format!("cpu{id}"),
        None => format!("row{at}"),
    };
    let mut line = format!("  {:<13} {:>5.1}x", counter.spec().name, skew.ratio);
    let mut left = cells.len();
    for (at, rate) in cells {
        let cell = format!("  {} {}", name(at), compact(rate));
        let more = if left > 1 {
            format!("  +{left} more").len()
        } else {
            0
        };
        if width.is_some_and(|width| line.len() + cell.len() + more > width) {
            line.push_str(&format!("  +{left} more"));
            break;
        }
        line.push_str(&cell);
        left -= 1;
    }
    line
}
