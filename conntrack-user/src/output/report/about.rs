//! How the recording was made.

use std::fmt::Write;

use crate::{
    model::{record::Hello, report::RecordingReport},
    output::markup::Escaped,
    text::Text,
};

/// Writes the end of the page.
pub(super) fn footer(page: &mut String, report: &RecordingReport) -> std::fmt::Result {
    page.push_str("<footer><h2>About this recording</h2>\n");
    if let Some(hello) = &report.hello {
        probes(page, report, hello)?;
    }
    let hello = report.hello.as_ref();
    let version = hello.map_or_else(String::new, |hello| format!(" {}", hello.version));
    writeln!(
        page,
        "<p>Recorded by ctpulse{}, {} records.</p>\n\
         <p class=\"keys\" hidden>Keys: <kbd>+</kbd> <kbd>−</kbd> zoom, <kbd>←</kbd> <kbd>→</kbd> move, <kbd>0</kbd> \
         shows all, <kbd>B</kbd> the busiest moment of the chart that has the focus, else of new connections. Drag over \
         a chart to zoom to a part; the address of the page then names that part.</p></footer>",
        Escaped(version),
        report.records,
    )
}

fn probes(page: &mut String, report: &RecordingReport, hello: &Hello) -> std::fmt::Result {
    if !hello.probes.is_attached() {
        return writeln!(
            page,
            "<p>Without probes: {}. Only what the kernel counts by itself is here, interval by interval.</p>",
            Escaped(hello.probes.why_off())
        );
    }
    writeln!(
        page,
        "<p>Counted in the kernel in buckets of 1.05 ms, by {} probes (group {}), and compared with what the \
         kernel counts itself.</p>",
        Escaped(&hello.probes.mode),
        Escaped(&hello.probes.group)
    )?;
    for group in hello.probes.by_kprobe_and_why() {
        let functions: Vec<String> = group.functions.iter().map(Text::to_string).collect();
        let functions = functions.join(", ");
        let text = match group.reason {
            Some(reason) => format!("By kprobe: {functions} ({reason})."),
            None => format!("By kprobe: {functions}."),
        };
        writeln!(page, "<p>{}</p>", Escaped(text))?;
    }
    if let Some(why) = report.without_probes() {
        writeln!(
            page,
            "<p>For a time there were no probes: {}.</p>",
            Escaped(why)
        )?;
    }
    let unseen = report.unseen_events().iter();
    let unseen: Vec<String> = unseen
        .map(|group| format!("{} ({})", group.kinds.join(", "), group.reason))
        .collect();
    if unseen.is_empty() {
        return Ok(());
    }
    writeln!(
        page,
        "<p>Not all events of these kinds are seen: {}.</p>",
        Escaped(unseen.join("; "))
    )
}
