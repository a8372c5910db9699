//! The time axis, with the headings of the numbers beside it.

use ratatui::{buffer::Buffer, layout::Rect, text::Line};

use crate::{
    model::history::Nanos,
    output::live::{
        app::App,
        panels::{chart::Shape, pieces},
        plot::dots_across,
    },
};

/// Distances between labels.
const STEPS: [Nanos; 20] = {
    const MS: Nanos = 1_000_000;
    const S: Nanos = 1000 * MS;
    [
        5 * MS,
        10 * MS,
        20 * MS,
        50 * MS,
        100 * MS,
        200 * MS,
        500 * MS,
        S,
        2 * S,
        5 * S,
        10 * S,
        15 * S,
        30 * S,
        60 * S,
        120 * S,
        300 * S,
        600 * S,
        900 * S,
        1800 * S,
        3600 * S,
    ]
};

/// Draws it.
pub(super) fn draw(app: &App, area: Rect, shape: Shape, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    pieces::line(buffer, shape.legend(area), &shape.headings(app.theme));
    let plot = shape.plot(area);
    if plot.is_empty() || app.history.last().is_none() {
        return;
    }
    let window = pieces::window(app, dots_across(app.theme, plot.width));
    let span = window.end() - window.start;
    let labels = Nanos::from(plot.width / 11).max(1);
    let step = STEPS
        .into_iter()
        .find(|step| span / step <= labels)
        .unwrap_or(STEPS[STEPS.len() - 1]);
    let digits = match step {
        1_000_000_000.. => 0,
        100_000_000.. => 1,
        10_000_000.. => 2,
        _ => 3,
    };
    let mut time = -(-window.start).div_euclid(step) * step;
    while time < window.end() {
        let at = i128::from(time - window.start) * i128::from(plot.width) / i128::from(span.max(1));
        let x = plot.x + u16::try_from(at).unwrap_or(0);
        let text = format!("╷{}", pieces::clock(time, digits));
        let width = u16::try_from(text.chars().count()).unwrap_or(u16::MAX);
        // A label that would be cut is left out; its mark is not.
        let text = if x + width <= plot.right() {
            text
        } else {
            "╷".to_owned()
        };
        let line = Rect {
            x,
            width: plot.right() - x,
            ..plot
        };
        pieces::line(buffer, line, &Line::styled(text, app.theme.muted()));
        time += step;
    }
}
