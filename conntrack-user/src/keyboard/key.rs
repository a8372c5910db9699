//! Keys, as people write them.

use std::{fmt, str::FromStr};

/// A key of a keyboard, without Ctrl and Alt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// What it types. The blank is written as `space`.
    Char(char),
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
    Tab,
    Enter,
    Backspace,
    Insert,
    Delete,
    /// A function key.
    F(u8),
}

/// Keys that have a name: the key, its name in a configuration, and how it is shown.
const NAMED: [(Key, &str, &str); 14] = [
    (Key::Char(' '), "space", "space"),
    (Key::Up, "up", "↑"),
    (Key::Down, "down", "↓"),
    (Key::Left, "left", "←"),
    (Key::Right, "right", "→"),
    (Key::Home, "home", "Home"),
    (Key::End, "end", "End"),
    (Key::PageUp, "pageup", "PgUp"),
    (Key::PageDown, "pagedown", "PgDn"),
    (Key::Tab, "tab", "Tab"),
    (Key::Enter, "enter", "Enter"),
    (Key::Backspace, "backspace", "Backspace"),
    (Key::Insert, "insert", "Ins"),
    (Key::Delete, "delete", "Del"),
];

impl Key {
    /// Its name in a configuration.
    #[must_use]
    pub fn name(self) -> String {
        match (NAMED.iter().find(|(key, ..)| *key == self), self) {
            (Some((_, name, _)), _) => (*name).to_owned(),
            (None, Self::F(n)) => format!("f{n}"),
            (None, Self::Char(c)) => c.to_string(),
            (None, _) => String::new(),
        }
    }
}

/// The text names no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoKey;

impl FromStr for Key {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<Self, NoKey> {
        let lower = text.to_ascii_lowercase();
        if let Some((key, ..)) = NAMED.iter().find(|(_, name, _)| *name == lower) {
            return Ok(*key);
        }
        let mut chars = text.chars();
        if let (Some(c), None) = (chars.next(), chars.next()) {
            return match c.is_control() || c.is_whitespace() {
                true => Err(NoKey),
                false => Ok(Self::Char(c)),
            };
        }
        let number = lower.strip_prefix('f').and_then(|n| n.parse().ok());
        match number {
            Some(n @ 1..=12) => Ok(Self::F(n)),
            _ => Err(NoKey),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (NAMED.iter().find(|(key, ..)| key == self), self) {
            (Some((_, _, shown)), _) => f.write_str(shown),
            (None, Self::F(n)) => write!(f, "F{n}"),
            (None, _) => f.write_str(&self.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_by_its_name() {
        for (key, name, _) in NAMED {
            assert_eq!(name.parse(), Ok(key));
            assert_eq!(key.name(), name);
        }
        for key in [
            Key::Char('q'),
            Key::Char('Q'),
            Key::Char('?'),
            Key::F(1),
            Key::F(12),
        ] {
            assert_eq!(key.name().parse(), Ok(key));
        }
        for wrong in ["", " ", "qq", "f0", "f13", "ctrl-c", "\u{1b}"] {
            assert_eq!(wrong.parse::<Key>(), Err(NoKey), "{wrong:?}");
        }
    }
}
