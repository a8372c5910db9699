//! From what is typed to what is done, and the help.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::{
    keyboard::{actions::Action, bindings::Bindings, key::Key},
    model::kernel::charts::CHARTS,
};

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyMeaning {
    /// What is bound to it.
    Bound(Action),
    /// Show one chart alone, or all again.
    Focus(usize),
    /// Close the topmost overlay.
    Close,
    /// End the view.
    Quit,
    /// Suspend the process.
    Suspend,
    /// Redraw everything.
    Redraw,
}

/// What a key does outside of a prompt and of lists, if anything.
#[must_use]
pub fn meaning(key: KeyEvent, bindings: &Bindings) -> Option<KeyMeaning> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Some(KeyMeaning::Quit),
            KeyCode::Char('z') => Some(KeyMeaning::Suspend),
            KeyCode::Char('l') => Some(KeyMeaning::Redraw),
            _ => None,
        };
    }
    match key.code {
        KeyCode::Esc | KeyCode::Char('0') => Some(KeyMeaning::Close),
        KeyCode::Char(digit @ '1'..='9') => {
            let chart = (digit as usize).checked_sub('1' as usize)?;
            (chart < CHARTS.len()).then_some(KeyMeaning::Focus(chart))
        }
        code => bindings.action(typed(code)?).map(KeyMeaning::Bound),
    }
}

/// The key, if it is one that can be bound.
fn typed(code: KeyCode) -> Option<Key> {
    Some(match code {
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Tab => Key::Tab,
        KeyCode::Enter => Key::Enter,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Insert => Key::Insert,
        KeyCode::Delete => Key::Delete,
        KeyCode::F(n) => Key::F(n),
        _ => return None,
    })
}

/// The first keys of some actions, as short as it goes: `+-`, `PgUp PgDn`.
#[must_use]
pub fn first_keys(bindings: &Bindings, actions: &[Action]) -> String {
    let keys = actions.iter().filter_map(|a| bindings.keys(*a).next());
    joined(keys.map(|key| key.to_string()).collect())
}

fn joined(keys: Vec<String>) -> String {
    let short = keys.iter().all(|key| key.chars().count() == 1);
    keys.join(if short && keys.len() < 4 { "" } else { " " })
}

/// Keys with the same subject, and what they do.
pub struct HelpLine {
    /// The keys, as they are written.
    pub keys: String,
    /// What they do.
    pub does: &'static str,
}

/// A row of the help: actions, keys that are always the same, and what they do.
type HelpRow = (&'static [Action], &'static str, &'static str);

/// The help, with the most important keys first. It fits a terminal of 24 rows.
const HELP: [HelpRow; 18] = [
    (&[Action::CloseOrQuit], "Ctrl-C", "quit"),
    (&[Action::Pause], "", "pause; resume"),
    (
        &[
            Action::Back,
            Action::Forward,
            Action::PageBack,
            Action::PageForward,
        ],
        "",
        "scroll by a quarter, by all of the window",
    ),
    (
        &[
            Action::NudgeBack,
            Action::NudgeForward,
            Action::Oldest,
            Action::Newest,
        ],
        "",
        "scroll by a fiftieth of it; to the oldest; to now",
    ),
    (
        &[Action::ZoomIn, Action::ZoomOut],
        "",
        "zoom the time axis, 50 ms to 1 h",
    ),
    (
        &[Action::PreviousBurst, Action::NextBurst],
        "",
        "to the previous, next burst",
    ),
    (
        &[Action::NextChart],
        "1 … 6",
        "the next chart alone; one of them, with sources and reasons",
    ),
    (
        &[Action::Measure],
        "",
        "plot the average of a column, or its busiest ms",
    ),
    (&[Action::Layout], "", "layout: overview, charts, events"),
    (
        &[
            Action::Instances,
            Action::PreviousInstance,
            Action::NextInstance,
        ],
        "",
        "choose the instance; the previous, the next",
    ),
    (
        &[Action::Filter],
        "",
        "filter events: words, or proto=udp,dport=53,src=10.0.0.0/8",
    ),
    (
        &[Action::Talkers, Action::Events],
        "",
        "the cursor to top talkers, to events; back",
    ),
    (
        &[],
        "↑↓ Enter y s",
        "there: move, filter events by it, copy it, sort tables",
    ),
    (
        &[Action::Write],
        "",
        "write what is held: a recording and its page",
    ),
    (
        &[Action::Contents, Action::Checks, Action::Messages],
        "",
        "what the table is made of; the cross-check, the messages in full",
    ),
    (&[Action::Zone], "", "times in UTC; in local time"),
    (&[Action::Help], "Esc", "this help; close what is on top"),
    (&[], "Ctrl-Z Ctrl-L", "suspend; redraw"),
];

/// What is added for a recording.
const HELP_FOR_RECORDINGS: [HelpRow; 2] = [
    (
        &[Action::Step, Action::Resume],
        "",
        "recording: one more interval, then wait; go on",
    ),
    (
        &[Action::Slower, Action::Faster],
        "",
        "recording: half, twice the speed",
    ),
];

/// The help, with the keys that are bound.
#[must_use]
pub fn help(bindings: &Bindings, in_recording: bool) -> Vec<HelpLine> {
    let more: &[HelpRow] = if in_recording {
        &HELP_FOR_RECORDINGS
    } else {
        &[]
    };
    let (first, rest) = HELP.split_at(2);
    let rows = first.iter().chain(more).chain(rest);
    rows.map(|(actions, fixed, does)| {
        let mut keys: Vec<String> = (0..3)
            .flat_map(|i| {
                actions
                    .iter()
                    .map(move |action| bindings.keys(*action).nth(i))
            })
            .flatten()
            .map(|key| key.to_string())
            .collect();
        keys.extend((!fixed.is_empty()).then(|| (*fixed).to_owned()));
        HelpLine {
            keys: keys.join(" "),
            does,
        }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyboard::actions::ACTIONS;

    fn press(code: KeyCode) -> Option<KeyMeaning> {
        meaning(KeyEvent::from(code), &Bindings::default())
    }

    #[test]
    fn digits_select_existing_charts() {
        assert_eq!(press(KeyCode::Char('1')), Some(KeyMeaning::Focus(0)));
        assert_eq!(press(KeyCode::Char('6')), Some(KeyMeaning::Focus(5)));
        assert_eq!(press(KeyCode::Char('7')), None);
        assert_eq!(press(KeyCode::Char('0')), Some(KeyMeaning::Close));
    }

    #[test]
    fn control_keys_are_not_letters() {
        let control = |c| {
            let key = KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
            meaning(key, &Bindings::default())
        };
        assert_eq!(control('c'), Some(KeyMeaning::Quit));
        assert_eq!(control('z'), Some(KeyMeaning::Suspend));
        assert_eq!(control('q'), None);
    }

    #[test]
    fn every_action_is_in_the_help_and_does_what_is_bound() {
        let rows = HELP.iter().chain(&HELP_FOR_RECORDINGS);
        let explained: Vec<Action> = rows.flat_map(|(actions, ..)| *actions).copied().collect();
        for spec in &ACTIONS {
            assert!(explained.contains(&spec.action), "{}", spec.name);
        }
        let mut bindings = Bindings::default();
        assert_eq!(bindings.bind(Action::Write, "f2"), Ok(()));
        let lines = help(&bindings, true);
        assert!(lines.iter().any(|line| line.keys == "F2"));
        assert_eq!(
            meaning(KeyEvent::from(KeyCode::F(2)), &bindings),
            Some(KeyMeaning::Bound(Action::Write))
        );
        assert_eq!(meaning(KeyEvent::from(KeyCode::Char('w')), &bindings), None);
    }
}
