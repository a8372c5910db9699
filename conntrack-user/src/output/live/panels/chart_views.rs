//! The dimensions of charts in the window, computed once per frame and shared by charts, ribbon and details.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use crate::{
    model::history::views::DimensionView,
    output::live::{app::App, panels::pieces},
};

/// The dimensions of a chart, by chart and number of columns.
type KnownViews = BTreeMap<(usize, usize), Rc<[DimensionView]>>;

/// A cache of the dimensions of charts.
pub(super) struct ChartViews<'a> {
    app: &'a App,
    known: RefCell<KnownViews>,
}

impl<'a> ChartViews<'a> {
    /// For the current window.
    pub(super) fn new(app: &'a App) -> Self {
        Self {
            app,
            known: RefCell::default(),
        }
    }

    /// The dimensions of a chart in this many columns.
    pub(super) fn of(&self, chart: usize, columns: usize) -> Rc<[DimensionView]> {
        let view = || {
            let window = pieces::window(self.app, columns);
            let instance = self.app.instance();
            instance
                .map_or_else(Vec::new, |i| i.chart(chart, &window))
                .into()
        };
        let mut known = self.known.borrow_mut();
        Rc::clone(known.entry((chart, columns)).or_insert_with(view))
    }
}
