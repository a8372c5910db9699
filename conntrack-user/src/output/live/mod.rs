//! The live view: a state machine fed with records and keys ([`app`]), and how it is drawn.
//!
//! Nothing here does IO or asks for the time: `render` is a function of the state.

pub mod app;
pub mod keys;
pub mod layout;
mod navigate;
pub mod panels;
pub mod plot;
pub mod search;
pub mod state;
pub mod theme;

use ratatui::{Frame, buffer::Buffer};

use self::theme::ascii_of;
pub use self::{
    app::{App, Input, ViewRequest},
    theme::Theme,
};

/// Draws the state.
pub fn render(app: &App, frame: &mut Frame<'_>) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    panels::draw(app, area, buffer);
    if app.theme.is_ascii() {
        to_ascii(buffer);
    }
}

/// Replaces what the terminal cannot show: texts of the kernel and of names included.
fn to_ascii(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if !cell.symbol().is_ascii() {
            cell.set_symbol(ascii_of(cell.symbol()));
        }
    }
}

#[cfg(test)]
mod tests;
