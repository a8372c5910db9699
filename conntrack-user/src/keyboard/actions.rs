//! What can be done by a key that a user may choose.

/// The action of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Close the topmost overlay, or else end the view.
    CloseOrQuit,
    /// Pause or resume.
    Pause,
    /// Scroll back by a quarter of the window.
    Back,
    /// Scroll forward by a quarter of the window.
    Forward,
    /// Scroll back by a window.
    PageBack,
    /// Scroll forward by a window.
    PageForward,
    /// Scroll back by a fiftieth of the window.
    NudgeBack,
    /// Scroll forward by a fiftieth of the window.
    NudgeForward,
    /// Scroll to the oldest sample.
    Oldest,
    /// Scroll to the newest sample, and resume.
    Newest,
    /// Make the window shorter.
    ZoomIn,
    /// Make the window longer.
    ZoomOut,
    PreviousBurst,
    NextBurst,
    /// Show the next chart alone.
    NextChart,
    /// Plot averages or peaks.
    Measure,
    /// Switch to the next layout.
    Layout,
    NextInstance,
    PreviousInstance,
    /// Choose an instance from a list.
    Instances,
    /// Show the cross-check in full.
    Checks,
    /// Show what the table is made of.
    Contents,
    /// Move the cursor into the tables of top talkers.
    Talkers,
    /// Move the cursor among the events.
    Events,
    /// Enter a filter.
    Filter,
    /// Write what is held to files.
    Write,
    /// Show times in UTC or in local time.
    Zone,
    /// Show the messages in full.
    Messages,
    Help,
    /// In a recording: show one more interval, then wait.
    Step,
    /// In a recording: go on.
    Resume,
    /// In a recording: halve the speed.
    Slower,
    /// In a recording: double the speed.
    Faster,
}

/// An action, and how a configuration names it.
pub struct ActionSpec {
    pub action: Action,
    pub name: &'static str,
    /// Its keys, unless others are configured.
    pub keys: &'static str,
    pub meaning: &'static str,
}

const fn spec(
    action: Action,
    name: &'static str,
    keys: &'static str,
    meaning: &'static str,
) -> ActionSpec {
    ActionSpec {
        action,
        name,
        keys,
        meaning,
    }
}

/// All actions, in the order in which a configuration has them.
pub const ACTIONS: [ActionSpec; 33] = [
    spec(
        Action::CloseOrQuit,
        "quit",
        "q",
        "close what is on top, or quit",
    ),
    spec(Action::Pause, "pause", "space p", "pause; resume"),
    spec(
        Action::Back,
        "back",
        "left",
        "scroll back by a quarter of the window",
    ),
    spec(Action::Forward, "forward", "right", "scroll forward"),
    spec(
        Action::PageBack,
        "page_back",
        "pageup",
        "scroll back by a window",
    ),
    spec(
        Action::PageForward,
        "page_forward",
        "pagedown",
        "scroll forward by a window",
    ),
    spec(
        Action::NudgeBack,
        "nudge_back",
        ",",
        "scroll back by a fiftieth of the window",
    ),
    spec(
        Action::NudgeForward,
        "nudge_forward",
        ".",
        "scroll forward by a fiftieth",
    ),
    spec(
        Action::Oldest,
        "oldest",
        "home",
        "to the oldest that is kept",
    ),
    spec(Action::Newest, "newest", "end", "to now"),
    spec(Action::ZoomIn, "zoom_in", "+ = up", "a shorter time axis"),
    spec(Action::ZoomOut, "zoom_out", "- down", "a longer time axis"),
    spec(
        Action::PreviousBurst,
        "previous_burst",
        "b",
        "to the previous burst",
    ),
    spec(Action::NextBurst, "next_burst", "B", "to the next burst"),
    spec(
        Action::NextChart,
        "next_chart",
        "tab",
        "the next chart alone",
    ),
    spec(
        Action::Measure,
        "measure",
        "m",
        "plot averages, or the busiest millisecond",
    ),
    spec(Action::Layout, "layout", "l", "the next layout"),
    spec(
        Action::Instances,
        "instances",
        "i",
        "choose the instance from a list",
    ),
    spec(
        Action::PreviousInstance,
        "previous_instance",
        "[",
        "the previous instance",
    ),
    spec(
        Action::NextInstance,
        "next_instance",
        "]",
        "the next instance",
    ),
    spec(
        Action::Talkers,
        "talkers",
        "t",
        "the cursor into the tables of top talkers, and back",
    ),
    spec(
        Action::Events,
        "events",
        "e",
        "the cursor among the events, and back",
    ),
    spec(Action::Filter, "filter", "/", "enter a filter of events"),
    spec(Action::Checks, "checks", "c", "the cross-check in full"),
    spec(
        Action::Contents,
        "contents",
        "o",
        "what the table is made of, and its limits",
    ),
    spec(Action::Messages, "messages", "n", "the messages in full"),
    spec(
        Action::Write,
        "write",
        "w",
        "write what is held: a recording and its page",
    ),
    spec(Action::Zone, "zone", "u", "times in UTC; in local time"),
    spec(Action::Help, "help", "? h f1", "what the keys do"),
    spec(
        Action::Step,
        "step",
        "s",
        "in a recording: one more interval, then wait",
    ),
    spec(Action::Resume, "resume", "g", "in a recording: go on"),
    spec(
        Action::Slower,
        "slower",
        "<",
        "in a recording: half the speed",
    ),
    spec(
        Action::Faster,
        "faster",
        ">",
        "in a recording: twice the speed",
    ),
];
