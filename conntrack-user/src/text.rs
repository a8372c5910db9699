//! Text that may come from outside: names of processes, hosts and namespaces, what a recording says, errors that quote
//! input. On a terminal such text could move the cursor, set the window's title or turn the order of characters around.
//!
//! [`Text`] holds it as it is and shows it neutralised; there is no other way to format one. [`Plain`] does the same for
//! text that is only passed through.

use std::{
    borrow::{Borrow, Cow},
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    path::Path,
    sync::Arc,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The most characters that are shown of one text, those of escapes included; `…` stands for the rest.
pub const SHOWN_CHARS: usize = 1000;

/// Text that may come from outside. JSON has it as it is; [`fmt::Display`] neutralises it. A clone shares its memory.
#[derive(Clone)]
pub struct Text(TextMemory);

#[derive(Clone)]
enum TextMemory {
    Fixed(&'static str),
    Shared(Arc<str>),
}

impl Text {
    /// Text of this program itself.
    #[must_use]
    pub const fn fixed(text: &'static str) -> Self {
        Self(TextMemory::Fixed(text))
    }

    /// The start of a text, for an error to quote: hardly longer than what is shown of it.
    #[must_use]
    pub fn excerpt(text: &str) -> Self {
        // One more, so that it is seen to be cut.
        text.chars()
            .take(SHOWN_CHARS + 1)
            .collect::<String>()
            .into()
    }

    /// The text as it is: to compare it and to look things up by it, never to show it.
    #[must_use]
    pub fn raw(&self) -> &str {
        match &self.0 {
            TextMemory::Fixed(text) => text,
            TextMemory::Shared(text) => text,
        }
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::fixed("")
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        // Mostly one is a clone of the other.
        std::ptr::eq(self.raw(), other.raw()) || self.raw() == other.raw()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.raw().cmp(other.raw())
    }
}

/// As the text alone has it, by which it is looked up.
impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.raw().hash(state);
    }
}

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Self {
        Self::fixed(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(TextMemory::Shared(text.into()))
    }
}

/// So that a `&str` finds its entry in a map by `Text`.
impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.raw()
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.raw() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.raw() == *other
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Plain(self.raw()).fmt(f)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.raw(), f)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.raw().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// Shows text so that it can do no harm: what controls a terminal, breaks lines or changes the direction of writing is
/// shown as an escape such as `\u{1b}`, and what is longer than [`SHOWN_CHARS`] is cut.
#[derive(Clone, Copy)]
pub struct Plain<'a>(pub &'a str);

impl Plain<'_> {
    fn neutralised(&self) -> Cow<'_, str> {
        let harmless = self.0.len() <= SHOWN_CHARS && !self.0.chars().any(is_harmful);
        if harmless {
            return Cow::Borrowed(self.0);
        }
        let (mut shown, mut room) = (String::new(), SHOWN_CHARS);
        for c in self.0.chars() {
            let before = shown.len();
            let width = match c {
                '\n' | '\r' | '\t' => {
                    shown.extend(c.escape_default());
                    2
                }
                c if is_harmful(c) => {
                    shown.extend(c.escape_unicode());
                    c.escape_unicode().count()
                }
                c => {
                    shown.push(c);
                    1
                }
            };
            let Some(rest) = room.checked_sub(width) else {
                shown.truncate(before);
                shown.push('…');
                break;
            };
            room = rest;
        }
        Cow::Owned(shown)
    }
}

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.neutralised())
    }
}

/// Shows a path like [`Plain`].
#[derive(Clone, Copy)]
pub struct PlainPath<'a>(pub &'a Path);

impl fmt::Display for PlainPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Plain(&self.0.to_string_lossy()).fmt(f)
    }
}

/// Whether a character controls the terminal (C0, DEL, C1: U+009B starts a sequence as ESC [ does), the direction of
/// writing (UAX #9), or breaks a line; or is a tag, which is invisible.
#[must_use]
pub fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn harmless_text_is_shown_unchanged() {
        for text in ["", "udp 10.0.0.1 → 10.0.0.2", "Ünïcödé 名前 🙂"] {
            assert_eq!(Text::from(text.to_owned()).to_string(), text);
        }
        assert_eq!(format!("{:>5}|", Text::fixed("ab")), "   ab|");
    }

    #[test]
    fn control_characters_are_escaped() {
        let title = Text::from("\u{1b}]0;owned\u{7}".to_owned());
        assert_eq!(title.to_string(), "\\u{1b}]0;owned\\u{7}");
        assert_eq!(Plain("a\u{9b}2J\r\nb").to_string(), "a\\u{9b}2J\\r\\nb");
        assert_eq!(Plain("txt.\u{202e}exe").to_string(), "txt.\\u{202e}exe");
    }

    #[test]
    fn a_path_is_shown_neutralised_whatever_bytes_it_has() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
        let path = Path::new(OsStr::from_bytes(b"/run/netns/\xff\x1b[2J"));
        assert_eq!(PlainPath(path).to_string(), "/run/netns/\u{fffd}\\u{1b}[2J");
    }

    #[test]
    fn an_excerpt_of_much_is_short_and_seen_to_be_cut() {
        let all = "x".repeat(1 << 20);
        let excerpt = Text::excerpt(&all);
        assert!(excerpt.raw().len() <= SHOWN_CHARS + 1);
        assert!(excerpt.to_string().ends_with('…'));
        assert_eq!(Text::excerpt("short").to_string(), "short");
    }

    #[test]
    fn escapes_count_as_what_they_are_shown_as() {
        let shown = Plain(&"\u{1b}".repeat(1000)).to_string();
        // No escape is cut.
        assert_eq!(shown, "\\u{1b}".repeat(SHOWN_CHARS / 6) + "…");
        let whole = "é".repeat(SHOWN_CHARS);
        assert_eq!(Plain(&whole).to_string(), whole);
    }

    #[test]
    fn json_has_it_as_it_is() {
        let text = Text::from("a\u{1b}b".to_owned());
        let json = serde_json::to_string(&text).unwrap();
        assert_eq!(json, r#""a\u001bb""#);
        assert_eq!(serde_json::from_str::<Text>(&json).unwrap(), text);
    }

    proptest! {
        #[test]
        fn any_text_is_shown_escaped_and_bounded(text in any::<String>(), times in 1_usize..400) {
            let shown = Text::from(text.repeat(times)).to_string();
            prop_assert!(!shown.chars().any(is_harmful));
            prop_assert!(shown.chars().count() <= SHOWN_CHARS + 1);
        }
    }
}
