//! What one frame leaves to the next.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use crate::model::history::views::DimensionView;

/// The dimensions of a chart, by chart and number of columns.
pub(super) type KnownViews = BTreeMap<(usize, usize), Rc<Vec<DimensionView>>>;

/// The dimensions that the last frame computed. The next one computes its own in their memory: musl's allocator would return most of
/// it to the kernel meanwhile, and ask for it again.
#[derive(Default)]
pub(super) struct SpareViews(pub(super) RefCell<KnownViews>);
