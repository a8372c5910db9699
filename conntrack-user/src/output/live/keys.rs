//! Key bindings, and their help.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::model::kernel::charts::CHARTS;

/// The action of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// End the view.
    Quit,
    /// Close the topmost overlay, or else end the view.
    CloseOrQuit,
    /// Suspend the process.
    Suspend,
    /// Redraw everything.
    Redraw,
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
    /// Show one chart alone, or all again.
    Focus(usize),
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
    /// Enter a filter.
    Filter,
    /// Show the messages in full.
    Messages,
    Help,
    /// Close the topmost overlay.
    Close,
}

/// Keys with the same subject, and what they do.
pub struct HelpLine {
    /// The keys, as they are written.
    pub keys: &'static str,
    /// What they do.
    pub does: &'static str,
}

const fn help(keys: &'static str, does: &'static str) -> HelpLine {
    HelpLine { keys, does }
}

/// The help, with the most important keys first.
pub const HELP: [HelpLine; 20] = [
    help("q, Ctrl-C", "quit"),
    help("space", "pause; resume"),
    help("← →", "scroll back and forward through what is kept"),
    help("PgUp PgDn", "scroll by a whole window"),
    help(", .", "scroll by a fiftieth of it"),
    help("Home End", "to the oldest; to now"),
    help("+ − (↑ ↓)", "zoom the time axis, 50 ms to 1 h"),
    help("b B", "to the previous, next burst"),
    help("1 … 6", "one chart alone, with sources and reasons"),
    help("Tab", "the next chart alone"),
    help("m", "plot the average of a column, or its busiest ms"),
    help("l", "layout: overview, charts, events"),
    help("i", "choose the instance"),
    help("[ ]", "previous, next instance"),
    help(
        "/",
        "filter events: words, or proto=udp,dport=53,src=10.0.0.0/8",
    ),
    help("c", "the cross-check in full"),
    help("n", "the messages below the gauge in full"),
    help("? h F1", "this help"),
    help("Esc", "close what is on top"),
    help("Ctrl-Z Ctrl-L", "suspend; redraw"),
];

/// The action of a key outside of a prompt, if it has one.
#[must_use]
pub fn action(key: KeyEvent) -> Option<Action> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Some(Action::Quit),
            KeyCode::Char('z') => Some(Action::Suspend),
            KeyCode::Char('l') => Some(Action::Redraw),
            _ => None,
        };
    }
    Some(match key.code {
        KeyCode::Char('q') => Action::CloseOrQuit,
        KeyCode::Char(' ' | 'p') => Action::Pause,
        KeyCode::Left => Action::Back,
        KeyCode::Right => Action::Forward,
        KeyCode::PageUp => Action::PageBack,
        KeyCode::PageDown => Action::PageForward,
        KeyCode::Char(',') => Action::NudgeBack,
        KeyCode::Char('.') => Action::NudgeForward,
        KeyCode::Home => Action::Oldest,
        KeyCode::End => Action::Newest,
        KeyCode::Char('+' | '=') | KeyCode::Up => Action::ZoomIn,
        KeyCode::Char('-') | KeyCode::Down => Action::ZoomOut,
        KeyCode::Char('b') => Action::PreviousBurst,
        KeyCode::Char('B') => Action::NextBurst,
        KeyCode::Char(digit @ '1'..='9') => {
            let chart = (digit as usize).checked_sub('1' as usize)?;
            return (chart < CHARTS.len()).then_some(Action::Focus(chart));
        }
        KeyCode::Tab => Action::NextChart,
        KeyCode::Char('m') => Action::Measure,
        KeyCode::Char('l') => Action::Layout,
        KeyCode::Char(']') => Action::NextInstance,
        KeyCode::Char('[') => Action::PreviousInstance,
        KeyCode::Char('i') => Action::Instances,
        KeyCode::Char('c') => Action::Checks,
        KeyCode::Char('n') => Action::Messages,
        KeyCode::Char('/') => Action::Filter,
        KeyCode::Char('?' | 'h') | KeyCode::F(1) => Action::Help,
        KeyCode::Esc | KeyCode::Char('0') => Action::Close,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_select_existing_charts() {
        let press = |c| action(KeyEvent::from(KeyCode::Char(c)));
        assert_eq!(press('1'), Some(Action::Focus(0)));
        assert_eq!(press('6'), Some(Action::Focus(5)));
        assert_eq!(press('7'), None);
        assert_eq!(press('0'), Some(Action::Close));
    }

    #[test]
    fn control_keys_are_not_letters() {
        let control = |c| action(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL));
        assert_eq!(control('c'), Some(Action::Quit));
        assert_eq!(control('z'), Some(Action::Suspend));
        assert_eq!(control('q'), None);
    }
}
