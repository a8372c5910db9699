//! What to know first, in sentences.

use ratatui::{
    style::{Modifier, Style},
    text::Line,
};

use crate::{
    model::{
        history::time::nanos,
        record::{InstanceVerdict, Loss, Severity},
        verdict::{Sentence, Topic, sentences},
    },
    output::live::{app::App, panels::pieces, theme::Theme},
};

/// The topics in the order in which they are left out where there are not enough rows.
const FIRST_LEFT_OUT: [Topic; 5] = [
    Topic::Busiest,
    Topic::Who,
    Topic::Proof,
    Topic::Advice,
    Topic::Losses,
];

/// The sentences about the shown instance at the end of the window, wrapped to this width, as many as there are rows for; then one
/// about the worst of the others, if it is worse.
pub(super) fn lines(app: &App, width: u16, rows: u16) -> Vec<Line<'static>> {
    let said = app.instance().and_then(|i| i.said_at(app.end()));
    let elsewhere = elsewhere(app, said);
    let rows = usize::from(rows).saturating_sub(usize::from(elsewhere.is_some()));
    let mut paragraphs = said.map_or_else(Vec::new, |said| paragraphs(app, said, width));
    for topic in FIRST_LEFT_OUT {
        // The last of several sentences on a topic is the least important.
        while paragraphs
            .iter()
            .map(|(_, lines)| lines.len())
            .sum::<usize>()
            > rows
        {
            match paragraphs.iter().rposition(|(about, _)| *about == topic) {
                Some(at) => paragraphs.remove(at),
                None => break,
            };
        }
    }
    let lines = paragraphs.into_iter().flat_map(|(_, lines)| lines);
    lines.chain(elsewhere).collect()
}

/// The sentences, each with its lines.
fn paragraphs(app: &App, said: &InstanceVerdict, width: u16) -> Vec<(Topic, Vec<Line<'static>>)> {
    let sentences = said_in(app, said).into_iter();
    let lines = |sentence: Sentence| {
        let style = style(app.theme, said, &sentence);
        let text = sentence.text.to_string();
        let lines = pieces::wrapped(&text, width.into(), style);
        (sentence.topic, lines)
    };
    sentences.map(lines).collect()
}

/// The sentences, with times in the zone that is shown.
fn said_in(app: &App, said: &InstanceVerdict) -> Vec<Sentence> {
    sentences(&said.facts, &|time, digits| app.clock(nanos(time), digits))
}

/// The first sentence about the worst of the other instances, if it is worse than the one that is shown.
fn elsewhere(app: &App, said: Option<&InstanceVerdict>) -> Option<Line<'static>> {
    let shown = said.map_or(Severity::Ok, |said| said.severity);
    let others = app.history.instances().filter_map(|(_, i)| i.said());
    let worst = others.max_by_key(|said| said.severity)?;
    if worst.severity <= shown.max(Severity::Unknown) {
        return None;
    }
    let first = &said_in(app, worst).into_iter().next()?.text;
    let text = format!("{}: {first} (i to go there)", worst.instance);
    Some(Line::styled(text, severe(app.theme, worst.severity)))
}

fn style(theme: Theme, said: &InstanceVerdict, sentence: &Sentence) -> Style {
    let facts = &said.facts;
    let lost = |(_, loss): &(_, Option<Loss>)| loss.is_some_and(|loss| loss.count > 0);
    match sentence.topic {
        Topic::Table => severe(theme, said.severity),
        Topic::Losses if facts.losses.0.iter().any(lost) => theme.critical(),
        Topic::Who | Topic::Advice => theme.strong(),
        Topic::Proof if !facts.proof.disagree.is_empty() => theme.alarm(),
        Topic::Losses | Topic::Busiest | Topic::Proof => Style::new(),
    }
}

/// The style of a severity.
pub(super) fn severe(theme: Theme, severity: Severity) -> Style {
    let style = match severity {
        Severity::Ok => theme.good(),
        Severity::Unknown => Style::new(),
        Severity::Warning => theme.warning(),
        Severity::Critical => theme.critical(),
    };
    style.add_modifier(Modifier::BOLD)
}
