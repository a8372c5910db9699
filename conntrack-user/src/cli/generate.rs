//! Options of `generate`: what is made from the program itself.

use std::{path::PathBuf, str::FromStr};

use clap::{Args, Subcommand, ValueEnum};

use crate::{cli::IdsArg, recording::position::Position};

/// Options of `generate`.
#[derive(Args, Clone, Debug)]
pub struct GenerateArgs {
    /// What to write.
    #[command(subcommand)]
    pub what: Generated,
}

/// What can be written.
#[derive(Clone, Debug, Subcommand)]
pub enum Generated {
    /// Shell completions and man pages of the commands, into DIR/completions and DIR/man
    #[command(hide = true)]
    Files {
        /// The directory
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
    /// The manual's table of counters, as Markdown
    #[command(hide = true)]
    Counters,
    /// The manual's table of metrics, as Markdown
    #[command(hide = true)]
    Metrics,
    /// What the JSON Schema says of each counter, as the last members of an object
    #[command(hide = true)]
    CountersSchema,
    /// The manual's table of Netdata's charts, as Markdown
    #[command(hide = true)]
    NetdataCharts,
    /// Recording and alerting rules for Prometheus, over the metrics of `ctpulse serve`
    PrometheusRules,
    /// A dashboard for Grafana, over the same metrics
    GrafanaDashboard,
    /// A template for Zabbix 6.0 or later, which reads the same metrics
    ZabbixTemplate,
    /// Netdata's alert on the number of entries, as a file of its health engine
    NetdataHealth {
        /// Ids of the charts that it is about, as of `ctpulse netdata`
        #[arg(long, value_enum, default_value_t = IdsArg::Own)]
        ids: IdsArg,
    },
    /// The live view as it showed a recording, as SVG
    #[command(hide = true)]
    Picture(PictureArgs),
}

/// Options of `completions`.
#[derive(Args, Clone, Debug)]
pub struct CompletionsArgs {
    /// The shell that they are for
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: CompletionShell,
}

/// Shells that there are completions for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CompletionShell {
    Bash,
    Elvish,
    Fish,
    #[value(name = "powershell")]
    PowerShell,
    Zsh,
}

/// Options of `generate picture`.
#[derive(Args, Clone, Debug)]
pub struct PictureArgs {
    /// The recording
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The moment: the last one that the view has seen
    #[arg(long, value_name = "TIME|+OFFSET")]
    pub at: Option<Position>,
    /// Keys that are pressed then, characters only
    #[arg(
        long,
        value_name = "KEYS",
        default_value = "",
        hide_default_value = true
    )]
    pub keys: String,
    /// Columns and rows of the terminal
    #[arg(long, value_name = "COLUMNSxROWS", default_value = "100x30")]
    pub size: PictureSize,
}

/// Columns and rows of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureSize {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// Why a text is no size of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected columns and rows such as 100x30, each from 1 to {}",
    PictureSize::MOST
)]
pub struct SizeError;

impl PictureSize {
    /// The most columns or rows.
    const MOST: u16 = 500;
}

impl FromStr for PictureSize {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let (width, height) = text.split_once('x').ok_or(SizeError)?;
        let number = |text: &str| match text.parse() {
            Ok(number @ 1..=Self::MOST) => Ok(number),
            _ => Err(SizeError),
        };
        Ok(Self {
            width: number(width)?,
            height: number(height)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let expected = PictureSize {
            width: 100,
            height: 30,
        };
        assert_eq!("100x30".parse(), Ok(expected));
        for wrong in ["", "100", "0x30", "100x", "100x501", "-1x3", "axb"] {
            assert_eq!(wrong.parse::<PictureSize>(), Err(SizeError), "{wrong}");
        }
    }
}
