//! What comes into the view, and what it asks of the loop that runs it.

use ratatui::{
    crossterm::event::{KeyEvent, MouseEvent},
    layout::Rect,
};

use crate::{
    keyboard::actions::Action,
    model::{overhead::Overhead, record::Record},
    text::Text,
};

/// An input of the state machine.
#[derive(Clone, Debug)]
pub enum Input {
    /// A record of the run or recording.
    Record(Record),
    /// A message about the monitoring itself.
    Diagnostic(Text),
    /// The outcome of something that the user asked for: among the events, and on the bottom line until the next key.
    Told(Text),
    /// The same, on the bottom line only.
    Hint(Text),
    /// How a recording is played.
    Playback(Text),
    /// A pressed key.
    Key(KeyEvent),
    /// The mouse, on a screen of this size.
    Mouse(MouseEvent, Rect),
    /// A measurement of ctpulse's overhead.
    Overhead(Overhead),
    /// The terminal was resized, or must be redrawn.
    Resized,
}

/// A request to the loop that runs the view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViewRequest {
    /// End the view.
    Quit,
    /// Stop the process until it is continued.
    Suspend,
    /// Redraw everything.
    Redraw,
    /// Write what is held to files.
    Write,
    /// Control the playing of a recording.
    Play(Action),
    /// Put text, which is neutralised, into the terminal's clipboard.
    Copy(String),
}
