//! The cross-check in full.

use crate::text::Text;
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use crate::{
    model::record::Check,
    output::{
        live::{app::App, panels::popup},
        text::{optional, range},
    },
};

/// Draws it.
pub(super) fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme;
    let heading = format!(
        "{:<16} {:>12} {:>12} {:>5}  {:<14} {}",
        "since attached", "probes", "kernel", "off", "verdict", "reason"
    );
    let mut lines = vec![Line::styled(heading, theme.muted())];
    let crosscheck = app.instance().and_then(|instance| instance.crosscheck());
    let mut checks: Vec<&Check> = crosscheck.map_or_else(Vec::new, |c| c.checks.iter().collect());
    // The worst first, of equals in their order.
    checks.sort_by_key(|check| std::cmp::Reverse(check.verdict));
    for check in &checks {
        lines.push(Line::from(vec![
            Span::raw(format!(
                "{:<16} {:>12} {:>12} {:>5}  ",
                check.name,
                optional(check.probe),
                range(check),
                optional(check.residual),
            )),
            Span::styled(
                format!("{:<14}", check.verdict.name()),
                theme.verdict(Some(check.verdict)),
            ),
            Span::styled(
                format!(
                    " {}",
                    check
                        .reason
                        .as_ref()
                        .map(Text::to_string)
                        .unwrap_or_default()
                ),
                theme.muted(),
            ),
        ]));
    }
    if checks.is_empty() {
        let text = "nothing is compared: no probes are attached";
        lines.push(Line::styled(text, theme.muted()));
    }
    popup::draw(app, area, buffer, "Probes against the kernel", &lines);
}
