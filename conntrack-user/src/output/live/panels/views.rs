//! What the charts' windows show, worked out once for a picture: charts, ribbon and details share it.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use crate::{
    model::history::window::DimensionView,
    output::live::{app::App, panels::pieces},
};

/// A chart and a number of columns.
type Key = (usize, usize);

/// The dimensions of charts, by number of columns.
pub(super) struct Views<'a> {
    app: &'a App,
    known: RefCell<BTreeMap<Key, Rc<[DimensionView]>>>,
}

impl<'a> Views<'a> {
    /// Of the window that is shown.
    pub(super) fn new(app: &'a App) -> Self {
        Self {
            app,
            known: RefCell::default(),
        }
    }

    /// The dimensions of a chart in so many columns.
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
