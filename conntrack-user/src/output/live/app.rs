//! The state of the live view: everything that was reported, and how it is looked at.
//!
//! A state machine without IO and clock: [`App::update`] takes in what happens, and what is drawn
//! depends on nothing else. So it is the same for a running kernel and for a recording.

use crate::text::Text;
use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::{
    model::{
        history::{History, InstanceHistory, Nanos, nanos},
        kernel::charts::CHARTS,
        overhead::Overhead,
        record::Record,
    },
    output::live::{
        keys::{self, Action},
        search::Search,
        theme::Theme,
    },
};

/// What happens.
#[derive(Clone, Debug)]
pub enum Input {
    /// Something is reported.
    Record(Record),
    /// Something is to be said about the monitoring itself.
    Notice(String),
    /// A key is pressed.
    Key(KeyEvent),
    /// What watching costs has been measured.
    Overhead(Overhead),
    /// The terminal has another size, or something else was on it.
    Resized,
}

/// What is asked of whoever runs the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// To end it.
    Quit,
    /// To stop the process until it is continued.
    Suspend,
    /// To draw everything anew.
    Redraw,
}

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

/// The window at first: 20 s.
const FIRST_SPAN: usize = 8;

/// What the screen is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Charts, and below them events and culprits.
    Overview,
    /// Charts alone.
    Charts,
    /// Events and culprits have most of the room.
    Events,
}

/// What a column of a plot shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Its average.
    Average,
    /// Its busiest bucket.
    Peak,
}

/// What lies over the charts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlay {
    /// The help.
    Help,
    /// The cross-check in full.
    Checks,
    /// The lines that must be read, in full.
    Notices,
    /// Instances to choose from, and the one under the cursor.
    Instances(usize),
}

/// A line being typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    /// What was typed.
    pub text: String,
    /// What is wrong with it.
    pub error: Option<String>,
}

/// How it is looked at.
#[derive(Clone, Debug)]
pub struct View {
    /// The instance that was chosen; `None`: the first.
    pub instance: Option<Text>,
    /// Index into [`SPANS`].
    pub zoom: usize,
    /// The window's end when the picture stands still; `None`: now.
    pub at: Option<Nanos>,
    /// The chart that is shown alone.
    pub focus: Option<usize>,
    /// What the screen is for.
    pub layout: Layout,
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

impl Default for View {
    fn default() -> Self {
        Self {
            instance: None,
            zoom: FIRST_SPAN,
            at: None,
            focus: None,
            layout: Layout::Overview,
            measure: Measure::Average,
            overlay: None,
            prompt: None,
            search: Search::default(),
            search_text: String::new(),
        }
    }
}

impl View {
    /// Length of the window.
    #[must_use]
    pub fn span(&self) -> Nanos {
        SPANS.get(self.zoom).copied().unwrap_or(SECOND)
    }
}

/// The state of the live view.
pub struct App {
    /// What the terminal can show.
    pub theme: Theme,
    /// What was reported.
    pub history: History,
    /// How it is looked at.
    pub view: View,
    /// What watching costs, once that is known.
    pub overhead: Option<Overhead>,
    dirty: bool,
    request: Option<Request>,
}

impl App {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(theme: Theme) -> Self {
        Self {
            theme,
            history: History::default(),
            view: View::default(),
            overhead: None,
            dirty: true,
            request: None,
        }
    }

    /// Takes in what happens.
    pub fn update(&mut self, input: Input) {
        match input {
            Input::Record(record) => {
                self.history.take(record);
                self.dirty = true;
            }
            Input::Notice(text) => {
                self.history.notice(text);
                self.dirty = true;
            }
            Input::Overhead(overhead) => {
                self.overhead = Some(overhead);
                self.dirty = true;
            }
            Input::Resized => self.dirty = true,
            Input::Key(key) if key.kind == KeyEventKind::Release => {}
            Input::Key(key) => {
                self.dirty = true;
                self.press(key);
            }
        }
    }

    /// Takes in several things in their order.
    pub fn update_all(&mut self, inputs: impl IntoIterator<Item = Input>) {
        for input in inputs {
            self.update(input);
        }
    }

    /// Whether anything changed since this was asked last.
    pub fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }

    /// Time between two pictures, at least, unless a key is pressed. In a long window a moment is
    /// narrower than a dot, and a picture that stands still changes only around its charts.
    #[must_use]
    pub fn frame(&self) -> Duration {
        const SHORTEST: Nanos = 100 * MS;
        let frame = match self.view.at {
            Some(_) => 500 * MS,
            None => (self.view.span() / 600).clamp(SHORTEST, SECOND),
        };
        Duration::from_nanos(frame.unsigned_abs())
    }

    /// Whether keys are text.
    #[must_use]
    pub fn is_typing(&self) -> bool {
        self.view.prompt.is_some()
    }

    /// What is asked since this was asked last.
    pub fn take_request(&mut self) -> Option<Request> {
        self.request.take()
    }

    /// The name of the instance that is shown.
    #[must_use]
    pub fn instance_name(&self) -> Option<&Text> {
        let names = self.history.names();
        let chosen = self.view.instance.as_ref();
        chosen
            .filter(|name| names.contains(name))
            .or_else(|| names.first().copied())
    }

    /// The instance that is shown, once there is something known of it.
    #[must_use]
    pub fn instance(&self) -> Option<&InstanceHistory> {
        self.history.instance(self.instance_name()?.raw())
    }

    /// The moment that the window ends with.
    #[must_use]
    pub fn end(&self) -> Nanos {
        self.view.at.or(self.history.last()).unwrap_or_default()
    }

    fn press(&mut self, mut key: KeyEvent) {
        // Esc and a key right after it look the same to a terminal as Alt with that key.
        if key.modifiers.contains(KeyModifiers::ALT) {
            self.press(KeyEvent::from(KeyCode::Esc));
            key.modifiers.remove(KeyModifiers::ALT);
        }
        if self.view.prompt.is_some() && !key.modifiers.contains(KeyModifiers::CONTROL) {
            self.type_into_prompt(key);
            return;
        }
        if let Some(Overlay::Instances(cursor)) = self.view.overlay
            && self.choose(key.code, cursor)
        {
            return;
        }
        if let Some(action) = keys::action(key) {
            self.act(action);
        }
    }

    fn type_into_prompt(&mut self, key: KeyEvent) {
        let Some(prompt) = &mut self.view.prompt else {
            return;
        };
        match key.code {
            KeyCode::Esc => self.view.prompt = None,
            KeyCode::Enter => match prompt.text.parse() {
                Ok(search) => {
                    self.view.search = search;
                    self.view.search_text = std::mem::take(&mut prompt.text);
                    self.view.prompt = None;
                }
                Err(error) => prompt.error = Some(error),
            },
            KeyCode::Backspace => {
                prompt.error = None;
                if prompt.text.pop().is_none() {
                    self.view.prompt = None;
                }
            }
            KeyCode::Char(c) if !c.is_control() => {
                prompt.error = None;
                prompt.text.push(c);
            }
            _ => {}
        }
    }

    /// Moves in the list of instances; whether the key was for it.
    fn choose(&mut self, key: KeyCode, cursor: usize) -> bool {
        let count = self.history.names().len();
        let cursor = match key {
            KeyCode::Up => cursor.saturating_sub(1),
            KeyCode::Down => (cursor + 1).min(count.saturating_sub(1)),
            KeyCode::Enter => {
                let chosen = self.history.names().get(cursor).map(|n| (*n).to_owned());
                self.view.instance = chosen;
                self.view.overlay = None;
                return true;
            }
            KeyCode::Char('q') => {
                self.view.overlay = None;
                return true;
            }
            _ => return false,
        };
        self.view.overlay = Some(Overlay::Instances(cursor));
        true
    }

    fn act(&mut self, action: Action) {
        let span = self.view.span();
        match action {
            Action::Quit => self.request = Some(Request::Quit),
            Action::Leave => {
                if self.view.overlay.take().is_none() {
                    self.request = Some(Request::Quit);
                }
            }
            Action::Suspend => self.request = Some(Request::Suspend),
            Action::Redraw => self.request = Some(Request::Redraw),
            Action::Pause => {
                self.view.at = match self.view.at {
                    Some(_) => None,
                    None => self.history.last(),
                }
            }
            Action::Back => self.scroll(-span / 4),
            Action::Forth => self.scroll(span / 4),
            Action::PageBack => self.scroll(-span),
            Action::PageForth => self.scroll(span),
            Action::NudgeBack => self.scroll(-span / 50),
            Action::NudgeForth => self.scroll(span / 50),
            Action::Oldest => {
                if let Some((first, _)) = self.extent() {
                    self.look_at(first + span);
                }
            }
            Action::Newest => self.view.at = None,
            Action::ZoomIn => self.zoom(self.view.zoom.saturating_sub(1)),
            Action::ZoomOut => self.zoom((self.view.zoom + 1).min(SPANS.len() - 1)),
            Action::PreviousBurst => self.seek_burst(false),
            Action::NextBurst => self.seek_burst(true),
            Action::Focus(chart) => {
                self.view.focus = (self.view.focus != Some(chart)).then_some(chart);
            }
            Action::NextChart => {
                let next = self.view.focus.map_or(0, |chart| chart + 1);
                self.view.focus = Some(next % CHARTS.len());
            }
            Action::Measure => {
                self.view.measure = match self.view.measure {
                    Measure::Average => Measure::Peak,
                    Measure::Peak => Measure::Average,
                }
            }
            Action::Layout => {
                self.view.layout = match self.view.layout {
                    Layout::Overview => Layout::Charts,
                    Layout::Charts => Layout::Events,
                    Layout::Events => Layout::Overview,
                }
            }
            Action::NextInstance => self.step_instance(1),
            Action::PreviousInstance => self.step_instance(-1),
            Action::Instances => {
                self.view.overlay = Some(Overlay::Instances(self.instance_index()));
            }
            Action::Checks => self.toggle(Overlay::Checks),
            Action::Filter => {
                self.view.prompt = Some(Prompt {
                    text: self.view.search_text.clone(),
                    error: None,
                });
            }
            Action::Notices => self.toggle(Overlay::Notices),
            Action::Help => self.toggle(Overlay::Help),
            Action::Close => {
                if self.view.overlay.take().is_none() {
                    self.view.focus = None;
                }
            }
        }
    }

    fn toggle(&mut self, overlay: Overlay) {
        self.view.overlay = (self.view.overlay != Some(overlay)).then_some(overlay);
    }

    fn extent(&self) -> Option<(Nanos, Nanos)> {
        self.instance()?.extent()
    }

    /// Has the window end at a time, as far as there is something to see.
    fn look_at(&mut self, time: Nanos) {
        if let Some((first, last)) = self.extent() {
            let oldest = first + self.view.span().min(last - first);
            self.view.at = Some(time.clamp(oldest, last));
        }
    }

    fn scroll(&mut self, by: Nanos) {
        let Some((_, last)) = self.extent() else {
            return;
        };
        match self.view.at {
            None if by > 0 => {}
            // At the end, time is followed again.
            Some(at) if by > 0 && at + by >= last => self.view.at = None,
            _ => self.look_at(self.end() + by),
        }
    }

    /// Zooms about the middle of a window that stands still, else about now.
    fn zoom(&mut self, zoom: usize) {
        let before = self.view.span();
        self.view.zoom = zoom;
        if let Some(at) = self.view.at {
            self.look_at(at - before / 2 + self.view.span() / 2);
        }
    }

    /// Shows the burst before or after the middle of the window, ten times as long as it is.
    fn seek_burst(&mut self, after: bool) {
        let middle = self.end() - self.view.span() / 2;
        let middle = if self.view.at.is_none() {
            self.end()
        } else {
            middle
        };
        let Some(instance) = self.instance() else {
            return;
        };
        let centres = instance.all_bursts().map(|b| {
            (
                nanos(b.start) / 2 + nanos(b.end) / 2,
                nanos(b.end) - nanos(b.start),
            )
        });
        let found = if after {
            centres
                .filter(|(centre, _)| *centre > middle + MS)
                .min_by_key(|(centre, _)| *centre)
        } else {
            centres
                .filter(|(centre, _)| *centre < middle - MS)
                .max_by_key(|(centre, _)| *centre)
        };
        let Some((centre, length)) = found else {
            return;
        };
        let fits = SPANS.iter().position(|span| *span >= length * 10);
        self.view.zoom = fits.unwrap_or(SPANS.len() - 1);
        self.look_at(centre + self.view.span() / 2);
    }

    fn instance_index(&self) -> usize {
        let names = self.history.names();
        let shown = self.instance_name();
        names
            .iter()
            .position(|name| Some(*name) == shown)
            .unwrap_or_default()
    }

    fn step_instance(&mut self, by: isize) {
        let names = self.history.names();
        let count = isize::try_from(names.len()).unwrap_or(isize::MAX);
        if count == 0 {
            return;
        }
        let at = isize::try_from(self.instance_index()).unwrap_or_default();
        let next = usize::try_from((at + by).rem_euclid(count)).unwrap_or_default();
        self.view.instance = names.get(next).map(|name| (*name).clone());
    }
}
