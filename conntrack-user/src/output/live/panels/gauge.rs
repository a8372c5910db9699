//! The utilization of the table, and its alert.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use crate::{
    model::{alert::AlertStatus, history::samples::SamplePoint},
    output::{
        format::{
            duration,
            number::{UNAVAILABLE, decimal, optional, percent},
        },
        live::{app::App, panels::pieces, theme::Theme},
    },
};

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
    let style = style(theme, point);
    let used = point.utilization;
    let used = used.map_or_else(|| UNAVAILABLE.to_owned(), percent);
    if area.width < 16 {
        // On the smallest screen only the most important number fits.
        pieces::line(buffer, area, &Line::styled(used, style));
        return;
    }
    let mut status = Line::from(Span::styled(format!(" {used}"), style));
    if area.width >= 24 {
        status.push_span(Span::raw(" "));
        status.push_span(word(theme, point));
    }
    for extra in extras(app, point) {
        if status.width() + extra.width() + 30 < usize::from(area.width) {
            status.push_span(Span::raw(" "));
            status.push_span(extra);
        }
    }
    let rest = pieces::at_right(buffer, area, &status);
    let entries = point.entries().map(|entries| decimal(entries, 0));
    let label = Line::from(vec![
        Span::styled("table ", theme.title()),
        Span::styled(optional(entries), theme.strong()),
        Span::styled(format!(" / {} ", optional(point.max)), theme.muted()),
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

/// The colour of the utilization is that of the alert, except that a full table is always critical. It is green only if the alert
/// is CLEAR.
pub(super) fn style(theme: Theme, point: &SamplePoint) -> Style {
    match point.full_alert {
        _ if point.is_full => theme.critical(),
        Some(status) => theme.status(status),
        None => theme.muted(),
    }
}

/// The status as a word.
fn word(theme: Theme, point: &SamplePoint) -> Span<'static> {
    match point.full_alert {
        Some(AlertStatus::Critical) => Span::styled(" CRITICAL ", theme.alarm()),
        _ if point.is_full => Span::styled(" FULL ", theme.alarm()),
        Some(status) => Span::styled(format!(" {status} "), theme.status(status)),
        None => Span::styled(" not judged ", theme.muted()),
    }
}

/// Further facts about the alert, most important first.
fn extras(app: &App, point: &SamplePoint) -> Vec<Span<'static>> {
    let mut extras = Vec::new();
    if let Some(time) = point.fills_in() {
        let text = format!("full in {}", duration::compact(time.estimate));
        extras.push(Span::styled(text, app.theme.warning()));
        let range = format!("({})", duration::compact_range(time));
        extras.push(Span::styled(range, app.theme.muted()));
    }
    // The alert is evaluated and notified with delays of its own.
    if let Some((notified, until)) = point.held {
        let text = format!("{notified} held until {}", app.clock(until, 0));
        extras.push(Span::styled(text, app.theme.muted()));
    } else if let Some(alert) = point.full_alert.filter(|_| point.is_full)
        && alert != AlertStatus::Critical
    {
        let text = format!("alert still {alert}");
        extras.push(Span::styled(text, app.theme.muted()));
    }
    extras
}

fn draw_bar(point: &SamplePoint, area: Rect, style: Style, buffer: &mut Buffer, empty: Style) {
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
