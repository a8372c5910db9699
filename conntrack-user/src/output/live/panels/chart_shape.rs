//! How a chart is divided: legend, axis and plot. Time axis and ribbon go by it too.

use ratatui::{layout::Rect, text::Line};

use crate::output::live::{plot::dots_across, theme::Theme};

/// Room for a number and the blank before it.
pub(super) const NUMBER: u16 = 6;

/// Columns of a chart, from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChartShape {
    /// Whether the title has a line of its own, or else a column.
    pub(super) titles: bool,
    /// The short title.
    pub(super) tag: u16,
    /// Mark and name of a dimension.
    pub(super) name: u16,
    /// How many of now, peak and p99 there is room for.
    pub(super) numbers: u16,
    /// Numbers at the plot's axis.
    gutter: u16,
    plot: u16,
}

impl ChartShape {
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

    /// The part where things are drawn at their time.
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
