//! Braille, blocks and rules as shapes: how wide a font makes them differs from reader to reader.

use std::fmt::Write;

use super::CHARACTER;

/// A rectangle, in pixels.
#[derive(Clone, Copy)]
pub(super) struct Area {
    pub(super) x: u16,
    pub(super) y: u16,
    pub(super) width: u16,
    pub(super) height: u16,
}

/// A whole character.
pub(super) fn whole(x: u16, y: u16) -> Area {
    let (width, height) = CHARACTER;
    Area {
        x,
        y,
        width,
        height,
    }
}

/// Blocks and rules as rectangles; none for what is text.
pub(super) fn areas_of(symbol: char, x: u16, y: u16) -> Vec<Area> {
    let (width, height) = CHARACTER;
    let area = |dx, dy, width, height| Area {
        x: x + dx,
        y: y + dy,
        width,
        height,
    };
    let (middle, half) = (width / 2, height / 2);
    let left = area(0, half, middle + 1, 1);
    let right = area(middle, half, width - middle, 1);
    let up = area(middle, 0, 1, half + 1);
    let down = area(middle, half, 1, half);
    match symbol {
        '▁'..='█' => {
            let eighths = (symbol as u32 - '▁' as u32 + 1) as u16;
            let filled = height * eighths / 8;
            vec![area(0, height - filled, width, filled)]
        }
        '▪' => vec![area(2, half - 2, 4, 5)],
        '─' | '━' => vec![area(0, half, width, 1)],
        '│' | '┃' => vec![area(middle, 0, 1, height)],
        '╷' => vec![down],
        '┌' | '╭' => vec![right, down],
        '┐' | '╮' => vec![left, down],
        '└' | '╰' => vec![right, up],
        '┘' | '╯' => vec![left, up],
        _ => Vec::new(),
    }
}

/// Dots are strokes without length that have round ends.
pub(super) fn add_dots(path: &mut String, dots: u32, x: u16, y: u16) {
    // As Unicode numbers them: down the left column, down the right one, and the last row afterwards.
    const PLACES: [(u16, u16); 8] = [
        (0, 0),
        (0, 1),
        (0, 2),
        (1, 0),
        (1, 1),
        (1, 2),
        (0, 3),
        (1, 3),
    ];
    let (width, height) = (CHARACTER.0 / 2, CHARACTER.1 / 4);
    for (bit, (column, row)) in PLACES.into_iter().enumerate() {
        if dots & (1 << bit) != 0 {
            let x = x + width / 2 + column * width;
            let y = y + height / 2 + row * height;
            // What is written to a string always succeeds.
            let _ = write!(path, "M{x} {y}h0");
        }
    }
}
