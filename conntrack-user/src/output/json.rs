//! JSON lines: one record per line.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

use crate::{model::record::Record, output::Sink, text::is_harmful};

/// Writes JSON lines.
pub struct Json<W> {
    out: W,
    /// Memory for one line, which is written at once.
    line: Vec<u8>,
}

impl<W: Write> Json<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self {
            out,
            line: Vec::new(),
        }
    }
}

impl<W: Write> Sink for Json<W> {
    fn write(&mut self, record: &Record) -> io::Result<()> {
        self.line.clear();
        write_line(&mut self.line, record)?;
        self.out.write_all(&self.line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes a value as a line of JSON that is safe on a terminal: control and bidirectional formatting characters are escaped. It
/// parses to the same value.
///
/// # Errors
///
/// When `out` cannot be written to, or the value cannot be serialized.
pub fn write_line<T: Serialize + ?Sized>(out: &mut impl Write, value: &T) -> io::Result<()> {
    let mut serializer = Serializer::with_formatter(&mut *out, Harmless(CompactFormatter));
    value.serialize(&mut serializer)?;
    out.write_all(b"\n")
}

/// Compact JSON with more escapes: serde_json escapes C0 controls only; this adds DEL, C1, invisible and bidirectional formatting
/// characters.
struct Harmless(CompactFormatter);

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let is_plain = |byte| matches!(byte, b' '..=b'~');
        if fragment.bytes().all(is_plain) {
            return self.0.write_string_fragment(out, fragment);
        }
        let mut rest = fragment;
        while let Some((at, harmful)) = rest.char_indices().find(|(_, c)| is_harmful(*c)) {
            self.0.write_string_fragment(out, &rest[..at])?;
            for unit in harmful.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = &rest[at + harmful.len_utf8()..];
        }
        self.0.write_string_fragment(out, rest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line<T: Serialize + ?Sized>(value: &T) -> String {
        let mut out = Vec::new();
        write_line(&mut out, value).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn control_characters_are_escaped_in_json() {
        assert_eq!(
            line("a\u{1b}[2J\u{9b}31m\u{7f}\u{202e}\u{e0041}z"),
            "\"a\\u001b[2J\\u009b31m\\u007f\\u202e\\udb40\\udc41z\"\n"
        );
    }

    #[test]
    fn everything_else_matches_serde_json() {
        let value = serde_json::json!({"a": [1, 2.5, null, "Ünï \"x\" 🙂"], "b": {}, "c": []});
        assert_eq!(line(&value), serde_json::to_string(&value).unwrap() + "\n");
    }

    proptest! {
        #[test]
        fn it_parses_to_the_same_value_without_control_characters(text in any::<String>()) {
            let line = line(&text);
            prop_assert!(!line.trim_end_matches('\n').chars().any(is_harmful));
            prop_assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        }
    }
}
