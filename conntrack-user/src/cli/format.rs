//! Output formats of a stream: all that the command line knows of each.

use clap::ValueEnum;

/// Output formats of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns, for people
    Text,
    /// One JSON object per line
    Json,
    /// Comma-separated values with a header
    Csv,
}

/// What options ask for and not every format can show.
#[derive(Clone, Copy)]
pub(super) enum FormatPart {
    EachCpu,
    TopTalkers,
    Lifetimes,
    Latency,
    ChosenColumns,
}

impl Format {
    /// An error says where the part has a place.
    pub(super) const fn has_room_for(self, part: FormatPart) -> Result<(), &'static str> {
        use FormatPart as Part;
        match (self, part) {
            (Self::Csv, Part::EachCpu) => {
                Err("--per-cpu has no place in CSV, whose columns are fixed; use --format json")
            }
            (Self::Csv, Part::TopTalkers) => {
                Err("--top has no place in CSV; use --format text or json")
            }
            (Self::Csv, Part::Lifetimes) => {
                Err("--lifetimes has no place in CSV; use --format text or json")
            }
            (Self::Csv, Part::Latency) => {
                Err("--latency has no place in CSV; use --format text or json")
            }
            (Self::Csv | Self::Json, Part::ChosenColumns) => {
                Err("--columns and --chart are for text; the other formats always have everything")
            }
            (
                Self::Text | Self::Json,
                Part::EachCpu | Part::TopTalkers | Part::Lifetimes | Part::Latency,
            )
            | (Self::Text, Part::ChosenColumns) => Ok(()),
        }
    }

    /// Whether it says by itself how the probes are attached, or why none is.
    #[must_use]
    pub const fn reports_probes(self) -> bool {
        match self {
            Self::Text | Self::Json => true,
            Self::Csv => false,
        }
    }
}
