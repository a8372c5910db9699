//! Long text on several lines.

/// How far the lines after the first are indented.
const INDENT: &str = "  ";

/// The lines of a text on a screen of this width. It breaks at words; only a word that is wider than a line is cut.
#[must_use]
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    if text.chars().count() <= width {
        return vec![text.to_owned()];
    }
    let options = textwrap::Options::new(width.max(INDENT.len() + 1))
        .subsequent_indent(INDENT)
        // Names of kernels and functions have hyphens.
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    let lines = textwrap::wrap(text, options).into_iter();
    lines.map(std::borrow::Cow::into_owned).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_breaks_at_words_and_indents_what_follows() {
        assert_eq!(wrapped("short", 8), ["short"]);
        assert_eq!(wrapped("a longer line", 8), ["a longer", "  line"]);
        assert_eq!(wrapped("0123456789", 8), ["012345", "  6789"]);
        assert_eq!(wrapped("  table   row", 80), ["  table   row"]);
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_screen(text in "[a-z ]{0,200}", width in 3..120_usize) {
            for line in wrapped(&text, width) {
                prop_assert!(line.chars().count() <= width, "{line:?}");
            }
        }
    }
}
