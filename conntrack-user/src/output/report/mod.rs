//! The report: a self-contained HTML page that needs no network.
//!
//! The page contains tables, and numbers from which its script draws charts of the whole recording or any part of it. Its content
//! security policy allows only that script and no other resources, so that text of a recording could do no harm even if it were
//! not escaped.

mod about;
mod advice;
mod bursts;
mod charts;
mod contents;
mod data;
mod facts;
mod section;
mod table;
mod tables;
mod verdict;

use std::fmt::Write;

use crate::{
    model::{alert::AlertStatus, record::Alert, report::RecordingReport},
    output::{
        format::{clock, duration},
        markup::Escaped,
        page::{CHARTS, STYLE, policy, script_json},
    },
    text::Plain,
};

/// Shows what of the report, by the charts' script.
const SCRIPT: &str = include_str!("page.js");

/// Shown until the script has run.
const NOT_DRAWN: &str = "The charts are missing: the script of this page, which draws them, did not run. Scripts are turned off, \
     or forbidden where the page is shown; saved as a file and opened in a browser, it has its charts. The tables below \
     are complete.";

#[must_use]
pub fn page(report: &RecordingReport, title: &str) -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    let _ = write_page(&mut page, report, title);
    page
}

fn write_page(page: &mut String, report: &RecordingReport, title: &str) -> std::fmt::Result {
    let title = Escaped(Plain(title));
    let script = format!("{CHARTS}{SCRIPT}");
    write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
        policy(STYLE, &script, ""),
    )?;
    header(page, report, &title)?;
    toolbar(page)?;
    page.push_str("<main>\n");
    for (i, instance) in report.instances.iter().enumerate() {
        section::write(page, report, instance, i)?;
    }
    page.push_str("</main>\n");
    about::footer(page, report)?;
    write!(
        page,
        "<script type=\"application/json\" id=\"data\">{}</script>\n<script>{script}</script>\n</body>\n</html>\n",
        script_json(&data::json(report))
    )
}

fn header(
    page: &mut String,
    report: &RecordingReport,
    title: &Escaped<Plain<'_>>,
) -> std::fmt::Result {
    let (from, to) = (report.time(report.from), report.time(report.to));
    writeln!(page, "<header>\n<h1>{title}</h1>")?;
    write!(
        page,
        "<p class=\"when\"><time>{}</time> to <time>{}</time> UTC, <b>{}</b>",
        clock::date_and_millis(from),
        clock::millis(to),
        duration::seconds(report.duration_s()),
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
    verdict::list(page, report)?;
    note(page, NOT_DRAWN, " id=\"not-drawn\"")?;
    for text in &report.notes {
        note(page, text, "")?;
    }
    if report.coarseness() > 1 {
        let text = format!(
            "This is too much for every millisecond of it: busy series are shown in steps of up to {} buckets of \
             1.05 ms (peaks are still those of single buckets). A report of a part, with --from and --to, has them all.",
            report.coarseness()
        );
        note(page, &text, "")?;
    }
    page.push_str("</header>\n");
    Ok(())
}

fn note(page: &mut String, text: impl std::fmt::Display, attributes: &str) -> std::fmt::Result {
    writeln!(
        page,
        "<p class=\"note\" role=\"note\"{attributes}>{}</p>",
        Escaped(text)
    )
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

/// The class of an alert's status.
fn alert_class(status: AlertStatus) -> &'static str {
    match status {
        AlertStatus::Clear => "fine",
        AlertStatus::Warning => "warn",
        AlertStatus::Critical => "bad",
    }
}

/// The label of an alert on a chart.
fn alert_text(alert: &Alert) -> String {
    format!("{} {}", alert.name, alert.status)
}
