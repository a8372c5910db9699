//! The section of one instance: its verdict, facts, charts and tables.

use std::fmt::Write;

use crate::{
    model::report::{InstanceReport, RecordingReport},
    output::{
        markup::Escaped,
        page::how_to_read,
        report::{advice, bursts, charts, facts, tables, verdict},
    },
};

pub(super) fn write(
    page: &mut String,
    report: &RecordingReport,
    instance: &InstanceReport,
    i: usize,
) -> std::fmt::Result {
    write!(page, "<section aria-labelledby=\"i{i}\">\n<h2 id=\"i{i}\">")?;
    match instance.instance.netns {
        Some(inode) => writeln!(
            page,
            "Network namespace {} <small>({inode})</small></h2>",
            Escaped(&instance.instance.name)
        )?,
        None => writeln!(page, "{}</h2>", Escaped(&instance.instance.name))?,
    }
    verdict::write(page, instance)?;
    facts::write(page, report, instance)?;
    if i == 0 {
        how_to_read(page)?;
    }
    charts::write(page, report, instance, i)?;
    advice::write(page, instance)?;
    bursts::write(page, report, instance)?;
    tables::write(page, report, instance)?;
    page.push_str("</section>\n");
    Ok(())
}
