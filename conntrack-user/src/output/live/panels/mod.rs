//! The panels of the screen, one file each.

mod axis;
mod chart;
mod chart_shape;
mod chart_views;
mod checks;
mod contents;
mod details;
mod feed;
mod folded;
mod footer;
mod gauge;
mod header;
mod help;
mod hit;
mod hosts;
mod instances;
mod messages;
mod pieces;
mod popup;
mod ribbon;
mod top;
mod verdict;

use ratatui::{buffer::Buffer, layout::Rect, text::Line};

pub use self::hit::{Hit, hit};
use self::{chart_shape::ChartShape, chart_views::ChartViews};
use crate::{
    model::kernel::charts::CHARTS,
    output::live::{
        app::App,
        layout::{Areas, LayoutInput, areas, verdict_rows},
        state::Overlay,
    },
};

/// Draws everything.
pub fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let messages = messages::lines(app);
    let verdict = verdict::lines(app, area.width, verdict_rows(area.height));
    let active = folded::active(app);
    let areas = areas_of(app, area, &messages, &verdict, active);
    header::draw(app, areas.header, buffer);
    gauge::draw(app, areas.gauge, buffer);
    pieces::lines(buffer, areas.messages, &messages);
    pieces::lines(buffer, areas.verdict, &verdict);
    let views = ChartViews::new(app);
    charts(app, &areas, &views, buffer);
    folded::draw(app, active, areas.folded, buffer);
    details::draw(app, areas.details, &views, buffer);
    feed::draw(app, areas.feed, buffer);
    top::draw(app, areas.top, buffer);
    instances::draw(app, areas.instances, buffer);
    footer::draw(app, areas.footer, buffer);
    // The messages must not be covered.
    let above = areas.messages.bottom().max(areas.gauge.bottom());
    let under = Rect {
        y: above,
        height: area.bottom().saturating_sub(above),
        ..area
    };
    match app.view.overlay {
        Some(Overlay::Help) => help::draw(app, under, buffer),
        Some(Overlay::Checks) => checks::draw(app, under, buffer),
        Some(Overlay::Contents) => contents::draw(app, under, buffer),
        Some(Overlay::Messages) => messages::draw(app, under, buffer),
        Some(Overlay::Instances(cursor)) => instances::choose(app, under, buffer, cursor),
        None => {}
    }
}

/// Where everything is, with these messages, this verdict, and these charts that have something to show.
fn areas_of(
    app: &App,
    area: Rect,
    messages: &[Line<'_>],
    verdict: &[Line<'_>],
    active: [bool; CHARTS.len()],
) -> Areas {
    let wanted = LayoutInput {
        messages: u16::try_from(messages.len()).unwrap_or(u16::MAX),
        verdict: u16::try_from(verdict.len()).unwrap_or(u16::MAX),
        active,
        layout: app.view.layout,
        focus: app.view.focus,
        top: app
            .instance()
            .is_some_and(|instance| instance.tops(app.end()).exist()),
        instances: app.history.names().len(),
    };
    areas(area, &wanted)
}

fn charts(app: &App, areas: &Areas, views: &ChartViews<'_>, buffer: &mut Buffer) {
    for (axis, ribbon) in areas.axes.iter().zip(&areas.ribbons) {
        let shape = ChartShape::new(axis.width, areas.titles);
        axis::draw(app, *axis, shape, buffer);
        ribbon::draw(app, *ribbon, shape, views, buffer);
    }
    for place in &areas.charts {
        let shape = ChartShape::new(place.area.width, areas.titles);
        chart::draw(app, place.chart, place.area, shape, views, buffer);
    }
}
