//! A recording summarized on one page: series for the six charts, and what happened.

mod build;
mod bursts;
mod contents;
mod instance;
pub mod limits;
mod losses;
pub mod track;
mod unseen;

pub use self::{
    build::Builder,
    contents::{
        ChartReport, DimensionReport, FullAlert, Fullest, InstanceReport, RecordingReport,
        TopReport,
    },
    losses::{LossConclusion, Losses},
};

#[cfg(test)]
mod tests;
