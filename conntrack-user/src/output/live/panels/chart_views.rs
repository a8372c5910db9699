//! The dimensions of charts in the window, computed once per frame and shared by charts, ribbon and details.

use std::{cell::RefCell, rc::Rc};

use crate::{
    model::history::views::DimensionView,
    output::live::{app::App, frame_memory::KnownViews, panels::pieces},
};

/// A cache of the dimensions of charts.
pub(super) struct ChartViews<'a> {
    app: &'a App,
    known: RefCell<KnownViews>,
    spare: RefCell<KnownViews>,
}

impl<'a> ChartViews<'a> {
    /// For the current window.
    pub(super) fn new(app: &'a App) -> Self {
        Self {
            app,
            known: RefCell::default(),
            spare: app.spare.0.take().into(),
        }
    }

    /// The dimensions of a chart in this many columns.
    pub(super) fn of(&self, chart: usize, columns: usize) -> Rc<Vec<DimensionView>> {
        let view = || {
            let window = pieces::window(self.app, columns);
            let spare = self.spare.borrow_mut().remove(&(chart, columns));
            let spare = spare.and_then(Rc::into_inner).unwrap_or_default();
            let instance = self.app.instance();
            Rc::new(instance.map_or_else(Vec::new, |i| i.chart(chart, &window, spare)))
        };
        let mut known = self.known.borrow_mut();
        Rc::clone(known.entry((chart, columns)).or_insert_with(view))
    }
}

impl Drop for ChartViews<'_> {
    fn drop(&mut self) {
        self.app.spare.0.replace(self.known.take());
    }
}
