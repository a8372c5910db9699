//! The section of one instance: its facts, charts and tables.

use std::fmt::Write;

use crate::{
    model::{
        record::SourceKind,
        report::{ChartReport, DimensionReport, InstanceReport, RecordingReport},
    },
    output::{
        format::{
            clock,
            number::{UNAVAILABLE, WRONG, compact},
        },
        markup::Escaped,
        report::{facts, tables},
    },
    text::Text,
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
    facts::write(page, report, instance)?;
    page.push_str("<div class=\"charts\">\n");
    for (c, chart) in instance.charts.iter().enumerate() {
        write_chart(page, report, chart, [i, c])?;
    }
    page.push_str("</div>\n");
    tables::write(page, report, instance)?;
    page.push_str("</section>\n");
    Ok(())
}

fn write_chart(
    page: &mut String,
    report: &RecordingReport,
    chart: &ChartReport,
    [i, c]: [usize; 2],
) -> std::fmt::Result {
    let id = format!("p{i}-{c}");
    write!(
        page,
        "<figure tabindex=\"0\" data-instance=\"{i}\" data-chart=\"{c}\" aria-labelledby=\"{id}-t\">\n\
         <figcaption id=\"{id}-t\"><b>{}</b> <span>{}, {}</span></figcaption>\n\
         <svg class=\"plot\" role=\"img\" aria-label=\"{}, plotted over time; the table has its peaks\"></svg>\n\
         <table class=\"legend\"><thead><tr><th scope=\"col\">dimension</th><th scope=\"col\">peak</th>\
         <th scope=\"col\">at</th><th scope=\"col\">mean</th><th scope=\"col\">from</th></tr></thead><tbody>\n",
        chart.chart.title, chart.chart.name, chart.chart.unit, chart.chart.title,
    )?;
    for (d, dimension) in chart.dimensions.iter().enumerate() {
        legend(page, report, dimension, d)?;
    }
    page.push_str("</tbody></table>\n</figure>\n");
    Ok(())
}

fn legend(
    page: &mut String,
    report: &RecordingReport,
    dimension: &DimensionReport,
    d: usize,
) -> std::fmt::Result {
    let mark = if dimension.below { "▼" } else { "▲" };
    let side = if dimension.below {
        "drawn below zero"
    } else {
        "drawn above zero"
    };
    let (wrong, class) = if dimension.is_wrong() {
        (WRONG, " class=\"wrong\"")
    } else {
        ("", "")
    };
    write!(
        page,
        "<tr data-dimension=\"{}\"{class}><th scope=\"row\"><span class=\"key d{d}\" title=\"{side}\">{mark}</span> {}{wrong}</th>",
        dimension.name, dimension.name
    )?;
    if !dimension.is_available() {
        let reason = dimension.reason.as_ref();
        let reason = reason.map_or_else(|| "unavailable".to_owned(), Text::to_string);
        return writeln!(
            page,
            "<td colspan=\"4\" class=\"reason\">{UNAVAILABLE} {}</td></tr>",
            Escaped(reason)
        );
    }
    let number = |value| format!("{}{wrong}", compact(value));
    let mean = dimension.mean().map(number);
    let mean = mean.unwrap_or_else(|| UNAVAILABLE.to_owned());
    let (peak, at) = match dimension.peak() {
        Some((at, peak)) if peak > 0.0 => (number(peak), clock::millis(report.time(at))),
        Some((_, peak)) => (number(peak), String::new()),
        None => (UNAVAILABLE.to_owned(), String::new()),
    };
    let source = match (dimension.source, dimension.cells.is_empty()) {
        (SourceKind::Proc, true) => "kernel",
        (SourceKind::Proc, false) => "kernel, probe",
        (SourceKind::Probe, _) => "probe",
        (SourceKind::Unavailable, _) => "now unavailable",
    };
    writeln!(
        page,
        "<td class=\"peak\">{peak}</td><td class=\"at\">{at}</td><td class=\"mean\">{mean}</td><td>{source}</td></tr>"
    )
}
