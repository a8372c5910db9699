//! A table of instances, and a popup to choose one.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use crate::{
    model::{history::instance::InstanceHistory, kernel::counters::Counter, record::Verdict},
    output::{
        format::number::{
            UNAVAILABLE, compact, compact_or_dash, decimal, marked_wrong, optional, percent,
        },
        live::{
            app::App,
            panels::{gauge, hosts, pieces, popup},
        },
    },
    text::Text,
};

/// Draws as many instances as fit, the shown one among them.
pub(super) fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let names = app.names();
    let title = vec![
        Span::styled("Namespaces", app.theme.title()),
        Span::styled(
            format!(
                " {}, the worst first: entries, used, new/s, check",
                names.len()
            ),
            app.theme.muted(),
        ),
    ];
    pieces::title(buffer, area, app.theme, title);
    let rows = Rect {
        y: area.y + 1,
        height: area.height - 1,
        ..area
    };
    let shown = app.instance_name();
    let at = names
        .iter()
        .position(|name| Some(*name) == shown)
        .unwrap_or(0);
    let first = (at + 1).saturating_sub(rows.height.into());
    let lines: Vec<Line<'_>> = names
        .iter()
        .skip(first)
        .map(|name| row(app, name, Some(*name) == shown))
        .collect();
    pieces::lines(buffer, rows, &lines);
}

/// Draws the list with a cursor.
pub(super) fn choose(app: &App, area: Rect, buffer: &mut Buffer, cursor: usize) {
    let names = app.names();
    let room = usize::from(area.height.saturating_sub(3));
    let first = (cursor + 1).saturating_sub(room);
    let heading = format!(
        "{:<20} {:>8} {:>7} {:>6}  {}",
        "network namespace", "entries", "used", "new/s", "check"
    );
    let mut lines = vec![Line::styled(heading, app.theme.muted())];
    let rows = names.iter().enumerate().skip(first).take(room);
    lines.extend(rows.map(|(i, name)| row(app, name, i == cursor)));
    popup::draw(app, area, buffer, "Choose: up, down, Enter", &lines);
}

fn row(app: &App, of: &Text, chosen: bool) -> Line<'static> {
    let theme = app.theme;
    let name = of;
    let instance = app.history.instance(name.raw());
    let point = instance.and_then(|instance| instance.at(app.end_of(name)));
    let entries = optional(point.and_then(|p| p.entries()).map(|n| decimal(n, 0)));
    let used = optional(point.and_then(|p| p.utilization).map(percent));
    let new = point.and_then(|p| Some((p.rate(Counter::New)?, p.is_rate_wrong(Counter::New))));
    let (new, style_of_new) = match new {
        Some((rate, true)) => (marked_wrong(compact(rate), rate, 6), theme.critical()),
        new => (compact_or_dash(new.map(|(rate, _)| rate)), Style::new()),
    };
    let verdict = instance.and_then(InstanceHistory::verdict);
    let untracked = instance
        .and_then(InstanceHistory::latest)
        .is_some_and(|sample| sample.untracked.is_some());
    let absent = hosts::instead_of_check(app, name);
    let name: String = name.to_string().chars().take(20).collect();
    let style = if chosen {
        theme.chosen()
    } else {
        theme.strong()
    };
    let mut line = Line::from(vec![
        Span::styled(format!("{name:<20}"), style),
        Span::raw(format!(" {entries:>8}")),
        Span::styled(
            format!(" {used:>7}"),
            point.map_or_else(|| theme.muted(), |point| gauge::style(theme, point)),
        ),
        Span::styled(format!(" {new:>6}  "), style_of_new),
    ]);
    line.push_span(if let Some(state) = absent {
        state
    } else if untracked {
        Span::styled("nothing tracks", theme.warning())
    } else {
        Span::styled(
            verdict.map_or(UNAVAILABLE, Verdict::name),
            theme.verdict(verdict),
        )
    });
    if let Some(workload) = app.history.workload(of) {
        line.push_span(Span::styled(format!("  {workload}"), theme.muted()));
    }
    line
}
