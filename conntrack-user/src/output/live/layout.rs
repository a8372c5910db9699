//! The layout: from the size and the contents of the screen to rectangles. Pure.

use ratatui::layout::Rect;

use crate::{model::kernel::charts::CHARTS, output::live::state::ScreenLayout};

/// The contents of the screen.
#[derive(Clone, Copy, Debug)]
pub struct LayoutInput {
    /// Lines of messages.
    pub messages: u16,
    /// Lines of the verdict.
    pub verdict: u16,
    /// Whether each chart has something to show; the others are folded into one line.
    pub active: [bool; CHARTS.len()],
    /// The selected layout.
    pub layout: ScreenLayout,
    /// The chart that is shown alone.
    pub focus: Option<usize>,
    /// Whether there are top talkers.
    pub top: bool,
    /// Number of instances.
    pub instances: usize,
}

/// The place of a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChartArea {
    /// The index of the chart.
    pub chart: usize,
    /// Its rectangle.
    pub area: Rect,
}

/// The areas of the screen. A panel that does not fit has an empty area.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Areas {
    /// Host, kernel, probes and verdict.
    pub header: Rect,
    /// Utilization of the table, and its alert.
    pub gauge: Rect,
    pub messages: Rect,
    /// What to know first.
    pub verdict: Rect,
    /// Headings and the time axis, above each column of charts.
    pub axes: Vec<Rect>,
    /// The activity ribbon below each axis.
    pub ribbons: Vec<Rect>,
    pub charts: Vec<ChartArea>,
    /// The names of the charts that are folded.
    pub folded: Rect,
    /// Whether each chart has a line for its title.
    pub titles: bool,
    /// Sources and reasons of the focused chart's dimensions.
    pub details: Rect,
    /// Events.
    pub feed: Rect,
    /// Top talkers.
    pub top: Rect,
    pub instances: Rect,
    /// Keys.
    pub footer: Rect,
}

/// Charts in order of importance: the last is dropped first when there are not enough rows.
const RANK: [usize; 6] = [1, 0, 5, 2, 4, 3];

/// Charts from top to bottom: what went wrong comes first.
const ORDER: [usize; 6] = [5, 0, 1, 2, 4, 3];

/// The most rows for the verdict, of ten rows of the screen.
const TENTHS_FOR_VERDICT: u16 = 3;

/// Divides an area into panels.
#[must_use]
pub fn areas(area: Rect, wanted: &LayoutInput) -> Areas {
    let mut rest = RemainingRows(area);
    let height = area.height;
    let mut areas = Areas::default();
    if height >= 2 {
        areas.header = rest.top(1);
    }
    areas.gauge = rest.top(1);
    if height >= 6 {
        areas.footer = rest.bottom(1);
    }
    areas.messages = rest.top(wanted.messages.min(rest.0.height / 2));
    if height >= 8 {
        areas.verdict = rest.top(wanted.verdict.min(verdict_rows(height)));
    }
    let axis = rest.top(u16::from(height >= 9));
    let ribbon = rest.top(u16::from(height >= 10));
    if let Some(chart) = wanted.focus {
        let dimensions = CHARTS.get(chart).map_or(0, |c| c.dimensions.len());
        let details = u16::try_from(dimensions + 2).unwrap_or(0);
        areas.details = rest.bottom(if rest.0.height >= details * 2 {
            details
        } else {
            0
        });
        areas.titles = rest.0.height > 1;
        areas.charts = vec![ChartArea {
            chart,
            area: rest.0,
        }];
        areas.axes = vec![axis];
        areas.ribbons = vec![ribbon];
        return areas;
    }
    let shown: Vec<usize> = ORDER.into_iter().filter(|i| wanted.active[*i]).collect();
    let is_folded = shown.len() < CHARTS.len() && height >= 10;
    let bottom = rest.bottom(feeds(
        rest.0.height.saturating_sub(u16::from(is_folded)),
        rows_of(&shown),
        wanted.layout,
    ));
    areas.folded = rest.bottom(u16::from(is_folded));
    place_charts(&mut areas, &shown, rest.0, axis, ribbon);
    place_feeds(&mut areas, bottom, wanted);
    areas
}

/// The most rows for the verdict on a screen of this height.
#[must_use]
pub fn verdict_rows(height: u16) -> u16 {
    (height * TENTHS_FOR_VERDICT / 10).max(2)
}

/// A row for each dimension of these charts.
fn rows_of(charts: &[usize]) -> u16 {
    let rows: usize = charts.iter().map(|i| CHARTS[*i].dimensions.len()).sum();
    u16::try_from(rows).unwrap_or(u16::MAX)
}

/// The rows for events and top talkers, of those that are left. Charts that have a row for each dimension take half of what
/// else there is.
fn feeds(rows: u16, charts: u16, layout: ScreenLayout) -> u16 {
    let rest = rows.saturating_sub(charts);
    match layout {
        ScreenLayout::Charts => 0,
        ScreenLayout::Lists if rows < 24 => rows,
        ScreenLayout::Events | ScreenLayout::Lists => rows - (rows / 3).max(rows.min(6)),
        ScreenLayout::Overview => rest.min((rest / 2).max(7)),
    }
}

fn place_charts(areas: &mut Areas, shown: &[usize], area: Rect, axis: Rect, ribbon: Rect) {
    let most = u16::try_from(shown.len()).unwrap_or(6).max(1);
    let columns: u16 = match area.width {
        240.. if area.height >= 12 => 3,
        160.. if area.height >= 18 => 2,
        _ => 1,
    }
    .min(most);
    let split =
        |line: Rect| -> Vec<Rect> { (0..columns).map(|i| column(line, i, columns)).collect() };
    areas.axes = split(axis);
    areas.ribbons = split(ribbon);
    if columns == 1 {
        let heights = heights(area.height, shown);
        areas.titles = shown
            .iter()
            .all(|chart| usize::from(heights[*chart]) > CHARTS[*chart].dimensions.len());
        let mut rest = RemainingRows(area);
        for &chart in shown {
            if heights[chart] > 0 {
                let area = rest.top(heights[chart]);
                areas.charts.push(ChartArea { chart, area });
            }
        }
        return;
    }
    areas.titles = true;
    let rows = most.div_ceil(columns);
    for (&chart, i) in shown.iter().zip(0_u16..) {
        let (row, at) = (i / columns, i % columns);
        let height = area.height / rows + u16::from(row < area.height % rows);
        let above = area.height / rows * row + row.min(area.height % rows);
        let line = Rect::new(area.x, area.y + above, area.width, height);
        areas.charts.push(ChartArea {
            chart,
            area: column(line, at, columns),
        });
    }
}

/// The heights of the charts of a column; 0 of those that are not shown.
fn heights(rows: u16, shown: &[usize]) -> [u16; 6] {
    let mut heights = [0_u16; 6];
    for &chart in shown {
        heights[chart] = u16::try_from(CHARTS[chart].dimensions.len()).unwrap_or(1);
    }
    let total = |heights: &[u16; 6]| heights.iter().sum::<u16>();
    while total(&heights) > rows {
        // Take rows from the tallest chart, of equals from the least important, until whole charts are dropped.
        let tallest = heights.iter().copied().max().unwrap_or(0);
        let least = RANK.iter().rev().find(|i| heights[**i] == tallest);
        match least {
            Some(i) => heights[*i] -= 1,
            None => break,
        }
    }
    let is_whole = shown.iter().all(|chart| heights[*chart] > 0);
    if rows >= total(&heights) + rows_for_titles(shown) && is_whole {
        for &chart in shown {
            heights[chart] += 1;
        }
    }
    let mut order = RANK.iter().filter(|chart| shown.contains(chart)).cycle();
    while total(&heights) < rows && is_whole {
        match order.next() {
            Some(i) => heights[*i] += 1,
            None => break,
        }
    }
    heights
}

fn rows_for_titles(shown: &[usize]) -> u16 {
    u16::try_from(shown.len()).unwrap_or(6)
}

fn place_feeds(areas: &mut Areas, area: Rect, wanted: &LayoutInput) {
    if area.is_empty() {
        return;
    }
    let instances = wanted.instances > 1 && area.height >= 4;
    // On a small screen the verdict has the first of them.
    let top = wanted.top && area.height >= 6;
    let parts = 1 + u16::from(instances) + u16::from(top);
    if area.width >= 50 * parts {
        areas.feed = column(area, 0, parts);
        if top {
            areas.top = column(area, 1, parts);
        }
        if instances {
            areas.instances = column(area, parts - 1, parts);
        }
        return;
    }
    // Too narrow for both side by side: events go below.
    let mut rest = RemainingRows(area);
    let share = area.height / parts;
    if instances {
        areas.instances = rest.top(share);
    }
    if top {
        areas.top = rest.top(share);
    }
    areas.feed = rest.0;
}

/// The `i`th of `count` columns, with a blank between columns.
fn column(line: Rect, i: u16, count: u16) -> Rect {
    let gaps = count - 1;
    let width = line.width.saturating_sub(gaps) / count;
    let x = line.x + (width + 1) * i;
    let width = if i + 1 == count {
        line.right().saturating_sub(x)
    } else {
        width
    };
    Rect::new(x, line.y, width, line.height)
}

/// The rows that are not yet assigned.
struct RemainingRows(Rect);

impl RemainingRows {
    fn top(&mut self, rows: u16) -> Rect {
        let rows = rows.min(self.0.height);
        let taken = Rect {
            height: rows,
            ..self.0
        };
        self.0.y += rows;
        self.0.height -= rows;
        taken
    }

    fn bottom(&mut self, rows: u16) -> Rect {
        let rows = rows.min(self.0.height);
        self.0.height -= rows;
        Rect {
            y: self.0.y + self.0.height,
            height: rows,
            ..self.0
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wanted() -> LayoutInput {
        LayoutInput {
            messages: 0,
            verdict: 0,
            active: [true; 6],
            layout: ScreenLayout::Overview,
            focus: None,
            top: false,
            instances: 1,
        }
    }

    #[test]
    fn the_smallest_common_terminal_shows_every_dimension() {
        let areas = areas(Rect::new(0, 0, 80, 24), &wanted());
        for ChartArea { chart, area } in &areas.charts {
            assert_eq!(usize::from(area.height), CHARTS[*chart].dimensions.len());
        }
        assert_eq!(areas.charts.len(), 6);
        assert_eq!((areas.feed.height, areas.titles), (2, false));
        assert!(areas.folded.is_empty());
    }

    #[test]
    fn a_row_for_each_chart_as_long_as_there_is_one() {
        for rows in 6..60 {
            let heights = heights(rows, &ORDER);
            assert!(heights.iter().all(|h| *h > 0), "{rows}: {heights:?}");
            assert_eq!(heights.iter().sum::<u16>(), rows);
        }
        assert_eq!(heights(1, &ORDER), [0, 1, 0, 0, 0, 0]);
    }

    #[test]
    fn what_is_folded_leaves_its_rows_to_others() {
        let mut wanted = wanted();
        wanted.active = [true, true, false, false, false, true];
        wanted.verdict = 4;
        let areas = areas(Rect::new(0, 0, 80, 24), &wanted);
        let charts: Vec<usize> = areas.charts.iter().map(|c| c.chart).collect();
        assert_eq!(charts, [5, 0, 1]);
        assert_eq!((areas.verdict.height, areas.folded.height), (4, 1));
        assert!(areas.feed.height >= 3, "{areas:?}");
    }

    proptest! {
        #[test]
        fn nothing_overlaps_or_exceeds_the_screen(
            width in 0..400_u16, height in 0..120_u16, messages in 0..4_u16, verdict in 0..9_u16,
            active in any::<[bool; 6]>(),
            layout in prop_oneof![Just(ScreenLayout::Overview), Just(ScreenLayout::Charts), Just(ScreenLayout::Events), Just(ScreenLayout::Lists)],
            focus in prop::option::of(0..6_usize), top in any::<bool>(), instances in 0..5_usize,
        ) {
            let area = Rect::new(0, 0, width, height);
            let wanted = LayoutInput { messages, verdict, active, layout, focus, top, instances };
            let areas = areas(area, &wanted);
            let mut all = vec![
                areas.header, areas.gauge, areas.messages, areas.verdict, areas.folded, areas.details, areas.feed, areas.top,
                areas.instances, areas.footer,
            ];
            all.extend(&areas.axes);
            all.extend(&areas.ribbons);
            all.extend(areas.charts.iter().map(|c| c.area));
            all.retain(|a| !a.is_empty());
            for (i, a) in all.iter().enumerate() {
                prop_assert_eq!(a.intersection(area), *a);
                for b in &all[i + 1..] {
                    prop_assert!(!a.intersects(*b), "{:?} {:?}", a, b);
                }
            }
        }
    }
}
