//! The time axis, with the headings of the numbers next to it.

use ratatui::{buffer::Buffer, layout::Rect, text::Line};

use crate::{
    model::history::time::Nanos,
    output::{
        format::axis,
        live::{
            app::App,
            panels::{chart_shape::ChartShape, pieces},
            plot::dots_across,
        },
    },
};

/// The width of a label, with a blank.
const LABEL: u16 = 11;

pub(super) fn draw(app: &App, area: Rect, shape: ChartShape, buffer: &mut Buffer) {
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
    let step = axis::time_step_ns(span, Nanos::from(plot.width / LABEL));
    let digits = axis::digits_of_a_second(step);
    let mut time = -(-window.start).div_euclid(step) * step;
    while time < window.end() {
        let at = i128::from(time - window.start) * i128::from(plot.width) / i128::from(span.max(1));
        let x = plot.x + u16::try_from(at).unwrap_or(0);
        let text = format!("╷{}", app.clock(time, digits));
        let width = u16::try_from(text.chars().count()).unwrap_or(u16::MAX);
        // A label that does not fit is left out, but not its tick.
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
