//! The bottom line: keys, the filter prompt, and the length of the window.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
    widgets::{Clear, Widget as _},
};

use crate::{
    keyboard::actions::Action,
    output::{
        format::duration,
        live::{
            app::App,
            keys,
            panels::pieces,
            state::{Measure, ScreenLayout},
        },
    },
    text::{Plain, Text},
};

/// Keys with a word for what they do: those of actions, or others.
type FooterKeys = (&'static [Action], &'static str, &'static str);

/// The most useful keys, in order.
const KEYS: [FooterKeys; 14] = [
    (&[Action::CloseOrQuit], "", "quit"),
    (&[Action::Help], "", "help"),
    (&[Action::Pause], "", "pause"),
    (&[Action::Back, Action::Forward], "", "scroll"),
    (&[Action::ZoomIn, Action::ZoomOut], "", "zoom"),
    (&[], "1-6", "chart"),
    (&[Action::Filter], "", "filter"),
    (&[Action::Layout], "", "layout"),
    (&[Action::Talkers], "", "talkers"),
    (&[Action::Events], "", "events"),
    (&[Action::Write], "", "write"),
    (&[Action::Measure], "", "peaks"),
    (&[Action::Checks], "", "checks"),
    (&[Action::PreviousBurst], "", "burst"),
];

/// What comes after the first three in a recording.
const RECORDING_KEYS: [FooterKeys; 3] = [
    (&[Action::Step], "", "step"),
    (&[Action::Resume], "", "go on"),
    (&[Action::Slower, Action::Faster], "", "speed"),
];

/// The keys while the cursor is in a list.
const LIST_KEYS: [FooterKeys; 7] = [
    (&[], "Esc", "back"),
    (&[], "↑↓", "move"),
    (&[], "Enter", "filter"),
    (&[], "y", "copy"),
    (&[], "s", "sort"),
    (&[], "←→", "next list"),
    (&[Action::Help], "", "help"),
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
    if let Some(hint) = &app.view.hint {
        tell(app, hint, area, buffer);
        return;
    }
    let mut state = vec![format!(" {}", duration::window(app.view.span()))];
    if app.view.measure == Measure::Peak {
        state.push("peaks".to_owned());
    }
    match app.view.layout {
        ScreenLayout::Overview | ScreenLayout::Lists => {}
        ScreenLayout::Charts => state.push("charts".to_owned()),
        ScreenLayout::Events => state.push("events".to_owned()),
    }
    state.extend(app.view.playback.as_ref().map(Text::to_string));
    let rest = pieces::at_right(
        buffer,
        area,
        &Line::styled(state.join(" · "), theme.muted()),
    );
    let mut line = Line::default();
    let (first, others) = KEYS.split_at(3);
    let keys: Vec<&FooterKeys> = match (&app.view.cursor, &app.view.playback) {
        (Some(_), _) => LIST_KEYS.iter().collect(),
        (None, Some(_)) => first.iter().chain(&RECORDING_KEYS).chain(others).collect(),
        (None, None) => KEYS.iter().collect(),
    };
    for (actions, fixed, does) in keys {
        let key = format!("{}{fixed}", keys::first_keys(&app.bindings, actions));
        if key.is_empty() {
            continue;
        }
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

/// The hint for the user, over the rows above where it needs more than one.
fn tell(app: &App, hint: &Text, area: Rect, buffer: &mut Buffer) {
    let lines = pieces::wrapped(&hint.to_string(), area.width.into(), app.theme.strong());
    let above = area.y - buffer.area.y;
    let more = u16::try_from(lines.len().saturating_sub(1)).unwrap_or(above);
    let more = more.min(above);
    let place = Rect {
        y: area.y - more,
        height: area.height + more,
        ..area
    };
    Clear.render(place, buffer);
    pieces::lines(buffer, place, &lines);
}
