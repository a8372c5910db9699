//! The columns of a chart: legend, axis and plot. The time axis and the ribbon use them too.

use ratatui::{layout::Rect, text::Line};

use crate::output::live::{plot::dots_across, theme::Theme};

/// The width of a number, with a blank.
pub(super) const NUMBER: u16 = 6;

/// Columns of a chart, from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChartShape {
    /// Whether the title has a line of its own; else it has a column.
    pub(super) titles: bool,
    /// The width of the short title.
    pub(super) tag: u16,
    /// The width of a dimension's mark and name.
    pub(super) name: u16,
    /// How many of now, peak, p99 and the total since the start are shown.
    pub(super) numbers: u16,
    /// The width of the numbers at the plot's axis.
    gutter: u16,
    plot: u16,
}

impl ChartShape {
    /// The shape for a chart of this width.
    #[must_use]
    pub(super) fn new(width: u16, titles: bool) -> Self {
        let tag = if titles || width < 30 { 0 } else { 4 };
        let name = if width < 30 { 9 } else { 14 };
        let (numbers, gutter) = match width {
            100.. => (4, 6),
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

    /// The part to the left of the plot and its axis.
    pub(super) fn legend(self, area: Rect) -> Rect {
        let width = self.tag + self.name + self.numbers * NUMBER;
        Rect {
            width: width.min(area.width),
            ..area
        }
    }

    /// The part where values are drawn at their times.
    pub(super) fn plot(self, area: Rect) -> Rect {
        let width = self.plot.min(area.width);
        Rect {
            x: area.right() - width,
            width,
            ..area
        }
    }

    /// The number of dot columns in the plot; one if it does not fit, as the numbers of the window are still needed.
    pub(super) fn columns(self, theme: Theme) -> usize {
        dots_across(theme, self.plot).max(1)
    }

    /// The part for the numbers at the plot's axis.
    pub(super) fn gutter(self, area: Rect) -> Rect {
        let plot = self.plot(area);
        let width = if plot.is_empty() { 0 } else { self.gutter };
        Rect {
            x: plot.x.saturating_sub(width),
            width,
            ..area
        }
    }

    /// The headings of the numbers.
    pub(super) fn headings(self, theme: Theme) -> Line<'static> {
        let before = usize::from(self.tag + self.name);
        let titles = ["now", "peak", "p99", "total"].into_iter();
        let mut text = " ".repeat(before);
        for title in titles.take(usize::from(self.numbers)) {
            text.push_str(&format!("{title:>width$}", width = usize::from(NUMBER)));
        }
        Line::styled(text, theme.muted())
    }
}
