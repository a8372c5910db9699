//! Options of `record`, `replay` and `report`.

use crate::{config::Config, engine::settings::RunSettings};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::{
    cli::{Format, StreamArgs, ViewArgs, view::ThemeArg},
    recording::{pace::Speed, position::Position},
};

/// Options of `record`: those of a stream, whose buckets are always recorded.
#[derive(Args, Clone, Debug)]
#[command(mut_arg("buckets", |arg| arg.hide(true)))]
pub struct RecordArgs {
    /// File to record to; - for stdout
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Append to FILE if it exists, instead of refusing to touch it
    #[arg(long, conflicts_with = "force")]
    pub append: bool,
    /// Overwrite FILE if it exists, instead of refusing to touch it
    #[arg(long)]
    pub force: bool,
    /// Also stream to stdout, in the format of --format
    #[arg(long)]
    pub show: bool,
    /// Options of the stream that is recorded.
    #[command(flatten)]
    pub stream: StreamArgs,
}

impl RecordArgs {
    /// The options of the stream that is recorded.
    #[must_use]
    pub fn measured(&self) -> StreamArgs {
        StreamArgs {
            buckets: true,
            ..self.stream.clone()
        }
    }

    /// The settings of the run, with every bucket recorded.
    #[must_use]
    pub fn settings(&self, config: Config) -> RunSettings {
        RunSettings {
            buckets: true,
            ..self.stream.settings(config)
        }
    }
}

/// Options that select a part of a recording.
#[derive(Args, Clone, Debug)]
pub struct PartArgs {
    /// Start here: +2.5s (after the recording's start), 22:46:48.5 (UTC), or 2026-01-02T22:46:48.5Z
    #[arg(long, value_name = "TIME|+OFFSET")]
    pub from: Option<Position>,
    /// End here
    #[arg(long, value_name = "TIME|+OFFSET")]
    pub to: Option<Position>,
}

/// Options of `replay`.
#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// The recording; - for stdin
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Options of the text format.
    #[command(flatten)]
    pub view: ViewArgs,
    /// Speed, as a multiple of real time, or max
    #[arg(long, value_name = "1|10|max", default_value = "max")]
    pub speed: Speed,
    /// The part of the recording to use.
    #[command(flatten)]
    pub part: PartArgs,
    /// Show one interval for each Enter; a number and Enter shows as many, q ends
    #[arg(long, conflicts_with = "speed")]
    pub step: bool,
    /// In the live view, with all its keys, and s for the next interval, g to go on, < and > for the speed
    #[arg(long, conflicts_with_all = ["format", "step"])]
    pub live: bool,
    /// In the live view: draw with ASCII characters only
    #[arg(long, requires = "live")]
    pub ascii: bool,
    /// In the live view: colours
    #[arg(long, value_enum, value_name = "THEME", requires = "live")]
    pub theme: Option<ThemeArg>,
    /// In the live view: use the mouse
    #[arg(long, requires = "live")]
    pub mouse: bool,
    /// In the live view: configuration file; without it, /etc/ctpulse.toml if it exists
    #[arg(long, value_name = "FILE", requires = "live")]
    pub config: Option<PathBuf>,
}

impl ReplayArgs {
    /// The options of a stream that is printed the same way.
    #[must_use]
    pub fn shown(&self) -> StreamArgs {
        StreamArgs {
            format: self.format,
            view: self.view.clone(),
            ..StreamArgs::default()
        }
    }
}

/// Options of `report`.
#[derive(Args, Clone, Debug)]
pub struct ReportArgs {
    /// The recording; - for stdin
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where to write the page; - for stdout. Without it: beside the recording, as FILE.html
    #[arg(long, short, value_name = "PAGE")]
    pub output: Option<PathBuf>,
    /// Overwrite the page if it exists, instead of refusing to touch it
    #[arg(long)]
    pub force: bool,
    /// The part of the recording to use.
    #[command(flatten)]
    pub part: PartArgs,
    /// The page's title
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
}

impl ReportArgs {
    /// Where to write the page: as asked, or beside the recording, with `html` in the place of its extension.
    #[must_use]
    pub fn page(&self) -> PathBuf {
        let beside = || self.file.with_extension("html");
        self.output.clone().unwrap_or_else(beside)
    }

    /// Checks that there is a name for the page.
    ///
    /// # Errors
    ///
    /// A message that says what is wrong, and what to do instead.
    pub fn check(&self) -> Result<(), &'static str> {
        match self.output {
            None if self.file == Path::new("-") => Err(
                "a recording from stdin has no name for the page: --output PAGE, or --output - for stdout",
            ),
            _ => Ok(()),
        }
    }
}
