//! The terminal on stdout, if it is one.

use std::io;

use rustix::termios::{isatty, tcgetwinsize};

/// The size of a terminal in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub columns: u16,
    pub rows: u16,
}

/// A terminal, whose size may change, or something else.
pub trait Terminal {
    /// The current size; `None` if it is not a terminal, so that lines may have any width.
    fn size(&self) -> Option<Size>;
}

/// A terminal of fixed size, or none.
impl Terminal for Option<Size> {
    fn size(&self) -> Option<Size> {
        *self
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Stdout;

impl Terminal for Stdout {
    fn size(&self) -> Option<Size> {
        size()
    }
}

/// Standard output, for queries only.
#[expect(clippy::disallowed_methods, reason = "nothing is written")]
fn stdout() -> io::Stdout {
    io::stdout()
}

/// The size of the terminal on stdout; `None` if stdout is something else.
#[must_use]
pub fn size() -> Option<Size> {
    let out = stdout();
    if !isatty(&out) {
        return None;
    }
    match tcgetwinsize(&out) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => Some(Size {
            columns: size.ws_col,
            rows: size.ws_row,
        }),
        // If the size is unknown, use the smallest common one.
        _ => Some(Size {
            columns: 80,
            rows: 24,
        }),
    }
}

/// Whether stdout is a terminal with colours, and the user has not disabled them (`NO_COLOR`, `TERM=dumb`).
#[must_use]
pub fn has_colours() -> bool {
    anstream::AutoStream::choice(&stdout()) != anstream::ColorChoice::Never
}
