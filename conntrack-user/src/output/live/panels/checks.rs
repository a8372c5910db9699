//! The popup of the cross-check.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use crate::{
    model::{
        history::instance::InstanceHistory,
        record::{Check, Hello},
    },
    output::{
        checks::range,
        format::number::optional,
        live::{app::App, panels::popup},
    },
    text::Text,
};

pub(super) fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme;
    let heading = format!(
        "{:<19} {:>11} {:>11} {:>5}  {:<14} {}",
        "since attached", "probes", "kernel", "off", "verdict", "reason"
    );
    let mut lines = vec![Line::styled(heading, theme.muted())];
    let checks = app.instance().map(InstanceHistory::checks);
    let checks = checks.unwrap_or_default();
    for check in &checks {
        lines.push(row(app, check));
    }
    if checks.is_empty() {
        let text = why_none(app.hello());
        lines.push(Line::styled(text, theme.muted()));
    }
    popup::draw(app, area, buffer, "Probes against the kernel", &lines);
}

fn row(app: &App, check: &Check) -> Line<'static> {
    let theme = app.theme;
    let reason = check.reason.as_ref().map(Text::to_string);
    Line::from(vec![
        Span::raw(format!(
            "{:<19} {:>11} {:>11} {:>5}  ",
            check.name,
            optional(check.probe),
            range(check),
            optional(check.residual),
        )),
        Span::styled(
            format!("{:<14}", check.verdict.name()),
            theme.verdict(Some(check.verdict)),
        ),
        Span::styled(format!(" {}", reason.unwrap_or_default()), theme.muted()),
    ])
}

fn why_none(hello: Option<&Hello>) -> String {
    match hello {
        Some(hello) if !hello.probes.is_attached() => {
            format!("nothing is compared: no probes: {}", hello.probes.why_off())
        }
        _ => "nothing was compared yet".to_owned(),
    }
}
