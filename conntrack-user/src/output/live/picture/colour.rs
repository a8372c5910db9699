//! Colours as a well-lit terminal shows them.

use std::fmt;

use ratatui::style::Color;

/// Red, green and blue, as CSS writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rgb(pub(super) u8, pub(super) u8, pub(super) u8);

impl fmt::Display for Rgb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

impl Rgb {
    /// As xterm has them by default.
    pub(super) fn of(color: Color, default: Self) -> Self {
        let index = match color {
            Color::Reset => return default,
            Color::Rgb(red, green, blue) => return Self(red, green, blue),
            Color::Indexed(index) => index,
            Color::Black => 0,
            Color::Red => 1,
            Color::Green => 2,
            Color::Yellow => 3,
            Color::Blue => 4,
            Color::Magenta => 5,
            Color::Cyan => 6,
            Color::Gray => 7,
            Color::DarkGray => 8,
            Color::LightRed => 9,
            Color::LightGreen => 10,
            Color::LightYellow => 11,
            Color::LightBlue => 12,
            Color::LightMagenta => 13,
            Color::LightCyan => 14,
            Color::White => 15,
        };
        match index {
            7 => Self(0xe5, 0xe5, 0xe5),
            8 => Self(0x7f, 0x7f, 0x7f),
            0..16 => {
                let level = |bit: u8| match (index & bit != 0, index >= 8) {
                    (false, _) => 0,
                    (true, false) => 0xcd,
                    (true, true) => 0xff,
                };
                Self(level(1), level(2), level(4))
            }
            16..232 => {
                let level = |step: u8| match (index - 16) / step % 6 {
                    0 => 0,
                    n => 55 + 40 * n,
                };
                Self(level(36), level(6), level(1))
            }
            232.. => {
                let level = 8 + 10 * (index - 232);
                Self(level, level, level)
            }
        }
    }

    /// A quarter of this on a background.
    pub(super) fn light_on(self, background: Self) -> Self {
        let mix = |a: u8, b: u8| ((u16::from(a) + 3 * u16::from(b)) / 4) as u8;
        Self(
            mix(self.0, background.0),
            mix(self.1, background.1),
            mix(self.2, background.2),
        )
    }
}
