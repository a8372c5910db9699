//! Sources and meanings of the focused chart's dimensions, or why they are unavailable.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use crate::{
    model::{
        kernel::charts::{CHARTS, Dimension, Quantity},
        record::SourceKind,
    },
    output::{
        format::{
            duration,
            number::{UNAVAILABLE, WRONG},
        },
        live::{
            app::App,
            panels::{chart_shape::ChartShape, chart_views::ChartViews, pieces},
        },
    },
};

pub(super) fn draw(app: &App, area: Rect, views: &ChartViews<'_>, buffer: &mut Buffer) {
    let Some(chart) = app.view.focus else {
        return;
    };
    let Some(spec) = CHARTS.get(chart).filter(|_| !area.is_empty()) else {
        return;
    };
    let theme = app.theme;
    let shape = ChartShape::new(area.width, true);
    let views = views.of(chart, shape.columns(theme));
    let heading = vec![Span::styled(spec.name, theme.title())];
    pieces::title(buffer, area, theme, heading);
    let mut lines = Vec::new();
    for (place, (dimension, view)) in spec.dimensions.iter().zip(views.iter()).enumerate() {
        let known = view.source != SourceKind::Unavailable;
        let (source, text) = if known {
            (source(view.source), about(app, dimension))
        } else {
            (UNAVAILABLE, reason(app, dimension))
        };
        let style = if view.is_now_wrong || view.is_window_wrong {
            theme.alarm()
        } else if known {
            theme.colour(dimension.colour)
        } else {
            theme.muted()
        };
        lines.push(Line::from(vec![
            Span::styled(
                format!("{} {:<12} ", theme.mark(place), dimension.name),
                style,
            ),
            Span::styled(format!("{source:<7}"), theme.strong()),
            Span::styled(text, theme.muted()),
        ]));
    }
    let over = views.iter().find_map(|view| view.resolution_ms);
    let text = match over {
        Some(ms) if ms < 2.0 => {
            "peak: the busiest 1.05 ms; p99: of all spans of 1.05 ms".to_owned()
        }
        Some(ms) => format!(
            "peak: the busiest 1.05 ms; p99: of all spans of {}",
            duration::whole_millis(ms)
        ),
        None => "peak and p99: of intervals (no probe counts this in buckets)".to_owned(),
    };
    lines.push(Line::styled(text, theme.muted()));
    let below = Rect {
        y: area.y + 1,
        height: area.height - 1,
        ..area
    };
    pieces::lines(buffer, below, &lines);
}

const fn source(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Proc => "kernel",
        SourceKind::Probe => "probe",
        SourceKind::Unavailable => UNAVAILABLE,
    }
}

/// The meaning of a dimension, or why its counts are wrong at the end of the window.
fn about(app: &App, dimension: &Dimension) -> String {
    let wrong = match dimension.quantity {
        Quantity::Rate(counter) => app.instance().and_then(|i| i.why_wrong(counter, app.end())),
        Quantity::Entries => None,
    };
    match wrong {
        Some(reason) => format!("{WRONG} wrong: {reason}"),
        None => meaning(dimension).to_owned(),
    }
}

fn meaning(dimension: &Dimension) -> &'static str {
    match dimension.quantity {
        Quantity::Rate(counter) => counter.spec().meaning,
        Quantity::Entries => "entries in the table, those not yet confirmed included",
    }
}

fn reason(app: &App, dimension: &Dimension) -> String {
    match app.hello() {
        Some(hello) => hello.reason(dimension.quantity).to_string(),
        None => "unavailable".to_owned(),
    }
}
