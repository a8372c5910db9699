//! The terminal that stdout may be.

use std::io;

use rustix::termios::{isatty, tcgetwinsize};

/// The size of a terminal in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub columns: u16,
    pub rows: u16,
}

/// What may be a terminal, and then has a size, which may change.
pub trait Terminal {
    /// Its size now; `None` when it is something else, which takes lines of any width.
    fn size(&self) -> Option<Size>;
}

/// One that keeps its size.
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

/// Standard output, to ask what it is.
#[expect(clippy::disallowed_methods, reason = "nothing is written")]
fn stdout() -> io::Stdout {
    io::stdout()
}

/// The size of the terminal on stdout; `None` when stdout is something else.
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
        // A terminal of unknown size is taken for the smallest common one.
        _ => Some(Size {
            columns: 80,
            rows: 24,
        }),
    }
}

/// Whether stdout is a terminal with colours, unless the user asked for none (`NO_COLOR`, `TERM=dumb`).
#[must_use]
pub fn has_colours() -> bool {
    anstream::AutoStream::choice(&stdout()) != anstream::ColorChoice::Never
}
