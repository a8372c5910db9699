//! Counters by CPU as text: a line below the sample for each counter that rose, the busiest CPU first.

use crate::{
    model::{
        kernel::counters::Counter,
        record::{PerCpu, Skew, derived::CpuRate},
    },
    output::format::number::{WRONG, compact, decimal},
};

/// The legend of the lines. Where it is not known which CPUs the kernel's rows are of, offline ones are among them.
#[must_use]
pub fn legend(per_cpu: &PerCpu) -> &'static str {
    match per_cpu.cpus {
        Some(_) => {
            "by CPU: the busiest one's rate by the mean of all that are online, then events/s, busiest first"
        }
        None => {
            "by row of the kernel's file: the busiest one's rate by the mean of all rows, those of CPUs that are offline too, \
                 then events/s, busiest first"
        }
    }
}

/// The lines of those `counters` that rose; the rates of those that are `wrong` are marked. `width`: the width of the terminal, if
/// it has one.
#[must_use]
pub fn lines(
    per_cpu: &PerCpu,
    counters: impl Fn(Counter) -> bool,
    wrong: impl Fn(Counter) -> bool,
    width: Option<usize>,
) -> Vec<String> {
    per_cpu
        .skew
        .iter()
        .filter(|(counter, _)| counters(*counter) && per_cpu.rates.get(*counter).is_some())
        .map(|(counter, skew)| {
            let mark = if wrong(counter) { WRONG } else { "" };
            line(counter, skew, &per_cpu.busiest(counter), mark, width)
        })
        .collect()
}

fn line(
    counter: Counter,
    skew: &Skew,
    busiest: &[CpuRate],
    mark: &str,
    width: Option<usize>,
) -> String {
    let ratio = decimal(skew.ratio, 1);
    let mut line = format!("  {:<13} {ratio:>5}x", counter.spec().name);
    for (i, CpuRate { cpu, rate }) in busiest.iter().enumerate() {
        let left = busiest.len() - i;
        let cell = format!("  {cpu} {}{mark}", compact(*rate));
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
    }
    line
}
