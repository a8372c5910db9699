//! The live view as a state machine: the history, and what is shown of it.
//!
//! No IO and no clock: the state changes only in [`App::update`], and drawing depends on the state alone. So the view is the same
//! for a running kernel and for a recording.

use std::{cmp::Reverse, collections::VecDeque, time::Duration};

use jiff::tz::TimeZone;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseEventKind};

use crate::{
    keyboard::{actions::Action, bindings::Bindings},
    model::{
        history::{
            History,
            instance::InstanceHistory,
            time::{Nanos, nanos},
        },
        kernel::charts::CHARTS,
        overhead::Overhead,
        record::{InstanceVerdict, Record, Severity},
    },
    output::live::{
        frame_memory::SpareViews,
        input::{Input, ViewRequest},
        keys::{self, KeyMeaning},
        state::{Measure, Overlay, Prompt, ScreenLayout, ViewState},
        theme::Theme,
    },
    text::Text,
};

/// After this time the view stays with the instance that it opened on, unless another one is worse.
const SETTLED: Nanos = 1_000_000_000;

/// The live view.
pub struct App {
    /// The colours and characters of the terminal.
    pub theme: Theme,
    /// The history of all records.
    pub history: History,
    /// The part of it that is shown, and how.
    pub view: ViewState,
    /// The keys of actions.
    pub bindings: Bindings,
    /// The local time zone, if it is known.
    pub local: Option<TimeZone>,
    /// The overhead of ctpulse, once it was measured.
    pub overhead: Option<Overhead>,
    /// Memory for the next frame.
    pub(super) spare: SpareViews,
    dirty: bool,
    requests: VecDeque<ViewRequest>,
}

impl App {
    /// Starts without records.
    #[must_use]
    pub fn new(theme: Theme) -> Self {
        Self {
            theme,
            history: History::default(),
            view: ViewState::default(),
            bindings: Bindings::default(),
            local: None,
            overhead: None,
            spare: SpareViews::default(),
            dirty: true,
            requests: VecDeque::new(),
        }
    }

    /// Handles an input.
    pub fn update(&mut self, input: Input) {
        match input {
            Input::Record(record) => {
                if let Record::Verdict(verdict) = &record {
                    self.follow_worst(verdict);
                }
                self.history.add(record);
                self.fit_window();
                self.dirty = true;
            }
            Input::Diagnostic(text) => {
                self.history.add_diagnostic(text);
                self.dirty = true;
            }
            Input::Told(text) => {
                self.history.add_diagnostic(text.clone());
                self.hint(text);
            }
            Input::Hint(text) => self.hint(text),
            Input::Playback(how) => {
                self.dirty |= self.view.playback.as_ref() != Some(&how);
                self.view.playback = Some(how);
            }
            Input::Overhead(overhead) => {
                self.overhead = Some(overhead);
                self.dirty = true;
            }
            Input::Mouse(event, screen) => {
                // Moves without a button change nothing.
                if event.kind != MouseEventKind::Moved {
                    self.dirty = true;
                    self.view.hint = None;
                    self.mouse(event, screen);
                }
            }
            Input::Resized => self.dirty = true,
            Input::Key(key) if key.kind == KeyEventKind::Release => {}
            Input::Key(key) => {
                self.dirty = true;
                self.view.hint = None;
                self.press(key);
            }
        }
    }

    pub(super) fn request(&mut self, request: ViewRequest) {
        self.requests.push_back(request);
    }

    pub(super) fn hint(&mut self, text: Text) {
        self.view.hint = Some(text);
        self.dirty = true;
    }

    /// Handles inputs in order.
    pub fn update_all(&mut self, inputs: impl IntoIterator<Item = Input>) {
        for input in inputs {
            self.update(input);
        }
    }

    /// Whether anything has changed since the last call.
    pub fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }

    /// The shortest time between two frames, unless a key is pressed. In a long window little changes per column of dots, and in
    /// a paused view only the parts outside the charts.
    #[must_use]
    pub fn frame(&self) -> Duration {
        const MS: Nanos = 1_000_000;
        let frame = match self.view.at {
            Some(_) => 500 * MS,
            None => (self.view.span() / 600).clamp(100 * MS, 1000 * MS),
        };
        Duration::from_nanos(frame.unsigned_abs())
    }

    /// Takes the next pending request.
    pub fn take_request(&mut self) -> Option<ViewRequest> {
        self.requests.pop_front()
    }

    /// The names of the instances, the fullest first; in the order of the list while it is open.
    #[must_use]
    pub fn names(&self) -> Vec<&Text> {
        let mut names = self.history.names();
        let listed = &self.view.listed;
        if self.view.overlay.is_some() && !listed.is_empty() {
            let place = |name: &Text| listed.iter().position(|listed| listed == name);
            names.sort_by_key(|name| place(name).unwrap_or(usize::MAX));
        } else if names.len() > 1 {
            names.sort_by_cached_key(|name| Reverse(self.concern_of(name)));
        }
        names
    }

    /// Greater for an instance that is worse, of equals for one that is fuller.
    fn concern_of(&self, name: &Text) -> (Severity, u64) {
        let instance = self.history.instance(name.raw());
        let said = instance.and_then(|instance| instance.said_at(self.end_of(name)));
        said.map_or((Severity::Ok, 0), concern)
    }

    /// Opens on the worst instance: goes to another one only if that is worse, or, in the first second, fuller.
    fn follow_worst(&mut self, verdict: &InstanceVerdict) {
        let shown = self.view.worst.as_ref();
        let shown = shown.and_then(|name| self.history.instance(name.raw())?.said());
        let is_worse = shown.is_none_or(|shown| {
            let (now, shown) = (concern(verdict), concern(shown));
            let early = nanos(verdict.time) - nanos(verdict.facts.since) < SETTLED;
            now.0 > shown.0 || early && now > shown
        });
        if is_worse {
            self.view.worst = Some(verdict.instance.clone());
        }
    }

    /// The history of the shown instance, if it has one.
    #[must_use]
    pub fn instance(&self) -> Option<&InstanceHistory> {
        self.history.instance(self.instance_name()?.raw())
    }

    fn press(&mut self, mut key: KeyEvent) {
        // To a terminal, Esc followed by a key looks like Alt with that key.
        if key.modifiers.contains(KeyModifiers::ALT) {
            self.press(KeyEvent::from(KeyCode::Esc));
            key.modifiers.remove(KeyModifiers::ALT);
        }
        if self.view.prompt.is_some() && !key.modifiers.contains(KeyModifiers::CONTROL) {
            self.type_into_prompt(key.code);
            return;
        }
        if let Some(Overlay::Instances(cursor)) = self.view.overlay
            && self.choose(key.code, cursor)
        {
            return;
        }
        let is_used = match self.view.overlay {
            _ if key.modifiers.contains(KeyModifiers::CONTROL) => false,
            Some(_) => self.scroll_popup(key.code),
            None => self.move_cursor(key.code),
        };
        if is_used {
            return;
        }
        match keys::meaning(key, &self.bindings) {
            Some(KeyMeaning::Bound(action)) => self.act(action),
            Some(KeyMeaning::Focus(chart)) => self.focus_or_all(chart),
            Some(KeyMeaning::Close) => self.close(),
            Some(KeyMeaning::Quit) => self.request(ViewRequest::Quit),
            Some(KeyMeaning::Suspend) => self.request(ViewRequest::Suspend),
            Some(KeyMeaning::Redraw) => self.request(ViewRequest::Redraw),
            None => {}
        }
    }

    /// Handles a key in the list of instances; returns whether it was used.
    fn choose(&mut self, key: KeyCode, cursor: usize) -> bool {
        let count = self.history.names().len();
        let cursor = match key {
            KeyCode::Up => cursor.saturating_sub(1),
            KeyCode::Down => (cursor + 1).min(count.saturating_sub(1)),
            KeyCode::Enter => {
                let chosen = self.names().get(cursor).map(|n| (*n).to_owned());
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
            Action::CloseOrQuit => {
                if self.view.overlay.take().is_none() {
                    self.request(ViewRequest::Quit);
                }
            }
            Action::Write => self.request(ViewRequest::Write),
            Action::Pause => {
                self.view.at = match self.view.at {
                    Some(_) => None,
                    None => self.history.last().map(|_| self.end()),
                }
            }
            Action::Back => self.scroll(-span / 4),
            Action::Forward => self.scroll(span / 4),
            Action::PageBack => self.scroll(-span),
            Action::PageForward => self.scroll(span),
            Action::NudgeBack => self.scroll(-span / 50),
            Action::NudgeForward => self.scroll(span / 50),
            Action::Oldest => self.show_oldest(),
            Action::Newest => self.view.at = None,
            Action::ZoomIn => self.zoom_in(),
            Action::ZoomOut => self.zoom_out(),
            Action::PreviousBurst => self.show_burst(false),
            Action::NextBurst => self.show_burst(true),
            Action::NextChart => {
                self.leave_lists();
                let next = self.view.focus.map_or(0, |chart| chart + 1);
                self.view.focus = Some(next % CHARTS.len());
            }
            Action::Measure => {
                self.view.measure = match self.view.measure {
                    Measure::Average => Measure::Peak,
                    Measure::Peak => Measure::Average,
                }
            }
            Action::Talkers => self.toggle_top_cursor(),
            Action::Events => self.toggle_event_cursor(),
            Action::Layout => {
                self.leave_lists();
                self.view.layout = match self.view.layout {
                    ScreenLayout::Overview => ScreenLayout::Charts,
                    ScreenLayout::Charts => ScreenLayout::Events,
                    ScreenLayout::Events | ScreenLayout::Lists => ScreenLayout::Overview,
                }
            }
            Action::NextInstance => self.step_instance(1),
            Action::PreviousInstance => self.step_instance(-1),
            Action::Instances => {
                self.view.overlay = None;
                self.view.listed = self.names().into_iter().cloned().collect();
                self.view.overlay = Some(Overlay::Instances(self.instance_index()));
                self.view.popup_line = 0;
            }
            Action::Checks => self.toggle(Overlay::Checks),
            Action::Contents => self.toggle(Overlay::Contents),
            Action::Filter => {
                self.view.prompt = Some(Prompt {
                    text: self.view.search_text.clone(),
                    error: None,
                });
            }
            Action::Messages => self.toggle(Overlay::Messages),
            Action::Help => self.toggle(Overlay::Help),
            Action::Zone => self.switch_zone(),
            Action::Step | Action::Resume | Action::Slower | Action::Faster => {
                match self.view.playback {
                    Some(_) => self.request(ViewRequest::Play(action)),
                    None => self.hint("only a recording is played: replay --live".into()),
                }
            }
        }
    }

    /// Shows a chart alone, or all again.
    pub(super) fn focus_or_all(&mut self, chart: usize) {
        self.leave_lists();
        self.view.focus = (self.view.focus != Some(chart)).then_some(chart);
    }

    /// Closes what is on top.
    fn close(&mut self) {
        if self.view.overlay.take().is_none() && !self.leave_lists() {
            self.view.focus = None;
        }
    }

    fn toggle(&mut self, overlay: Overlay) {
        self.view.overlay = (self.view.overlay != Some(overlay)).then_some(overlay);
        self.view.popup_line = 0;
    }

    fn instance_index(&self) -> usize {
        let names = self.names();
        let shown = self.instance_name();
        names
            .iter()
            .position(|name| Some(*name) == shown)
            .unwrap_or_default()
    }

    fn step_instance(&mut self, by: isize) {
        let names = self.names();
        let count = isize::try_from(names.len()).unwrap_or(isize::MAX);
        if count == 0 {
            return;
        }
        let at = isize::try_from(self.instance_index()).unwrap_or_default();
        let next = usize::try_from((at + by).rem_euclid(count)).unwrap_or_default();
        self.view.instance = names.get(next).map(|name| (*name).clone());
    }
}

/// How bad it is, and how full. Where nothing can be judged, it is no worse than elsewhere.
fn concern(said: &InstanceVerdict) -> (Severity, u64) {
    let severity = match said.severity {
        Severity::Unknown => Severity::Ok,
        severity => severity,
    };
    // A thousandth of a percent is enough to compare by.
    let used = said.facts.utilization.unwrap_or_default() * 1e3;
    (severity, used as u64)
}
