//! The verdict on an instance, and the list of instances where there are several.

use std::fmt::Write;

use crate::{
    model::{
        record::{InstanceVerdict, Severity},
        report::{InstanceReport, RecordingReport},
    },
    output::markup::Escaped,
};

/// The most sentences: far more than there are, except in a damaged recording.
const SENTENCES: usize = 20;

/// Writes the sentences of the last verdict.
pub(super) fn write(page: &mut String, instance: &InstanceReport) -> std::fmt::Result {
    let Some(verdict) = &instance.verdict else {
        return Ok(());
    };
    writeln!(page, "<div class=\"verdict {}\">", class(verdict.severity))?;
    for sentence in verdict.sentences.iter().take(SENTENCES) {
        writeln!(page, "<p>{}</p>", Escaped(sentence))?;
    }
    page.push_str("</div>\n");
    Ok(())
}

/// Writes a line for each instance, if there are several, with the first sentence of its verdict.
pub(super) fn list(page: &mut String, report: &RecordingReport) -> std::fmt::Result {
    if report.instances.len() < 2 {
        return Ok(());
    }
    writeln!(
        page,
        "<nav class=\"namespaces\" aria-label=\"Network namespaces\"><p>{} network namespaces, the worst first:</p>\n<ul>",
        report.instances.len()
    )?;
    for (i, instance) in report.instances.iter().enumerate() {
        let first = instance.verdict.as_ref().and_then(first_sentence);
        writeln!(
            page,
            "<li class=\"{}\"><a href=\"#i{i}\">{}</a> {}</li>",
            class(instance.severity()),
            Escaped(&instance.instance.name),
            Escaped(first.unwrap_or_default())
        )?;
    }
    page.push_str("</ul></nav>\n");
    Ok(())
}

fn first_sentence(verdict: &InstanceVerdict) -> Option<String> {
    verdict.sentences.first().map(ToString::to_string)
}

const fn class(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => "fine",
        Severity::Unknown => "unknown",
        Severity::Warning => "warn",
        Severity::Critical => "bad",
    }
}
