//! Colours and characters: what a terminal can show.

use crate::model::kernel::counters::Colour;
use ratatui::style::{Color, Modifier, Style};

use crate::model::{alert::AlertStatus, record::Verdict};

/// Colours a terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Palette {
    /// None: weight, inversion and patterns only.
    Mono,
    /// The sixteen that every colour terminal has, as its user set them.
    Ansi,
    /// 256.
    Rich,
}

/// Characters a terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glyphs {
    /// Braille: plots of 2 × 4 dots in a character.
    Braille,
    /// ASCII only.
    Ascii,
}

/// What a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    /// Its colours.
    pub palette: Palette,
    /// Its characters.
    pub glyphs: Glyphs,
}

/// Environment variables that tell what a terminal can show, by name.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Theme {
    /// The best that a terminal can be expected to show. See <https://no-color.org/>.
    #[must_use]
    pub fn detect(ascii: bool, environment: Environment<'_>) -> Self {
        let set = |name| environment(name).filter(|value| !value.is_empty());
        let term = set("TERM").unwrap_or_default();
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
        let utf8 = locale.is_some_and(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        });
        Self {
            palette: if set("NO_COLOR").is_some() || term == "dumb" || term.starts_with("vt") {
                Palette::Mono
            } else if term.contains("256color") || set("COLORTERM").is_some() {
                Palette::Rich
            } else {
                Palette::Ansi
            },
            // The console's font has neither Braille nor eighths of blocks.
            glyphs: if ascii || !utf8 || term == "linux" || term == "dumb" {
                Glyphs::Ascii
            } else {
                Glyphs::Braille
            },
        }
    }

    fn pick(self, ansi: Color, rich: u8) -> Style {
        match self.palette {
            Palette::Mono => Style::new(),
            Palette::Ansi => Style::new().fg(ansi),
            Palette::Rich => Style::new().fg(Color::Indexed(rich)),
        }
    }

    /// What is read second.
    #[must_use]
    pub fn muted(self) -> Style {
        match self.palette {
            Palette::Mono => Style::new().add_modifier(Modifier::DIM),
            Palette::Ansi => Style::new().fg(Color::DarkGray),
            Palette::Rich => Style::new().fg(Color::Indexed(245)),
        }
    }

    /// Lines that only guide the eye.
    #[must_use]
    pub fn rule(self) -> Style {
        match self.palette {
            Palette::Rich => Style::new().fg(Color::Indexed(240)),
            _ => self.muted(),
        }
    }

    /// Names of things.
    #[must_use]
    pub fn title(self) -> Style {
        self.pick(Color::Cyan, 80).add_modifier(Modifier::BOLD)
    }

    /// Numbers that matter most.
    #[must_use]
    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Keys to press.
    #[must_use]
    pub fn key(self) -> Style {
        self.pick(Color::Yellow, 179)
    }

    /// All is well.
    #[must_use]
    pub fn good(self) -> Style {
        self.pick(Color::Green, 71)
    }

    /// Worth a look.
    #[must_use]
    pub fn warning(self) -> Style {
        self.pick(Color::Yellow, 214).add_modifier(Modifier::BOLD)
    }

    /// Trouble.
    #[must_use]
    pub fn critical(self) -> Style {
        self.pick(Color::LightRed, 203).add_modifier(Modifier::BOLD)
    }

    /// Trouble that must not be missed.
    #[must_use]
    pub fn alarm(self) -> Style {
        match self.palette {
            Palette::Mono => Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED),
            Palette::Ansi => Style::new()
                .fg(Color::White)
                .bg(Color::Red)
                .add_modifier(Modifier::BOLD),
            Palette::Rich => Style::new()
                .fg(Color::Indexed(231))
                .bg(Color::Indexed(160))
                .add_modifier(Modifier::BOLD),
        }
    }

    /// What is chosen in a list, or a state to notice.
    #[must_use]
    pub fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// The colour of a dimension.
    #[must_use]
    pub fn colour(self, colour: Colour) -> Style {
        let (ansi, rich) = match colour {
            Colour::Green => (Color::LightGreen, 78),
            Colour::Blue => (Color::LightBlue, 75),
            Colour::Violet => (Color::LightMagenta, 176),
            Colour::Yellow => (Color::Yellow, 220),
            Colour::Purple => (Color::Magenta, 170),
            Colour::Red => (Color::LightRed, 203),
            Colour::Orange => (Color::LightYellow, 214),
        };
        self.pick(ansi, rich)
    }

    /// The status of an alert.
    #[must_use]
    pub fn status(self, status: AlertStatus) -> Style {
        match status {
            AlertStatus::Clear => self.good(),
            AlertStatus::Warning => self.warning(),
            AlertStatus::Critical => self.critical(),
        }
    }

    /// A verdict of the cross-check.
    #[must_use]
    pub fn verdict(self, verdict: Option<Verdict>) -> Style {
        match verdict {
            None | Some(Verdict::NotComparable) => self.muted(),
            Some(Verdict::Exact | Verdict::WithinBracket) => self.good(),
            Some(Verdict::Undercount | Verdict::Mismatch) => self.alarm(),
        }
    }

    /// Whether only ASCII may be shown.
    #[must_use]
    pub fn is_ascii(self) -> bool {
        self.glyphs == Glyphs::Ascii
    }

    /// How full a column is, from empty to full.
    #[must_use]
    pub fn levels(self) -> &'static [&'static str] {
        match self.glyphs {
            Glyphs::Ascii => &[" ", ".", ":", "-", "=", "+", "*", "#", "@"],
            _ => &[" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
        }
    }

    /// The mark of a dimension in a legend, drawn as the plot draws it.
    #[must_use]
    pub fn mark(self, dimension: usize) -> &'static str {
        match (self.glyphs, self.palette) {
            (Glyphs::Ascii, _) => ["#", "*", "+", "o"][dimension.min(3)],
            (_, Palette::Mono) => ["⣿", "⢕", "⠉", "⡇"][dimension.min(3)],
            _ => "▪",
        }
    }
}

/// The ASCII character that stands for another.
#[must_use]
pub fn ascii_of(symbol: &str) -> &'static str {
    match symbol {
        "—" | "–" | "─" | "━" | "╌" => "-",
        "│" | "┃" | "╷" => "|",
        "→" | "▶" => ">",
        "←" => "<",
        "↑" | "▲" => "^",
        "↓" | "▼" => "v",
        "…" => "~",
        "·" | "▁" => ".",
        "×" => "x",
        "✓" => "+",
        "✗" => "X",
        "┌" | "┐" | "└" | "┘" | "├" | "┤" | "┬" | "┴" | "┼" | "╭" | "╮" | "╰" | "╯" => {
            "+"
        }
        "█" | "▓" | "▪" | "■" => "#",
        "░" => ".",
        "≥" => ">",
        "≤" => "<",
        "µ" => "u",
        "Δ" => "d",
        "−" => "-",
        _ => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(ascii: bool, variables: &[(&str, &str)]) -> (Palette, Glyphs) {
        let theme = Theme::detect(ascii, &|name| {
            let found = variables.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        (theme.palette, theme.glyphs)
    }

    #[test]
    fn the_theme_follows_the_environment() {
        let utf8 = ("LANG", "C.UTF-8");
        let check = |variables: &[(&str, &str)], expected| {
            assert_eq!(detect(false, variables), expected, "{variables:?}");
        };
        check(&[("TERM", "xterm"), utf8], (Palette::Ansi, Glyphs::Braille));
        check(
            &[("TERM", "xterm-256color"), utf8],
            (Palette::Rich, Glyphs::Braille),
        );
        check(
            &[("TERM", "xterm-256color"), utf8, ("NO_COLOR", "1")],
            (Palette::Mono, Glyphs::Braille),
        );
        check(
            &[("TERM", "xterm"), utf8, ("NO_COLOR", "")],
            (Palette::Ansi, Glyphs::Braille),
        );
        check(&[("TERM", "linux"), utf8], (Palette::Ansi, Glyphs::Ascii));
        check(&[("TERM", "vt100"), utf8], (Palette::Mono, Glyphs::Braille));
        check(
            &[("TERM", "xterm"), ("LANG", "C.UTF-8"), ("LC_ALL", "C")],
            (Palette::Ansi, Glyphs::Ascii),
        );
        check(&[], (Palette::Ansi, Glyphs::Ascii));
        assert_eq!(detect(true, &[utf8]).1, Glyphs::Ascii);
    }
}
