//! Scrolling and zooming.

use crate::{
    model::history::time::Nanos,
    output::live::{
        app::App,
        state::{FIRST_SPAN, SPANS},
    },
};

/// A burst is shown in a window at least this many times its length.
const BURST_IN_WINDOW: Nanos = 10;

/// The shortest window that fits by itself: 2 s.
const SHORTEST_FIT: usize = 5;

impl App {
    fn extent(&self) -> Option<(Nanos, Nanos)> {
        self.instance()?.extent()
    }

    /// Moves the end of the window to a time, within the data.
    fn show_until(&mut self, time: Nanos) {
        if let Some((first, last)) = self.extent() {
            let oldest = first + self.view.span().min(last - first);
            self.view.at = Some(time.clamp(oldest, last));
        }
    }

    pub(super) fn show_oldest(&mut self) {
        if let Some((first, _)) = self.extent() {
            self.show_until(first + self.view.span());
        }
    }

    pub(super) fn scroll(&mut self, by: Nanos) {
        let Some((_, last)) = self.extent() else {
            return;
        };
        match self.view.at {
            None if by > 0 => {}
            // At the end the view follows new samples again.
            Some(at) if by > 0 && at + by >= last => self.view.at = None,
            _ => self.show_until(self.end() + by),
        }
    }

    /// Until the user zooms, the window is as long as what there is to see, and that of a recording as long as the recording.
    pub(super) fn fit_window(&mut self) {
        let Some((first, last)) = self.extent().filter(|_| !self.view.zoomed) else {
            return;
        };
        let longest = if self.history.summary().is_some() {
            SPANS.len() - 1
        } else {
            FIRST_SPAN
        };
        let fits = SPANS.iter().position(|span| *span >= last - first);
        self.view.zoom = fits.unwrap_or(longest).clamp(SHORTEST_FIT, longest);
    }

    pub(super) fn zoom_in(&mut self) {
        self.zoom(self.view.zoom.saturating_sub(1));
    }

    pub(super) fn zoom_out(&mut self) {
        self.zoom((self.view.zoom + 1).min(SPANS.len() - 1));
    }

    /// Zooms around the middle of a paused window, or else keeps its end.
    fn zoom(&mut self, zoom: usize) {
        let before = self.view.span();
        self.view.zoomed = true;
        self.view.zoom = zoom;
        if let Some(at) = self.view.at {
            self.show_until(at - before / 2 + self.view.span() / 2);
        }
    }

    /// Shows the next burst before or after the middle of the window.
    pub(super) fn show_burst(&mut self, after: bool) {
        let middle = match self.view.at {
            Some(end) => end - self.view.span() / 2,
            None => self.end(),
        };
        let burst = self
            .instance()
            .and_then(|instance| instance.burst_beside(middle, after));
        let Some(burst) = burst else {
            return;
        };
        let least = (burst.end - burst.start).saturating_mul(BURST_IN_WINDOW);
        let fits = SPANS.iter().position(|span| *span >= least);
        self.view.zoomed = true;
        self.view.zoom = fits.unwrap_or(SPANS.len() - 1);
        let centre = burst.start / 2 + burst.end / 2;
        self.show_until(centre + self.view.span() / 2);
    }
}
