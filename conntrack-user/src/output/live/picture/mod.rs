//! The live view as a picture (SVG), for pages.
//!
//! How wide a font makes Braille, blocks and rules differs from reader to reader. So those are drawn, and each piece of text
//! is told its width: the picture is the same everywhere, and the same records give the same bytes.

mod colour;
mod drawing;
mod shapes;

use ratatui::{buffer::Buffer, layout::Rect};

use self::{colour::Rgb, drawing::Picture};
use crate::output::live::{App, draw};

/// Size of a character, in pixels. Dots of Braille, a quarter of each apart, are at whole numbers.
const CHARACTER: (u16, u16) = (8, 16);

/// From a character's top to the line that its letters stand on.
const BASELINE: u16 = 12;

/// Around the terminal, in pixels.
const MARGIN: u16 = 10;

/// What a terminal shows where nothing else was asked for.
const BACKGROUND: Rgb = Rgb(0x0d, 0x11, 0x17);
const FOREGROUND: Rgb = Rgb(0xd0, 0xd7, 0xde);

/// What is drawn on a terminal of this size. The title is for those who cannot see the picture.
#[must_use]
pub fn svg(app: &App, width: u16, height: u16, title: &str) -> String {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    draw(app, &mut buffer);
    let mut picture = Picture::default();
    for y in 0..height {
        for x in 0..width {
            picture.add(x, y, &buffer[(x, y)]);
        }
    }
    picture.write(width, height, title)
}

#[cfg(test)]
mod tests;
