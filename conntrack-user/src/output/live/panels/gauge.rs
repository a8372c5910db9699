//! The table as a gauge, and its alert.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use crate::{
    model::{
        alert::{AlertStatus, ConntrackFull},
        history::{nanos, samples::Point},
    },
    output::{
        live::{app::App, panels::pieces},
        number::{UNAVAILABLE, compact_time},
    },
};

/// Draws it.
pub(super) fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let theme = app.theme;
    let Some(point) = app.instance().and_then(|instance| instance.at(app.end())) else {
        let text = Line::styled("waiting for the first reading", theme.muted());
        pieces::line(buffer, area, &text);
        return;
    };
    let worst = point.status.max(point.level);
    let style = theme.status(worst);
    let mut status = Line::default();
    status.push_span(Span::styled(
        point.utilization.map_or_else(
            || format!(" {UNAVAILABLE}"),
            |percent| format!(" {percent:.1}%"),
        ),
        style,
    ));
    let shown = if worst == AlertStatus::Critical {
        theme.alarm()
    } else {
        style
    };
    if area.width >= 24 {
        status.push_span(Span::raw(" "));
        status.push_span(Span::styled(format!(" {worst} "), shown));
    }
    if point.level > point.status && area.width >= 60 {
        let text = format!(" alert still {}", point.status);
        status.push_span(Span::styled(text, theme.muted()));
    }
    if area.width < 16 {
        // The smallest screen shows the number that matters most.
        let text = Line::styled(status.to_string().trim_start().to_owned(), style);
        pieces::line(buffer, area, &text);
        return;
    }
    for extra in extras(app, point) {
        if status.width() + extra.width() + 30 < usize::from(area.width) {
            status.push_span(Span::raw(" "));
            status.push_span(extra);
        }
    }
    let rest = pieces::at_right(buffer, area, &status);
    let entries = entries(point);
    let label = Line::from(vec![
        Span::styled("table ", theme.title()),
        Span::styled(entries.0, theme.strong()),
        Span::styled(format!(" / {} ", entries.1), theme.muted()),
    ]);
    pieces::line(buffer, rest, &label);
    let used = u16::try_from(label.width()).unwrap_or(u16::MAX);
    let bar = Rect {
        x: rest.x.saturating_add(used),
        width: rest.width.saturating_sub(used),
        ..rest
    };
    if bar.width >= 5 {
        draw_bar(point, bar, style, buffer, theme.rule());
    }
}

/// Entries and the most there may be.
fn entries(point: &Point) -> (String, String) {
    let number =
        |value: Option<u64>| value.map_or_else(|| UNAVAILABLE.to_owned(), |n| n.to_string());
    let entries = point.values[0].map_or_else(|| UNAVAILABLE.to_owned(), |n| format!("{n:.0}"));
    (entries, number(point.max))
}

/// What else is known of alerts, most important first.
fn extras(app: &App, point: &Point) -> Vec<Span<'static>> {
    let Some(sample) = app.instance().and_then(|instance| instance.latest()) else {
        return Vec::new();
    };
    let mut extras = Vec::new();
    // A full table needs no forecast.
    if let Some(time) = point.time_to_full.filter(|time| time.estimate > 0.0) {
        let [estimate, low, high] = [time.estimate, time.low, time.high].map(compact_time);
        let style = app.theme.warning();
        extras.push(Span::styled(format!("full in {estimate}"), style));
        extras.push(Span::styled(format!("({low}-{high})"), app.theme.muted()));
    }
    let alert = sample.alerts.get(ConntrackFull::NAME);
    if let Some((alert, at)) = alert.and_then(|alert| Some((alert, alert.notify_at?))) {
        let time = pieces::clock(nanos(at), 0);
        let text = format!("{} told at {time}", alert.status);
        extras.push(Span::styled(text, app.theme.muted()));
    }
    extras
}

fn draw_bar(point: &Point, area: Rect, style: Style, buffer: &mut Buffer, empty: Style) {
    let share = point.utilization.unwrap_or(0.0).clamp(0.0, 100.0) / 100.0;
    let width = usize::from(area.width);
    let mut full = (share * width as f64).round() as usize;
    if share > 0.0 {
        full = full.clamp(1, width);
    }
    let line = Line::from(vec![
        Span::styled("█".repeat(full), style),
        Span::styled("░".repeat(width - full), empty),
    ]);
    pieces::line(buffer, area, &line);
}
