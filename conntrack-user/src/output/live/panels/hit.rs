//! What is at a place of the screen, for the mouse.

use ratatui::layout::{Position, Rect};

use crate::output::live::{
    app::App,
    layout::verdict_rows,
    panels::{areas_of, feed, folded, messages, top, verdict},
};

/// What is at a place of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit {
    Chart(usize),
    /// The feed, and the row of its list.
    Events(Option<usize>),
    /// The tables of top talkers: the index of one, and a row of it.
    Talkers(Option<(usize, usize)>),
}

/// What of a screen is at a place.
#[must_use]
pub fn hit(app: &App, screen: Rect, at: Position) -> Option<Hit> {
    let verdict = verdict::lines(app, screen.width, verdict_rows(screen.height));
    let areas = areas_of(
        app,
        screen,
        &messages::lines(app),
        &verdict,
        folded::active(app),
    );
    if areas.feed.contains(at) {
        return Some(Hit::Events(feed::row_at(app, areas.feed, at)));
    }
    if areas.top.contains(at) {
        return Some(Hit::Talkers(top::row_at(app, areas.top, at)));
    }
    let mut charts = areas.charts.iter();
    let chart = charts.find(|place| place.area.contains(at))?;
    Some(Hit::Chart(chart.chart))
}
