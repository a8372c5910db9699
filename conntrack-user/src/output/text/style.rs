//! Colours. They emphasise the text, which can be understood without them.

use anstyle::{AnsiColor, Style};

/// The meaning of a piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// Normal text.
    Plain,
    Title,
    /// Unimportant: zeros, unavailable values.
    Dim,
    /// As it should be.
    Good,
    /// News, neither good nor bad.
    News,
    /// Worth a look.
    Warning,
    /// Not as it should be.
    Bad,
}

impl Tone {
    fn style(self) -> Style {
        let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
        match self {
            Self::Plain => Style::new(),
            Self::Title => Style::new().bold(),
            Self::Dim => Style::new().dimmed(),
            Self::Good => colour(AnsiColor::Green),
            Self::News => colour(AnsiColor::Cyan),
            Self::Warning => colour(AnsiColor::Yellow).bold(),
            Self::Bad => colour(AnsiColor::Red).bold(),
        }
    }

    /// The text in this tone, if colours are used.
    pub(super) fn paint(self, text: &str, colours: bool) -> String {
        if !colours || self == Self::Plain || text.is_empty() {
            return text.to_owned();
        }
        let style = self.style();
        format!("{style}{text}{style:#}")
    }
}
