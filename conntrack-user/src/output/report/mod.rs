//! The report: one HTML page that needs nothing else, not even a network.
//!
//! The overview is in the page as SVG and tables; the script only draws parts of it larger. A policy in
//! the page lets the browser run that script alone and load nothing, so that what a recording says could
//! do no harm even if it were not escaped.

mod data;
mod html;
mod svg;
mod tables;

use crate::text::Text;
use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use self::html::{Escaped, honest, script_json};
use crate::{
    model::{
        alert::AlertStatus,
        record::{Alert, Hello, SourceKind, Verdict},
        report::{ChartReport, DimensionReport, InstanceReport, Report},
    },
    output::number::{UNAVAILABLE, compact},
};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page.
#[must_use]
pub fn page(report: &Report, title: &str) -> String {
    let mut page = String::new();
    // A String takes everything.
    let _ = write_page(&mut page, report, title);
    page
}

fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

fn write_page(page: &mut String, report: &Report, title: &str) -> std::fmt::Result {
    let title = Escaped(title);
    write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src {}; \
         script-src {}; img-src data:; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
        hash(STYLE),
        hash(SCRIPT),
    )?;
    header(page, report, &title.to_string())?;
    toolbar(page)?;
    page.push_str("<main>\n");
    for (i, instance) in report.instances.iter().enumerate() {
        write_instance(page, report, instance, i)?;
    }
    page.push_str("</main>\n");
    footer(page, report)?;
    write!(
        page,
        "<script type=\"application/json\" id=\"data\">{}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
        script_json(&data::json(report))
    )
}

fn header(page: &mut String, report: &Report, title: &str) -> std::fmt::Result {
    let (from, to) = (report.time(report.from), report.time(report.to));
    writeln!(page, "<header>\n<h1>{title}</h1>")?;
    write!(
        page,
        "<p class=\"when\"><time>{}</time> to <time>{}</time> UTC, <b>{:.1} s</b>",
        from.strftime("%Y-%m-%d %H:%M:%S%.3f"),
        to.strftime("%H:%M:%S%.3f"),
        (to.duration_since(from)).as_secs_f64(),
    )?;
    if let Some(hello) = &report.hello {
        write!(
            page,
            " on <b>{}</b>, Linux {}",
            Escaped(&hello.hostname),
            Escaped(&hello.kernel)
        )?;
    }
    page.push_str("</p>\n");
    if let Some(hello) = &report.hello {
        probes(page, hello)?;
    }
    for note in &report.notes {
        writeln!(
            page,
            "<p class=\"note\" role=\"note\">{}</p>",
            Escaped(note)
        )?;
    }
    if report.coarseness() > 1 {
        writeln!(
            page,
            "<p class=\"note\" role=\"note\">This is too much for every millisecond of it: busy series are shown in \
             steps of up to {} buckets of 1.05 ms (peaks are still those of single buckets). A report of a part, \
             with --from and --to, has them all.</p>",
            report.coarseness()
        )?;
    }
    page.push_str("</header>\n");
    Ok(())
}

fn probes(page: &mut String, hello: &Hello) -> std::fmt::Result {
    match &hello.probes.reason {
        Some(reason) => writeln!(
            page,
            "<p>Without probes: {}. Only what the kernel counts by itself is here, interval by interval.</p>",
            Escaped(reason)
        ),
        None => writeln!(
            page,
            "<p>Counted in the kernel in buckets of 1.05 ms, by {} probes (group {}), and compared with what the \
             kernel counts itself.</p>",
            Escaped(&hello.probes.mode),
            Escaped(&hello.probes.group)
        ),
    }
}

fn toolbar(page: &mut String) -> std::fmt::Result {
    page.push_str(
        "<nav class=\"toolbar\" aria-label=\"Part of the recording that is shown\" hidden>\n",
    );
    for (action, key, label) in [
        ("in", "+", "Zoom in"),
        ("out", "−", "Zoom out"),
        ("left", "←", "Earlier"),
        ("right", "→", "Later"),
        ("all", "0", "All"),
        ("busiest", "B", "Busiest moment"),
    ] {
        writeln!(
            page,
            "<button type=\"button\" data-do=\"{action}\"><kbd>{key}</kbd> {label}</button>"
        )?;
    }
    page.push_str("<output id=\"range\" aria-live=\"polite\"></output>\n</nav>\n");
    Ok(())
}

fn write_instance(
    page: &mut String,
    report: &Report,
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
    facts(page, report, instance)?;
    page.push_str("<div class=\"charts\">\n");
    for (c, chart) in instance.charts.iter().enumerate() {
        write_chart(page, report, instance, chart, [i, c])?;
    }
    page.push_str("</div>\n");
    tables::write(page, report, instance)?;
    page.push_str("</section>\n");
    Ok(())
}

/// What matters most, at a glance.
fn facts(page: &mut String, report: &Report, instance: &InstanceReport) -> std::fmt::Result {
    let clock = |micros| report.time(micros).strftime("%H:%M:%S%.3f").to_string();
    page.push_str("<dl class=\"facts\">\n");
    if let Some((entries, at, utilization)) = instance.fullest {
        let used =
            utilization.map_or_else(|| UNAVAILABLE.to_owned(), |used| format!("{used:.1} %"));
        let class = match utilization {
            Some(used) if used > 95.0 => "bad",
            Some(used) if used > 90.0 => "warn",
            _ => "fine",
        };
        let max = instance
            .max
            .map_or_else(|| UNAVAILABLE.to_owned(), |max| max.to_string());
        fact(
            page,
            class,
            "Fullest",
            &used,
            &format!("{entries} of {max} entries at {}", clock(at)),
        )?;
    }
    let new = instance
        .charts
        .iter()
        .flat_map(|chart| &chart.dimensions)
        .find(|d| d.name == "new");
    if let Some((at, rate)) = new.and_then(DimensionReport::peak) {
        let mean = new
            .and_then(DimensionReport::mean)
            .map_or_else(|| UNAVAILABLE.to_owned(), compact);
        let text = format!("new connections at {}; {mean}/s on average", clock(at));
        fact(page, "", "Busiest", &format!("{}/s", compact(rate)), &text)?;
    }
    let events: u64 = instance.event_counts.iter().map(|(_, count)| count).sum();
    let kinds: Vec<String> = instance
        .event_counts
        .iter()
        .map(|(kind, n)| format!("{n} {kind}"))
        .collect();
    let (class, text) = match events {
        0 => (
            "fine",
            "nothing dropped, evicted or refused was seen".to_owned(),
        ),
        _ => ("warn", kinds.join(", ")),
    };
    fact(page, class, "Events", &events.to_string(), &text)?;
    let raised = instance.alerts.iter().max_by_key(|alert| alert.status);
    if let Some(alert) = raised {
        let text = format!(
            "{} at {:.1} {}, {}",
            alert.name,
            alert.value,
            alert.unit,
            alert.time.0.strftime("%H:%M:%S%.3f")
        );
        fact(
            page,
            alert_class(alert.status),
            "Alert",
            &alert.status.to_string(),
            &text,
        )?;
    }
    if let Some((verdict, at)) = instance.worst {
        let (class, text) = match verdict {
            Verdict::Mismatch => (
                "bad",
                format!("probes and kernel did not agree, first at {}", clock(at)),
            ),
            Verdict::Undercount => (
                "bad",
                format!("the kernel skipped probe hits, first at {}", clock(at)),
            ),
            Verdict::WithinBracket => (
                "fine",
                "probes and kernel agreed, given what moved while reading".to_owned(),
            ),
            Verdict::Exact => ("fine", "probes and kernel always agreed".to_owned()),
            Verdict::NotComparable => ("", "there was nothing to compare with".to_owned()),
        };
        fact(page, class, "Cross-check", verdict.name(), &text)?;
    }
    page.push_str("</dl>\n");
    Ok(())
}

fn fact(page: &mut String, class: &str, name: &str, value: &str, text: &str) -> std::fmt::Result {
    writeln!(
        page,
        "<div class=\"fact {class}\"><dt>{name}</dt><dd><b>{}</b> {}</dd></div>",
        Escaped(value),
        Escaped(text)
    )
}

fn write_chart(
    page: &mut String,
    report: &Report,
    instance: &InstanceReport,
    chart: &ChartReport,
    [i, c]: [usize; 2],
) -> std::fmt::Result {
    let id = format!("p{i}-{c}");
    write!(
        page,
        "<figure tabindex=\"0\" data-instance=\"{i}\" data-chart=\"{c}\" aria-labelledby=\"{id}-t\">\n\
         <figcaption id=\"{id}-t\"><b>{}</b> <span>{}, {}</span></figcaption>\n{}\n\
         <table class=\"legend\"><thead><tr><th scope=\"col\">dimension</th><th scope=\"col\">peak</th>\
         <th scope=\"col\">at</th><th scope=\"col\">mean</th><th scope=\"col\">from</th></tr></thead><tbody>\n",
        chart.title,
        chart.chart.name,
        chart.chart.unit,
        svg::chart(report, instance, chart, &id),
    )?;
    for (d, dimension) in chart.dimensions.iter().enumerate() {
        legend(page, report, dimension, d)?;
    }
    page.push_str("</tbody></table>\n</figure>\n");
    Ok(())
}

fn legend(
    page: &mut String,
    report: &Report,
    dimension: &DimensionReport,
    d: usize,
) -> std::fmt::Result {
    let mark = if dimension.below { "▼" } else { "▲" };
    let side = if dimension.below {
        "drawn below zero"
    } else {
        "drawn above zero"
    };
    write!(
        page,
        "<tr data-dimension=\"{}\"><th scope=\"row\"><span class=\"key d{d}\" title=\"{side}\">{mark}</span> {}</th>",
        dimension.name, dimension.name
    )?;
    if !dimension.is_available() {
        let reason = dimension.reason.as_ref().map_or("unavailable", Text::raw);
        return writeln!(
            page,
            "<td colspan=\"4\" class=\"reason\">{UNAVAILABLE} {}</td></tr>",
            Escaped(reason)
        );
    }
    let mean = dimension
        .mean()
        .map_or_else(|| UNAVAILABLE.to_owned(), compact);
    let (peak, at) = match dimension.peak() {
        Some((at, peak)) if peak > 0.0 => (
            compact(peak),
            report.time(at).strftime("%H:%M:%S%.3f").to_string(),
        ),
        _ => ("0".to_owned(), String::new()),
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

/// The class of what is coloured as an alert stands.
fn alert_class(status: AlertStatus) -> &'static str {
    match status {
        AlertStatus::Clear => "fine",
        AlertStatus::Warning => "warn",
        AlertStatus::Critical => "bad",
    }
}

/// What a mark of an alert says.
fn alert_text(alert: &Alert) -> String {
    let name: String = alert.name.raw().chars().map(honest).collect();
    format!("{name} {}", alert.status)
}

fn footer(page: &mut String, report: &Report) -> std::fmt::Result {
    let version = report
        .hello
        .as_ref()
        .map_or("", |hello| hello.version.raw());
    writeln!(
        page,
        "<footer><h2>How to read this</h2><p>The line is the average, the shade behind it the busiest bucket of 1.05 ms \
         (where only the kernel counts, the busiest interval). Dimensions marked ▼ are drawn below zero; their numbers \
         are positive. Bands mark bursts, upright lines alerts: where they were raised, and where they were over. {UNAVAILABLE} is unavailable, which is not 0. Times are UTC.</p>\
         <p class=\"keys\" hidden>Keys: <kbd>+</kbd> <kbd>−</kbd> zoom, <kbd>←</kbd> <kbd>→</kbd> move, <kbd>0</kbd> \
         shows all, <kbd>B</kbd> the busiest moment of the chart that has the focus, else of new connections. Drag over \
         a chart to zoom to a part; the address of the page then names that part.</p>\
         <p>Recorded by ctpulse {}, {} records.</p></footer>",
        Escaped(version),
        report.records,
    )
}
