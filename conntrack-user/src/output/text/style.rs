//! Colours, where there are any. They only underline what the text says without them.

use anstyle::{AnsiColor, Style};

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// Nothing particular.
    Plain,
    Title,
    /// Nothing to look at: zeros, what is unavailable.
    Dim,
    /// As it should be.
    Good,
    /// News that are neither.
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

    /// The text in this tone, where there are colours.
    pub(super) fn paint(self, text: &str, colours: bool) -> String {
        if !colours || self == Self::Plain || text.is_empty() {
            return text.to_owned();
        }
        let style = self.style();
        format!("{style}{text}{style:#}")
    }
}
