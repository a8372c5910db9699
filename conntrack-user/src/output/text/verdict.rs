//! The verdict of the run, a sentence after the other.

use crate::{
    model::record::{InstanceVerdict, Severity},
    output::{format::wrap::wrapped, text::style::Tone},
    text::Text,
};

/// The sentences, each on lines of its own of at most `width` characters. `instance`: its name, if there are several.
pub(super) fn lines(
    verdict: &InstanceVerdict,
    instance: Option<&Text>,
    width: Option<usize>,
) -> Vec<(String, Tone)> {
    let mut lines = vec![(String::new(), Tone::Plain)];
    for (i, sentence) in verdict.sentences.iter().enumerate() {
        let text = match (i, instance) {
            (0, Some(name)) => format!("{name}: {sentence}"),
            _ => sentence.to_string(),
        };
        let tone = if i == 0 {
            tone(verdict.severity)
        } else {
            Tone::Plain
        };
        let wrapped = match width {
            Some(width) => wrapped(&text, width),
            None => vec![text],
        };
        lines.extend(wrapped.into_iter().map(|line| (line, tone)));
    }
    lines
}

const fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Ok => Tone::Good,
        Severity::Unknown => Tone::Plain,
        Severity::Warning => Tone::Warning,
        Severity::Critical => Tone::Bad,
    }
}
