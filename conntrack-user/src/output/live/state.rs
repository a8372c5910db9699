//! What is shown of all that was reported, and how.

use crate::{
    model::history::time::Nanos,
    output::live::search::{Search, SearchError},
    text::Text,
};

const MS: Nanos = 1_000_000;
const SECOND: Nanos = 1000 * MS;
const MINUTE: Nanos = 60 * SECOND;

/// DurationHistogram of the window, for zooming.
pub const SPANS: [Nanos; 17] = [
    50 * MS,
    100 * MS,
    200 * MS,
    500 * MS,
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    20 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    20 * MINUTE,
    30 * MINUTE,
    60 * MINUTE,
];

/// The window at first: 20 s.
const FIRST_SPAN: usize = 8;

/// What the screen is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScreenLayout {
    /// Charts, and below them events and top talkers.
    Overview,
    /// Charts alone.
    Charts,
    /// Events and top talkers have most of the room.
    Events,
}

/// What a column of a plot shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Average,
    /// Its busiest bucket.
    Peak,
}

/// What lies over the charts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlay {
    Help,
    /// The cross-check in full.
    Checks,
    /// The messages, in full.
    Messages,
    /// Instances to choose from, and the one under the cursor.
    Instances(usize),
}

/// A line being typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    /// What was typed.
    pub text: String,
    /// What is wrong with it.
    pub error: Option<SearchError>,
}

/// What is shown of it, and how.
#[derive(Clone, Debug)]
pub struct ViewState {
    /// The instance that was chosen; `None`: the first.
    pub instance: Option<Text>,
    /// Index into [`SPANS`].
    pub zoom: usize,
    /// The window's end while paused; `None`: now.
    pub at: Option<Nanos>,
    /// The chart that is shown alone.
    pub focus: Option<usize>,
    /// What the screen is for.
    pub layout: ScreenLayout,
    /// What a column shows.
    pub measure: Measure,
    /// What lies over the charts.
    pub overlay: Option<Overlay>,
    /// The filter being typed.
    pub prompt: Option<Prompt>,
    /// The filter.
    pub search: Search,
    /// The filter as it was typed.
    pub search_text: String,
}

impl Default for ViewState {
    fn default() -> Self {
        Self {
            instance: None,
            zoom: FIRST_SPAN,
            at: None,
            focus: None,
            layout: ScreenLayout::Overview,
            measure: Measure::Average,
            overlay: None,
            prompt: None,
            search: Search::default(),
            search_text: String::new(),
        }
    }
}

impl ViewState {
    /// Length of the window.
    #[must_use]
    pub fn span(&self) -> Nanos {
        SPANS.get(self.zoom).copied().unwrap_or(SECOND)
    }
}
