//! The state of the view.

use crate::{
    model::history::time::Nanos,
    output::live::search::{Search, SearchError},
    text::Text,
};

const MS: Nanos = 1_000_000;
const SECOND: Nanos = 1000 * MS;
const MINUTE: Nanos = 60 * SECOND;

/// Lengths of the window, for zooming.
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

/// The length of the window until the user zooms, at most: 20 s.
pub(super) const FIRST_SPAN: usize = 8;

/// Which panels the screen shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScreenLayout {
    /// Charts with events and top talkers below.
    Overview,
    /// Charts only.
    Charts,
    /// Mostly events and top talkers.
    Events,
    /// The same while the cursor is in them: on a small screen nothing but them.
    Lists,
}

/// The value of a plot's column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Average,
    /// Its busiest bucket.
    Peak,
}

/// The order of rows in tables of top talkers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopOrder {
    /// Most first.
    Count,
    /// Addresses and ports from the lowest.
    Key,
}

/// A list that the cursor can be in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CursorList {
    #[default]
    Events,
    /// The table of top talkers by this measure, of these keys.
    Table { by: Text, of: Text },
}

/// The cursor in a list. It stays on its row when rows are added before that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub list: CursorList,
    /// The row at the last move.
    pub row: usize,
    /// What identified it.
    pub identity: String,
    /// The layout and the chart that were shown before.
    pub before: (ScreenLayout, Option<usize>),
}

impl Cursor {
    /// Its row in a list with these identities; `None` in an empty one.
    pub fn row_in(&self, identities: impl Iterator<Item = impl AsRef<str>>) -> Option<usize> {
        let mut count = 0;
        for identity in identities {
            if identity.as_ref() == self.identity {
                return Some(count);
            }
            count += 1;
        }
        Some(self.row.min(count.checked_sub(1)?))
    }
}

/// A popup on top of the charts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlay {
    Help,
    /// The cross-check in full.
    Checks,
    /// What the table is made of, and what limits it.
    Contents,
    /// The messages, in full.
    Messages,
    /// The list of instances, with the index under the cursor.
    Instances(usize),
}

/// A line that is being entered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    /// The text so far.
    pub text: String,
    /// The error in the text.
    pub error: Option<SearchError>,
}

/// What the view shows, and how.
#[derive(Clone, Debug)]
pub struct ViewState {
    /// The selected instance; `None`: the worst one.
    pub instance: Option<Text>,
    /// The worst one.
    pub worst: Option<Text>,
    /// The names in the list of instances, as it was opened.
    pub listed: Vec<Text>,
    /// Index into [`SPANS`].
    pub zoom: usize,
    /// Whether the user has zoomed; until then the window fits what there is.
    pub zoomed: bool,
    /// The end of the window while paused; `None`: follow new samples.
    pub at: Option<Nanos>,
    /// The chart that is shown alone.
    pub focus: Option<usize>,
    /// The layout of the screen.
    pub layout: ScreenLayout,
    /// The value that plots show.
    pub measure: Measure,
    /// The open popup.
    pub overlay: Option<Overlay>,
    /// The first line of the popup that is shown, if not all fit.
    pub popup_line: usize,
    /// The filter prompt, while it is open.
    pub prompt: Option<Prompt>,
    /// The filter of the event feed.
    pub search: Search,
    /// The text of the filter.
    pub search_text: String,
    /// The cursor, while it is in a list.
    pub cursor: Option<Cursor>,
    /// The order of top talkers.
    pub top_order: TopOrder,
    /// Whether times are local, instead of UTC.
    pub local_time: bool,
    /// How the recording is played; `None` of a running kernel.
    pub playback: Option<Text>,
    /// What to tell the user on the bottom line, until the next key.
    pub hint: Option<Text>,
}

impl Default for ViewState {
    fn default() -> Self {
        Self {
            instance: None,
            worst: None,
            listed: Vec::new(),
            zoom: FIRST_SPAN,
            zoomed: false,
            at: None,
            focus: None,
            layout: ScreenLayout::Overview,
            measure: Measure::Average,
            overlay: None,
            popup_line: 0,
            prompt: None,
            search: Search::default(),
            search_text: String::new(),
            cursor: None,
            top_order: TopOrder::Count,
            local_time: false,
            playback: None,
            hint: None,
        }
    }
}

impl ViewState {
    /// The length of the window.
    #[must_use]
    pub fn span(&self) -> Nanos {
        SPANS.get(self.zoom).copied().unwrap_or(SECOND)
    }
}
