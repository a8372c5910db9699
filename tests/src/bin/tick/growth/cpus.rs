//! What CPUs cost: a tick without probes and a bare read, of this kernel's own file, which has a row for each CPU that there may be.
//! Only for guests whose clock counts instructions.

use std::{path::Path, time::Duration};

use anyhow::Result;

use crate::{
    collector::{BareRead, Collector, Ctpulse},
    statistics::Statistics,
};

/// A row of the table.
pub(crate) fn row() -> Result<String> {
    let statistics = Statistics::of_this_kernel()?;
    let bare = BareRead(statistics.file()).measure()?;
    let tick = Ctpulse::new(Path::new("ctpulse"), &statistics, "json").measure()?;
    let thousands = |time: Duration| format!("{:.0}", time.as_secs_f64() * 1e6);
    Ok(format!(
        "| {} | {} | {} | {:.2} |\n",
        statistics.rows,
        thousands(bare),
        thousands(tick),
        tick.as_secs_f64() / bare.as_secs_f64()
    ))
}
