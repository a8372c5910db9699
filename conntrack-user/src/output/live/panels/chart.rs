//! A chart: its legend with numbers, and a plot mirrored at zero.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use crate::{
    model::{
        history::{samples::first_dimension, views::DimensionView},
        kernel::charts::{CHARTS, Dimension, Quantity},
        record::SourceKind,
    },
    output::{
        format::number::{UNAVAILABLE, WRONG, compact, decimal, marked_wrong},
        live::{
            app::App,
            panels::{
                chart_shape::{ChartShape, NUMBER},
                chart_views::ChartViews,
                pieces,
            },
            plot::{self, Drawn, PlotScale},
            state::Measure,
            theme::Theme,
        },
    },
};

/// The width of a number, without the blank.
const DIGITS: usize = NUMBER as usize - 1;

/// Draws a chart.
pub(super) fn draw(
    app: &App,
    chart: usize,
    area: Rect,
    shape: ChartShape,
    views: &ChartViews<'_>,
    buffer: &mut Buffer,
) {
    let Some(spec) = CHARTS.get(chart).filter(|_| !area.is_empty()) else {
        return;
    };
    let theme = app.theme;
    let body = if shape.titles {
        let parts = vec![
            Span::styled(format!("{} ", chart + 1), theme.key()),
            Span::styled(spec.label, theme.title()),
            Span::styled(format!(" {}", spec.unit), theme.muted()),
        ];
        pieces::title(buffer, area, theme, parts);
        Rect {
            y: area.y + 1,
            height: area.height - 1,
            ..area
        }
    } else {
        let tag = spec.tag;
        if shape.tag > 0 {
            pieces::line(buffer, area, &Line::styled(tag, theme.title()));
        }
        area
    };
    let plot = shape.plot(body);
    let views = views.of(chart, shape.columns(theme));
    legend(app, chart, &views, body, shape, buffer);
    if plot.is_empty() {
        return;
    }
    if views.iter().all(|v| v.source == SourceKind::Unavailable) {
        reasons(app, spec.dimensions, plot, buffer);
        return;
    }
    let drawn: Vec<Drawn> = views
        .iter()
        .zip(spec.dimensions)
        .enumerate()
        .map(|(place, (view, dimension))| Drawn {
            values: view
                .columns
                .iter()
                .map(|column| {
                    column.map(|column| match app.view.measure {
                        Measure::Average => column.mean,
                        Measure::Peak => column.peak,
                    })
                })
                .collect(),
            down: dimension.below,
            place,
            style: theme.colour(dimension.colour),
        })
        .collect();
    let mirrored = spec.dimensions.iter().any(|dimension| dimension.below);
    let scale = PlotScale::new(theme, &drawn, plot.height, mirrored);
    plot::draw(buffer, plot, theme, &drawn, scale);
    numbers(theme, shape.gutter(body), scale, buffer);
}

/// Draws the values at the top and the bottom of the plot.
fn numbers(theme: Theme, gutter: Rect, scale: PlotScale, buffer: &mut Buffer) {
    if gutter.is_empty() {
        return;
    }
    let mut put = |y: u16, value: f64| {
        let text = format!("{:>5}", compact(value));
        let area = Rect {
            y,
            height: 1,
            ..gutter
        };
        pieces::line(buffer, area, &Line::styled(text, theme.rule()));
    };
    if scale.top > 0.0 {
        put(gutter.y, scale.top);
    }
    if scale.bottom > 0.0 && (gutter.height > 1 || scale.top == 0.0) {
        put(gutter.bottom() - 1, scale.bottom);
    }
}

/// The dimensions that fit; if there are not enough rows, those that are active.
fn legend(
    app: &App,
    chart: usize,
    views: &[DimensionView],
    area: Rect,
    shape: ChartShape,
    buffer: &mut Buffer,
) {
    let dimensions = CHARTS.get(chart).map_or(&[][..], |c| c.dimensions);
    let mut order: Vec<usize> = (0..views.len().min(dimensions.len())).collect();
    if order.len() > usize::from(area.height) {
        order.sort_by_key(|i| !views[*i].is_active());
        order.truncate(area.height.into());
        order.sort_unstable();
    }
    let legend = shape.legend(area);
    let point = app.instance().and_then(|instance| instance.at(app.end()));
    for (place, y) in order.into_iter().zip(legend.top()..) {
        let row = Rect {
            x: legend.x + shape.tag.min(legend.width),
            y,
            width: legend.width.saturating_sub(shape.tag),
            height: 1,
        };
        let total = point.and_then(|point| point.totals[first_dimension(chart) + place]);
        let text = legend_row(
            app.theme,
            &dimensions[place],
            place,
            (&views[place], total),
            shape,
        );
        pieces::line(buffer, row, &text);
    }
}

fn legend_row(
    theme: Theme,
    dimension: &Dimension,
    place: usize,
    (view, total): (&DimensionView, Option<u64>),
    shape: ChartShape,
) -> Line<'static> {
    let known = view.source != SourceKind::Unavailable;
    let colour = theme.colour(dimension.colour);
    let width = usize::from(shape.name).saturating_sub(2);
    let label: String = dimension.name.chars().take(width).collect();
    let mut line = Line::default();
    line.push_span(Span::styled(
        theme.mark(place),
        if known { colour } else { theme.muted() },
    ));
    let style = if view.is_active() {
        colour
    } else {
        theme.muted()
    };
    let is_wrong = view.is_now_wrong || view.is_window_wrong;
    line.push_span(if is_wrong {
        Span::styled(format!("{WRONG}{label:<width$}"), theme.alarm())
    } else {
        Span::styled(format!(" {label:<width$}"), style)
    });
    let count = dimension.quantity == Quantity::Entries;
    let values = [
        (view.now, view.is_now_wrong),
        (view.peak, view.is_window_wrong),
        (view.p99, view.is_window_wrong),
        (total.map(|total| total as f64), view.is_now_wrong),
    ];
    for (i, (value, wrong)) in values.into_iter().take(shape.numbers.into()).enumerate() {
        let text = match value {
            Some(value) if wrong => marked_wrong(compact(value), value, DIGITS),
            // Unknown, and not zero.
            // A number of entries has no total.
            None if count && i == 3 => String::new(),
            None => UNAVAILABLE.to_owned(),
            Some(value) if count && value < 99_999.5 => decimal(value, 0),
            Some(value) => compact(value),
        };
        let style = match (value, i) {
            (None, _) => theme.muted(),
            _ if wrong => theme.critical(),
            (Some(0.0), _) => theme.muted(),
            (_, 0) => theme.strong(),
            _ => ratatui::style::Style::new(),
        };
        line.push_span(Span::styled(
            format!("{text:>width$}", width = usize::from(NUMBER)),
            style,
        ));
    }
    line
}

/// Explains in place of the plot why a chart is empty.
fn reasons(app: &App, dimensions: &[Dimension], plot: Rect, buffer: &mut Buffer) {
    let Some(hello) = app.hello() else {
        return;
    };
    let groups = hello.why_unavailable(dimensions);
    let text: Vec<Line<'_>> = groups
        .iter()
        .flat_map(|group| {
            let text = if groups.len() == 1 {
                format!("{UNAVAILABLE} {}", group.reason)
            } else {
                format!("{UNAVAILABLE} {}: {}", group.names.join(", "), group.reason)
            };
            pieces::wrapped(&text, plot.width.into(), app.theme.muted())
        })
        .collect();
    pieces::lines(buffer, plot, &text);
}
