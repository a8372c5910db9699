//! The live view: a state machine that handles records and keys ([`app`]), and its drawing.
//!
//! No IO and no clock: `render` is a function of the state.

pub mod app;
mod cursor;
pub mod event_lines;
mod frame_memory;
pub mod input;
pub mod keys;
pub mod layout;
mod mouse;
mod navigate;
pub mod panels;
pub mod picture;
pub mod plot;
pub mod search;
mod shown;
pub mod state;
pub mod talkers;
pub mod theme;
mod typing;
mod zone;

use ratatui::{Frame, buffer::Buffer};

use self::theme::ascii_of;
pub use self::{
    app::App,
    input::{Input, ViewRequest},
    theme::Theme,
};

/// Draws the state.
pub fn render(app: &App, frame: &mut Frame<'_>) {
    draw(app, frame.buffer_mut());
}

fn draw(app: &App, buffer: &mut Buffer) {
    panels::draw(app, buffer.area, buffer);
    if app.theme.is_ascii() {
        to_ascii(buffer);
    }
}

/// Replaces characters that the terminal cannot show, also in texts of the kernel and in names.
fn to_ascii(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if !cell.symbol().is_ascii() {
            cell.set_symbol(ascii_of(cell.symbol()));
        }
    }
}

#[cfg(test)]
mod tests;
