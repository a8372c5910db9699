//! Escaping of text in a page.

use std::fmt::{self, Display};

use crate::text::is_harmful;

/// Shows a value with everything escaped that has a meaning in HTML text or quoted attributes. Control and bidirectional
/// formatting characters, which could mislead people, are replaced.
pub(super) struct Escaped<T>(pub(super) T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        struct Escape<'a, 'b>(&'a mut fmt::Formatter<'b>);
        impl fmt::Write for Escape<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                for c in text.chars() {
                    match c {
                        '&' => self.0.write_str("&amp;")?,
                        '<' => self.0.write_str("&lt;")?,
                        '>' => self.0.write_str("&gt;")?,
                        '"' => self.0.write_str("&quot;")?,
                        '\'' => self.0.write_str("&#39;")?,
                        c if is_harmful(c) => self.0.write_char('\u{fffd}')?,
                        c => self.0.write_char(c)?,
                    }
                }
                Ok(())
            }
        }
        write!(Escape(f), "{}", self.0)
    }
}

/// JSON for a `script` element.
pub(super) fn script_json(json: &str) -> String {
    json.replace('<', "\\u003c")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_stays_text() {
        let hostile = "\"><script>alert('1')</script>&\u{202e}\u{1b}[31m";
        assert_eq!(
            Escaped(hostile).to_string(),
            "&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;\u{fffd}\u{fffd}[31m"
        );
    }

    proptest! {
        #[test]
        fn nothing_opens_a_tag_or_closes_an_attribute(text: String) {
            let escaped = Escaped(text).to_string();
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
            prop_assert!(!escaped.chars().any(is_harmful));
        }

        #[test]
        fn json_in_a_script_says_the_same_and_cannot_end_it(text: String) {
            let json = serde_json::to_string(&text).unwrap();
            let script = script_json(&json);
            prop_assert!(!script.contains('<'));
            prop_assert_eq!(serde_json::from_str::<String>(&script).unwrap(), text);
        }
    }
}
