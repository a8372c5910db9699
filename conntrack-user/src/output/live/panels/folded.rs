//! Charts that have nothing to show, in one line.

use ratatui::{buffer::Buffer, layout::Rect, text::Line};

use crate::{
    model::{
        history::samples::first_dimension,
        kernel::{
            charts::{CHARTS, Chart, Quantity},
            counters::ChartId,
        },
        record::SourceKind,
    },
    output::{
        format::number::UNAVAILABLE,
        live::{app::App, panels::pieces},
    },
};

/// Whether each chart is shown: it has something to show in the window, or is about the table or new flows.
pub(super) fn active(app: &App) -> [bool; CHARTS.len()] {
    let Some(instance) = app.instance() else {
        return [true; CHARTS.len()];
    };
    let end = app.end();
    let mut active = instance.active_charts(&(end - app.view.span()..end));
    active[ChartId::Sockets as usize] = true;
    active[ChartId::New as usize] |= !is_unavailable(app, ChartId::New as usize);
    active
}

/// Names the charts that are not active: those at zero, and those that cannot be counted.
pub(super) fn draw(app: &App, active: [bool; CHARTS.len()], area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let folded = (0..CHARTS.len()).filter(|chart| !active[*chart]);
    let (unavailable, zero): (Vec<usize>, Vec<usize>) =
        folded.partition(|chart| is_unavailable(app, *chart));
    let names = |charts: &[usize]| {
        let names = charts.iter().map(|chart| name(&CHARTS[*chart]));
        names.collect::<Vec<_>>().join(", ")
    };
    let mut parts = Vec::new();
    if !zero.is_empty() {
        parts.push(format!("at zero: {}", names(&zero)));
    }
    if !unavailable.is_empty() {
        let unavailable = names(&unavailable);
        parts.push(format!(
            "{UNAVAILABLE} not counted: {unavailable} (n says why)"
        ));
    }
    let text = parts.join("   ");
    pieces::line(buffer, area, &Line::styled(text, app.theme.muted()));
}

fn name(chart: &Chart) -> String {
    chart.label.to_lowercase()
}

/// Whether no rate of a chart can be counted now.
fn is_unavailable(app: &App, chart: usize) -> bool {
    let point = app.instance().and_then(|i| i.at(app.end()));
    let Some((point, spec)) = point.zip(CHARTS.get(chart)) else {
        return false;
    };
    let first = first_dimension(chart);
    let sources = point.sources.iter().skip(first);
    let mut rates = sources
        .zip(spec.dimensions)
        .filter(|(_, dimension)| matches!(dimension.quantity, Quantity::Rate(_)))
        .peekable();
    rates.peek().is_some() && rates.all(|(source, _)| *source == SourceKind::Unavailable)
}
