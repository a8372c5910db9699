//! Options of the text format, which `stream` and `replay` share.

use clap::{Args, ValueEnum};

use super::heading;
use crate::output::{
    live::theme::{Palette, ThemeChoice},
    text::{ChartName, ColumnName, Numbers, Selection, View},
};

/// Options of the text format.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct ViewArgs {
    /// Show these columns, in this order: time, entries, used, new.new, new.new.peak, errors.drop …
    #[arg(
        long,
        value_name = "COLUMN",
        value_delimiter = ',',
        conflicts_with = "chart", help_heading = heading::TEXT)]
    pub columns: Vec<ColumnName>,
    /// Show only these charts: sockets, new, changes, expect, search, errors
    #[arg(long, value_name = "CHART", value_delimiter = ',', help_heading = heading::TEXT)]
    pub chart: Vec<ChartName>,
    /// How to write rates
    #[arg(long, value_enum, default_value_t = NumbersArg::Human, help_heading = heading::TEXT)]
    pub numbers: NumbersArg,
    /// Whether to use colours
    #[arg(long, value_enum, default_value_t = ColorArg::Auto, help_heading = heading::TEXT)]
    pub color: ColorArg,
}

impl ViewArgs {
    /// The view that these options ask for; `colours` decides for `--color auto`.
    #[must_use]
    pub fn view(&self, colours: impl FnOnce() -> bool) -> View {
        View {
            selection: if !self.columns.is_empty() {
                Selection::Columns(self.columns.clone())
            } else if !self.chart.is_empty() {
                Selection::Charts(self.chart.clone())
            } else {
                Selection::Fitting
            },
            numbers: match self.numbers {
                NumbersArg::Human => Numbers::Human,
                NumbersArg::Exact => Numbers::Exact,
            },
            colours: match self.color {
                ColorArg::Auto => colours(),
                ColorArg::Always => true,
                ColorArg::Never => false,
            },
        }
    }
}

/// Ways to write rates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum NumbersArg {
    /// Three digits and a unit: 2.32k
    #[default]
    Human,
    /// All digits: 2319.42
    Exact,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorArg {
    /// On a terminal that has them, unless NO_COLOR is set
    #[default]
    Auto,
    /// In a pipe or file too
    Always,
    /// Not even on a terminal
    Never,
}

/// Colours of the live view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ThemeArg {
    /// What the terminal can show
    Auto,
    /// For a dark background, with 256 colours
    Dark,
    /// For a light background, with 256 colours
    Light,
    /// The terminal's own sixteen, legible on dark and on light
    #[value(name = "16")]
    Sixteen,
    /// No colours: bold, reverse and patterns
    None,
}

impl ThemeArg {
    /// The theme that is asked for.
    #[must_use]
    pub fn choice(self) -> ThemeChoice {
        match self {
            Self::Auto => ThemeChoice::Auto,
            Self::Dark => ThemeChoice::Palette(Palette::Rich),
            Self::Light => ThemeChoice::Palette(Palette::Light),
            Self::Sixteen => ThemeChoice::Palette(Palette::Ansi),
            Self::None => ThemeChoice::Palette(Palette::Mono),
        }
    }
}
