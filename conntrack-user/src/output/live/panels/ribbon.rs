//! The activity ribbon: how busy the window was, to the millisecond, and the bursts in it.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use crate::{
    model::{history::activity::ActivitySummary, kernel::charts::CHARTS},
    output::{
        format::number::{UNAVAILABLE, WRONG, compact},
        live::{
            app::App,
            panels::{chart_shape::ChartShape, chart_views::ChartViews, pieces},
            plot::dots_in_character,
            theme::Theme,
        },
    },
};

pub(super) fn draw(
    app: &App,
    area: Rect,
    shape: ChartShape,
    views: &ChartViews<'_>,
    buffer: &mut Buffer,
) {
    let Some(instance) = app.instance().filter(|_| !area.is_empty()) else {
        return;
    };
    let theme = app.theme;
    let columns = shape.columns(theme);
    let window = pieces::window(app, columns);
    let rates: Vec<_> = (1..CHARTS.len()).map(|c| views.of(c, columns)).collect();
    let rates: Vec<_> = rates.iter().flat_map(|views| views.iter()).collect();
    let is_wrong = rates.iter().any(|view| view.is_window_wrong);
    let mark = if is_wrong { WRONG } else { "" };
    let activity = instance.activity(&window, &rates, dots_in_character(theme));
    pieces::line(
        buffer,
        shape.legend(area),
        &summary(theme, activity.summary, mark),
    );
    let plot = shape.plot(area);
    if plot.is_empty() {
        return;
    }
    let levels = theme.levels();
    for ((rate, burst), x) in activity
        .columns
        .into_iter()
        .zip(activity.in_burst)
        .zip(plot.left()..plot.right())
    {
        let symbol = match rate {
            None => " ",
            Some(rate) => levels[level(rate, activity.greatest, levels.len())],
        };
        let style = if burst {
            theme.warning()
        } else {
            theme.muted()
        };
        if let Some(cell) = buffer.cell_mut((x, plot.y)) {
            // A burst is visible even if it is small compared to others.
            cell.set_symbol(if burst && symbol == " " {
                levels[1]
            } else {
                symbol
            });
            cell.set_style(style);
        }
    }
}

/// `mark`: of the rate, if it may be one of a counter that is wrong.
fn summary(theme: Theme, summary: ActivitySummary, mark: &str) -> Line<'static> {
    match summary {
        ActivitySummary::Bursts { number, peak_rate } => Line::from(vec![
            Span::styled(format!("{number} "), theme.warning()),
            Span::styled(
                if number == 1 { "burst, " } else { "bursts, " },
                Style::new(),
            ),
            Span::styled(format!("{}{mark}", compact(peak_rate)), theme.strong()),
            Span::styled("/s", Style::new()),
        ]),
        ActivitySummary::Busiest(rate) => Line::from(vec![
            Span::styled("busiest ", theme.muted()),
            Span::raw(format!("{}{mark}", compact(rate))),
            Span::styled("/s", theme.muted()),
        ]),
        ActivitySummary::Quiet => Line::styled("quiet", theme.muted()),
        ActivitySummary::Unknown => {
            Line::styled(format!("{UNAVAILABLE} not counted"), theme.muted())
        }
    }
}

/// The level of a rate, on a logarithmic scale: each level is about twice the previous one.
fn level(rate: f64, most: f64, levels: usize) -> usize {
    if rate <= 0.0 || most <= 0.0 {
        return 0;
    }
    let below = (most / rate).log2().max(0.0).floor() as usize;
    (levels - 1).saturating_sub(below).max(1)
}
