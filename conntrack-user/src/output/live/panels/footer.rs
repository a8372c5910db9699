//! The bottom line: keys, the filter prompt, and the length of the window.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use crate::{
    output::{
        format::duration,
        live::{
            app::App,
            panels::pieces,
            state::{Measure, ScreenLayout},
        },
    },
    text::Plain,
};

/// The most useful keys, in order.
const KEYS: [(&str, &str); 11] = [
    ("q", "quit"),
    ("?", "help"),
    ("space", "pause"),
    ("←→", "scroll"),
    ("+-", "zoom"),
    ("1-6", "chart"),
    ("/", "filter"),
    ("l", "layout"),
    ("m", "peaks"),
    ("c", "checks"),
    ("b", "burst"),
];

pub(super) fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let theme = app.theme;
    if let Some(prompt) = &app.view.prompt {
        let mut line = Line::from(vec![
            Span::styled("filter: ", theme.key()),
            Span::raw(Plain(&prompt.text).to_string()),
            Span::styled(" ", theme.chosen()),
        ]);
        let after = match &prompt.error {
            Some(error) => {
                let error = error.to_string();
                Span::styled(format!("  {}", Plain(&error)), theme.critical())
            }
            None => Span::styled("  words, or proto=udp,dport=53; Enter, Esc", theme.muted()),
        };
        line.push_span(after);
        pieces::line(buffer, area, &line);
        return;
    }
    let mut state = vec![format!(" {}", duration::window(app.view.span()))];
    if app.view.measure == Measure::Peak {
        state.push("peaks".to_owned());
    }
    match app.view.layout {
        ScreenLayout::Overview => {}
        ScreenLayout::Charts => state.push("charts".to_owned()),
        ScreenLayout::Events => state.push("events".to_owned()),
    }
    let rest = pieces::at_right(
        buffer,
        area,
        &Line::styled(state.join(" · "), theme.muted()),
    );
    let mut line = Line::default();
    for (key, does) in KEYS {
        let separator = if line.width() == 0 { "" } else { "  " };
        if line.width() + separator.len() + key.chars().count() + 1 + does.len()
            > usize::from(rest.width)
        {
            break;
        }
        line.push_span(Span::raw(separator));
        line.push_span(Span::styled(key, theme.key()));
        line.push_span(Span::styled(format!(" {does}"), theme.muted()));
    }
    pieces::line(buffer, rest, &line);
}
