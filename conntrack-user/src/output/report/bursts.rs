//! The table of bursts: counters that rose together are one row, the cause first.

use crate::{
    model::{
        kernel::counters::named,
        record::Burst,
        report::{InstanceReport, RecordingReport},
    },
    output::{
        format::{clock, duration, number::compact},
        report::table::{CHART, Table, mark},
    },
};

pub(super) fn write(
    page: &mut String,
    report: &RecordingReport,
    instance: &InstanceReport,
) -> std::fmt::Result {
    let groups = instance.burst_groups();
    if groups.is_empty() {
        return Ok(());
    }
    let text = "Far more of something than before, for a short time. Counters that rose together are one burst; what set \
         it off comes first.";
    let columns = [
        "start",
        "lasted",
        "cause",
        "events",
        "peak",
        "usual before",
        "rose with it",
        CHART,
    ];
    let shown = instance.bursts.len() as u64;
    let title = if shown < instance.burst_count {
        format!(
            "Bursts ({}: those of single counters with the {shown} greatest peaks of {})",
            groups.len(),
            instance.burst_count
        )
    } else {
        format!("Bursts ({})", groups.len())
    };
    let mut table = Table::open(page, &title, text, &columns)?;
    for group in &groups {
        let all = group.all();
        let Some((&cause, effects)) = all.split_first() else {
            continue;
        };
        let start = clock::millis(group.start);
        let mark = mark_of(instance, cause);
        table.row("burst-row")?;
        table.cell(&start)?;
        table.cell(duration::millis(group.duration_ms()))?;
        table.cell(format_args!("{}{mark}", cause.counter))?;
        table.cell(format_args!("{}{mark}", cause.count))?;
        table.cell(format_args!("{}{mark}/s", compact(cause.peak_rate)))?;
        table.cell(format_args!("{}{mark}/s", compact(cause.usual_rate)))?;
        table.list(effects.iter().map(|burst| {
            let mark = mark_of(instance, burst);
            format!(
                "{} {}{mark}, peak {}{mark}/s",
                burst.counter,
                burst.count,
                compact(burst.peak_rate)
            )
        }))?;
        table.show(
            report.around(group.start, group.end),
            &format!("the burst of {} at {start}", cause.counter),
        )?;
    }
    table.close()
}

/// The mark of a burst's numbers, if its counter was wrong at any time.
fn mark_of(instance: &InstanceReport, burst: &Burst) -> &'static str {
    named(burst.counter.raw()).map_or("", |spec| mark(instance, spec.id))
}
