//! A chart: its legend with numbers, and its plot mirrored about zero.

use crate::text::Text;
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use crate::{
    model::{
        history::window::DimensionView,
        kernel::charts::{CHARTS, Dimension, Quantity},
        record::SourceKind,
    },
    output::{
        live::{
            app::{App, Measure},
            panels::{pieces, views::Views},
            plot::{self, Drawn, Scale, dots_across},
            theme::Theme,
        },
        number::{UNAVAILABLE, compact, compact_or_dash},
    },
};

/// Room for a number and the blank before it.
const NUMBER: u16 = 6;

/// Columns of a chart, from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Whether the title has a line of its own, or else a column.
    titles: bool,
    /// The short title.
    tag: u16,
    /// Mark and name of a dimension.
    name: u16,
    /// How many of now, peak and p99 there is room for.
    numbers: u16,
    /// Numbers at the plot's axis.
    gutter: u16,
    /// The plot.
    plot: u16,
}

impl Shape {
    /// For a chart of this width.
    #[must_use]
    pub(super) fn new(width: u16, titles: bool) -> Self {
        let tag = if titles || width < 30 { 0 } else { 4 };
        let name = if width < 30 { 9 } else { 14 };
        let (numbers, gutter) = match width {
            78.. => (3, 6),
            56.. => (2, 6),
            _ => (1, 0),
        };
        let legend = tag + name + numbers * NUMBER;
        let plot = width.saturating_sub(legend + gutter + 1);
        Self {
            titles,
            tag,
            name,
            numbers,
            gutter,
            plot: if plot < 4 { 0 } else { plot },
        }
    }

    /// The part left of the plot and its axis.
    pub(super) fn legend(self, area: Rect) -> Rect {
        let width = self.tag + self.name + self.numbers * NUMBER;
        Rect {
            width: width.min(area.width),
            ..area
        }
    }

    /// The part where things stand at their time.
    pub(super) fn plot(self, area: Rect) -> Rect {
        let width = self.plot.min(area.width);
        Rect {
            x: area.right() - width,
            width,
            ..area
        }
    }

    /// Columns of dots in the plot; one where there is no room for it: numbers are of the window all the
    /// same.
    pub(super) fn columns(self, theme: Theme) -> usize {
        dots_across(theme, self.plot).max(1)
    }

    fn gutter(self, area: Rect) -> Rect {
        let plot = self.plot(area);
        let width = if plot.is_empty() { 0 } else { self.gutter };
        Rect {
            x: plot.x.saturating_sub(width),
            width,
            ..area
        }
    }

    /// Headings of the numbers.
    pub(super) fn headings(self, theme: Theme) -> Line<'static> {
        let before = usize::from(self.tag + self.name);
        let titles = ["now", "peak", "p99"].into_iter();
        let mut text = " ".repeat(before);
        for title in titles.take(usize::from(self.numbers)) {
            text.push_str(&format!("{title:>width$}", width = usize::from(NUMBER)));
        }
        Line::styled(text, theme.muted())
    }
}

/// Draws a chart.
pub(super) fn draw(
    app: &App,
    chart: usize,
    area: Rect,
    shape: Shape,
    views: &Views<'_>,
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
    let scale = Scale::new(theme, &drawn, plot.height, mirrored);
    plot::draw(buffer, plot, theme, &drawn, scale);
    numbers(theme, shape.gutter(body), scale, buffer);
}

/// What the top and the bottom of the plot stand for.
fn numbers(theme: Theme, gutter: Rect, scale: Scale, buffer: &mut Buffer) {
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

/// The dimensions that there are rows for, those with something to say first.
fn legend(
    app: &App,
    chart: usize,
    views: &[DimensionView],
    area: Rect,
    shape: Shape,
    buffer: &mut Buffer,
) {
    let dimensions = CHARTS[chart].dimensions;
    let mut order: Vec<usize> = (0..views.len().min(dimensions.len())).collect();
    if order.len() > usize::from(area.height) {
        order.sort_by_key(|i| views[*i].peak.is_none_or(|peak| peak == 0.0));
        order.truncate(area.height.into());
        order.sort_unstable();
    }
    let legend = shape.legend(area);
    for (place, y) in order.into_iter().zip(legend.top()..) {
        let row = Rect {
            x: legend.x + shape.tag.min(legend.width),
            y,
            width: legend.width.saturating_sub(shape.tag),
            height: 1,
        };
        let text = legend_row(app.theme, chart, place, &views[place], shape);
        pieces::line(buffer, row, &text);
    }
}

fn legend_row(
    theme: Theme,
    chart: usize,
    place: usize,
    view: &DimensionView,
    shape: Shape,
) -> Line<'static> {
    let dimension = &CHARTS[chart].dimensions[place];
    let known = view.source != SourceKind::Unavailable;
    let colour = theme.colour(dimension.colour);
    let width = usize::from(shape.name).saturating_sub(2);
    let label: String = dimension.name.chars().take(width).collect();
    let mut line = Line::default();
    line.push_span(Span::styled(
        theme.mark(place),
        if known { colour } else { theme.muted() },
    ));
    let quiet = !known || view.peak == Some(0.0);
    let style = if quiet { theme.muted() } else { colour };
    line.push_span(Span::styled(format!(" {label:<width$}"), style));
    let count = dimension.quantity == Quantity::Entries;
    let values = [view.now, view.peak, view.p99];
    for (i, value) in values.into_iter().take(shape.numbers.into()).enumerate() {
        let text = match value {
            // Not known to be nothing: not known.
            None => UNAVAILABLE.to_owned(),
            Some(value) if count && value < 99_999.5 => format!("{value:.0}"),
            Some(_) => compact_or_dash(value),
        };
        let style = match (value, i) {
            (None, _) => theme.muted(),
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

/// Why a chart is empty, where its plot would be.
fn reasons(app: &App, dimensions: &[Dimension], plot: Rect, buffer: &mut Buffer) {
    let Some(hello) = app.history.hello() else {
        return;
    };
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for dimension in dimensions {
        let reason = match dimension.quantity {
            Quantity::Rate(counter) => hello.unavailable.get(counter).map(Text::to_string),
            Quantity::Entries => Some("the number of entries cannot be read".to_owned()),
        };
        let reason = reason.unwrap_or_else(|| "unavailable".to_owned());
        match groups.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, names)) => names.push(dimension.name),
            None => groups.push((reason, vec![dimension.name])),
        }
    }
    let text: Vec<Line<'_>> = groups
        .iter()
        .flat_map(|(reason, names)| {
            let text = if groups.len() == 1 {
                format!("{UNAVAILABLE} {reason}")
            } else {
                format!("{UNAVAILABLE} {}: {reason}", names.join(", "))
            };
            pieces::wrapped(&text, plot.width.into(), app.theme.muted())
        })
        .collect();
    pieces::lines(buffer, plot, &text);
}
