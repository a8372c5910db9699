//! Colours and characters that the terminal supports.

use crate::model::kernel::counters::Colour;
use ratatui::style::{Color, Modifier, Style};

use crate::model::{alert::AlertStatus, record::Verdict};

/// The colours of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Palette {
    /// None: only bold, reverse video and patterns.
    Mono,
    /// Of the sixteen standard colours, those that are legible on dark and on light.
    Ansi,
    /// Of 256 colours, those for a dark background.
    Rich,
    /// Of 256 colours, those for a light background.
    Light,
}

/// What the user asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ThemeChoice {
    /// What the terminal says it can show.
    #[default]
    Auto,
    /// These colours, whatever it says.
    Palette(Palette),
}

impl ThemeChoice {
    /// The choice that a configuration calls so.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "dark" => Self::Palette(Palette::Rich),
            "light" => Self::Palette(Palette::Light),
            "16" => Self::Palette(Palette::Ansi),
            "none" => Self::Palette(Palette::Mono),
            _ => Self::Auto,
        }
    }
}

/// The characters of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glyphs {
    /// Braille: 2 × 4 dots per character.
    Braille,
    /// ASCII only.
    Ascii,
}

/// The capabilities of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    /// Its colours.
    pub palette: Palette,
    /// Its characters.
    pub glyphs: Glyphs,
}

/// Looks up environment variables by name.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Theme {
    /// Detects the capabilities from the environment. See <https://no-color.org/>.
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
                // Some terminals tell the colours of text and background, by their numbers among sixteen.
                let background = set("COLORFGBG");
                match background.as_deref().and_then(|all| all.rsplit(';').next()) {
                    Some("7" | "15") => Palette::Light,
                    _ => Palette::Rich,
                }
            } else {
                Palette::Ansi
            },
            // The console's font has neither Braille nor block elements of one eighth.
            glyphs: if ascii || !utf8 || term == "linux" || term == "dumb" {
                Glyphs::Ascii
            } else {
                Glyphs::Braille
            },
        }
    }

    fn pick(self, ansi: Color, dark: u8, light: u8) -> Style {
        match self.palette {
            Palette::Mono => Style::new(),
            Palette::Ansi => Style::new().fg(ansi),
            Palette::Rich => Style::new().fg(Color::Indexed(dark)),
            Palette::Light => Style::new().fg(Color::Indexed(light)),
        }
    }

    /// Secondary text.
    #[must_use]
    pub fn muted(self) -> Style {
        match self.palette {
            Palette::Mono => Style::new().add_modifier(Modifier::DIM),
            _ => self.pick(Color::DarkGray, 245, 242),
        }
    }

    /// Rules and other lines.
    #[must_use]
    pub fn rule(self) -> Style {
        match self.palette {
            Palette::Mono => self.muted(),
            _ => self.pick(Color::DarkGray, 240, 248),
        }
    }

    /// Names of panels, charts and hosts.
    #[must_use]
    pub fn title(self) -> Style {
        self.pick(Color::LightBlue, 80, 24)
            .add_modifier(Modifier::BOLD)
    }

    /// Important numbers.
    #[must_use]
    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Keys that can be pressed.
    #[must_use]
    pub fn key(self) -> Style {
        self.pick(Color::Magenta, 179, 94)
    }

    /// Everything is as it should be.
    #[must_use]
    pub fn good(self) -> Style {
        self.pick(Color::Green, 71, 28)
    }

    /// Something to look at. Of the sixteen colours yellow is not legible on white.
    #[must_use]
    pub fn warning(self) -> Style {
        self.pick(Color::LightMagenta, 214, 130)
            .add_modifier(Modifier::BOLD)
    }

    /// Critical states.
    #[must_use]
    pub fn critical(self) -> Style {
        self.pick(Color::LightRed, 203, 160)
            .add_modifier(Modifier::BOLD)
    }

    /// Critical states that must not be missed.
    #[must_use]
    pub fn alarm(self) -> Style {
        match self.palette {
            Palette::Mono => Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED),
            Palette::Ansi => Style::new()
                .fg(Color::White)
                .bg(Color::Red)
                .add_modifier(Modifier::BOLD),
            Palette::Rich | Palette::Light => Style::new()
                .fg(Color::Indexed(231))
                .bg(Color::Indexed(160))
                .add_modifier(Modifier::BOLD),
        }
    }

    /// The selected row of a list, or a state such as PAUSED.
    #[must_use]
    pub fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// The style of a dimension.
    #[must_use]
    pub fn colour(self, colour: Colour) -> Style {
        let (ansi, dark, light) = match colour {
            Colour::Green => (Color::Green, 78, 28),
            Colour::Blue => (Color::LightBlue, 75, 25),
            Colour::Violet => (Color::LightMagenta, 176, 97),
            Colour::Yellow => (Color::Cyan, 220, 136),
            Colour::Purple => (Color::Magenta, 170, 127),
            Colour::Red => (Color::LightRed, 203, 160),
            Colour::Orange => (Color::Red, 214, 166),
        };
        self.pick(ansi, dark, light)
    }

    /// The style of an alert's status.
    #[must_use]
    pub fn status(self, status: AlertStatus) -> Style {
        match status {
            AlertStatus::Clear => self.good(),
            AlertStatus::Warning => self.warning(),
            AlertStatus::Critical => self.critical(),
        }
    }

    /// The style of a verdict of the cross-check.
    #[must_use]
    pub fn verdict(self, verdict: Option<Verdict>) -> Style {
        match verdict {
            None | Some(Verdict::NotComparable) => self.muted(),
            Some(Verdict::Exact | Verdict::WithinBracket) => self.good(),
            Some(Verdict::Undercount | Verdict::Mismatch) => self.alarm(),
        }
    }

    /// Whether only ASCII is shown.
    #[must_use]
    pub fn is_ascii(self) -> bool {
        self.glyphs == Glyphs::Ascii
    }

    /// Symbols of columns from empty to full.
    #[must_use]
    pub fn levels(self) -> &'static [&'static str] {
        match self.glyphs {
            Glyphs::Ascii => &[" ", ".", ":", "-", "=", "+", "*", "#", "@"],
            _ => &[" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
        }
    }

    /// The mark of a dimension in a legend, with the pattern of its plot.
    #[must_use]
    pub fn mark(self, dimension: usize) -> &'static str {
        match (self.glyphs, self.palette) {
            (Glyphs::Ascii, _) => ["#", "*", "+", "o"][dimension.min(3)],
            (_, Palette::Mono) => ["⣿", "⢕", "⠉", "⡇"][dimension.min(3)],
            _ => "▪",
        }
    }
}

/// The ASCII replacement of a character.
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
mod tests;
