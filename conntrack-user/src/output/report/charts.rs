//! The charts of an instance. Those that would be flat lines at zero are folded into one line that names them.

use std::fmt::Write;

use crate::{
    model::{
        record::SourceKind,
        report::{ChartReport, DimensionReport, InstanceReport, RecordingReport},
    },
    output::{
        format::{
            clock,
            number::{UNAVAILABLE, WRONG, compact, percent_in_text},
        },
        markup::Escaped,
    },
    text::Text,
};

/// The most changes of the limit that are listed.
const CHANGES: usize = 5;

/// Writes the charts of the instance that is number `i` of the page.
pub(super) fn write(
    page: &mut String,
    report: &RecordingReport,
    instance: &InstanceReport,
    i: usize,
) -> std::fmt::Result {
    let charts = || instance.charts.iter().enumerate();
    page.push_str("<div class=\"charts\">\n");
    for (c, chart) in charts().filter(|(_, chart)| !is_folded(chart)) {
        write_chart(page, report, instance, chart, [i, c])?;
    }
    page.push_str("</div>\n");
    let folded: Vec<_> = charts().filter(|(_, chart)| is_folded(chart)).collect();
    if folded.is_empty() {
        return Ok(());
    }
    let named: Vec<&ChartReport> = folded.iter().map(|(_, chart)| *chart).collect();
    writeln!(
        page,
        "<details class=\"folded\"><summary>{}</summary>\n<div class=\"charts\">",
        Escaped(quiet(&named))
    )?;
    for (c, chart) in folded {
        write_chart(page, report, instance, chart, [i, c])?;
    }
    page.push_str("</div></details>\n");
    Ok(())
}

/// Entries are shown even at zero: an empty table has a limit, too.
fn is_folded(chart: &ChartReport) -> bool {
    let mut dimensions = chart.dimensions.iter();
    let has_entries = dimensions.any(|d| d.counter.is_none() && d.is_available());
    chart.is_quiet() && !has_entries
}

/// What charts at zero have: `At zero all the time: Expectations (created, deleted). Unavailable (reason): Searches (found).`
fn quiet(charts: &[&ChartReport]) -> String {
    let mut parts: Vec<(String, Vec<String>)> = Vec::new();
    for chart in charts {
        let mut of_chart: Vec<(String, Vec<&str>)> = Vec::new();
        for dimension in &chart.dimensions {
            add(&mut of_chart, how(dimension), dimension.name);
        }
        for (how, names) in of_chart {
            let names = format!("{} ({})", chart.chart.title, names.join(", "));
            add(&mut parts, how, names);
        }
    }
    // Zero is what most readers want to know; then what nobody knows.
    parts.sort_by_key(|(how, _)| how.starts_with(UNAVAILABLE_IN_WORDS));
    let parts = parts.iter();
    let parts: Vec<String> = parts
        .map(|(how, charts)| format!("{how}: {}.", charts.join(", ")))
        .collect();
    parts.join(" ")
}

/// Adds an item to those that have the same in common.
fn add<T>(groups: &mut Vec<(String, Vec<T>)>, common: String, item: T) {
    match groups.iter_mut().find(|(known, _)| *known == common) {
        Some((_, items)) => items.push(item),
        None => groups.push((common, vec![item])),
    }
}

/// What there is to say of a dimension at zero.
fn how(dimension: &DimensionReport) -> String {
    match (dimension.is_available(), &dimension.reason) {
        (true, _) if dimension.has_gap => "At zero while available".to_owned(),
        (true, _) => "At zero all the time".to_owned(),
        (false, Some(reason)) => format!("{UNAVAILABLE_IN_WORDS} ({reason})"),
        (false, None) => UNAVAILABLE_IN_WORDS.to_owned(),
    }
}

const UNAVAILABLE_IN_WORDS: &str = "Unavailable";

/// Why a dimension is unavailable.
fn why(dimension: &DimensionReport) -> String {
    let reason = dimension.reason.as_ref();
    reason.map_or_else(|| "unavailable".to_owned(), Text::to_string)
}

fn write_chart(
    page: &mut String,
    report: &RecordingReport,
    instance: &InstanceReport,
    chart: &ChartReport,
    [i, c]: [usize; 2],
) -> std::fmt::Result {
    let id = format!("p{i}-{c}");
    write!(
        page,
        "<figure tabindex=\"0\" data-instance=\"{i}\" data-chart=\"{c}\" aria-labelledby=\"{id}-t\">\n\
         <figcaption id=\"{id}-t\"><b>{}</b> <span>{}</span></figcaption>\n\
         <svg class=\"plot\" role=\"img\" aria-label=\"{}, plotted over time; the table has its peaks\"></svg>\n\
         <table class=\"legend\"><thead><tr><th scope=\"col\">dimension</th><th scope=\"col\">peak</th>\
         <th scope=\"col\">at</th><th scope=\"col\">mean</th><th scope=\"col\">from</th></tr></thead><tbody>\n",
        chart.chart.title, chart.chart.unit, chart.chart.title,
    )?;
    for (d, dimension) in chart.dimensions.iter().enumerate() {
        let mark = if dimension.below { "▼" } else { "▲" };
        let side = if dimension.below {
            "drawn below zero"
        } else {
            "drawn above zero"
        };
        let key = format!("<span class=\"key d{d}\" title=\"{side}\">{mark}</span> ");
        legend(page, report, dimension, &key, compact)?;
    }
    if chart.dimensions.iter().any(|d| d.counter.is_none()) {
        limit(page, report, instance)?;
    }
    page.push_str("</tbody></table>\n</figure>\n");
    Ok(())
}

/// Writes the rows below the entries: how much of the limit they are, and what that was.
fn limit(
    page: &mut String,
    report: &RecordingReport,
    instance: &InstanceReport,
) -> std::fmt::Result {
    if instance.utilization.is_available() {
        legend(page, report, &instance.utilization, "", percent_in_text)?;
    }
    let changes = instance.limits.changes();
    let text = match changes[..] {
        [] => format!("{UNAVAILABLE} no limit, or none that could be read"),
        [(_, max)] => max.to_string(),
        [(_, first), ..] => {
            let later = changes[1..].iter().take(CHANGES);
            let later =
                later.map(|&(at, max)| format!(", {max} from {}", clock::millis(report.time(at))));
            let more = match changes.len() - 1 {
                n if n > CHANGES => format!(" and {} more changes", n - CHANGES),
                _ => String::new(),
            };
            format!("{first}{}{more}", later.collect::<String>())
        }
    };
    writeln!(
        page,
        "<tr data-dimension=\"max\"><th scope=\"row\"><span class=\"key-of limit\"></span> maximum</th>\
         <td colspan=\"4\">{}</td></tr>",
        Escaped(text)
    )
}

fn legend(
    page: &mut String,
    report: &RecordingReport,
    dimension: &DimensionReport,
    key: &str,
    form: fn(f64) -> String,
) -> std::fmt::Result {
    let (wrong, class) = if dimension.is_wrong() {
        (WRONG, " class=\"wrong\"")
    } else {
        ("", "")
    };
    write!(
        page,
        "<tr data-dimension=\"{}\"{class}><th scope=\"row\">{key}{}{wrong}</th>",
        dimension.name, dimension.name
    )?;
    if !dimension.is_available() {
        return writeln!(
            page,
            "<td colspan=\"4\" class=\"reason\">{UNAVAILABLE} {}</td></tr>",
            Escaped(why(dimension))
        );
    }
    let number = |value| format!("{}{wrong}", form(value));
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
        (SourceKind::Unavailable, _) => "unavailable at the end",
    };
    writeln!(
        page,
        "<td class=\"peak\">{peak}</td><td class=\"at\">{at}</td><td class=\"mean\">{mean}</td><td>{source}</td></tr>"
    )
}
