//! The names and labels of series: those of the metrics that are scraped, with labels for where they come from.

use std::str::FromStr;

use thiserror::Error;

use super::wire::SeriesLabel;
use crate::{
    model::{
        cells::{GridMetric, GridStep},
        kernel::counters::Counter,
    },
    output::metrics::families::{self, COUNTER, MetricFamily},
};

/// The label that has the name of the metric.
const NAME: &str = "__name__";

/// Labels that the metrics have themselves.
const OWN: [&str; 3] = ["netns", "source", "window"];

/// The most bytes of a value that Prometheus and VictoriaMetrics take by default.
const LONGEST: usize = 1000;

/// A label that every series has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalLabel {
    pub name: String,
    /// Empty to leave out a label that there is by default.
    pub value: String,
}

/// Why a label is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LabelError {
    #[error("expected NAME=VALUE")]
    NoValue,
    #[error("a label's name has letters, digits and _, and starts with a letter")]
    Name,
    #[error("is a label of the metrics themselves")]
    Own,
    #[error("is longer than 1000 bytes, or has control characters")]
    Value,
}

impl FromStr for ExternalLabel {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let (name, value) = text.split_once('=').ok_or(LabelError::NoValue)?;
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(is_word) {
            return Err(LabelError::Name);
        }
        if OWN.contains(&name) {
            return Err(LabelError::Own);
        }
        if value.len() > LONGEST || value.chars().any(crate::text::is_harmful) {
            return Err(LabelError::Value);
        }
        Ok(Self {
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }
}

/// What all series have in common.
#[derive(Clone, Debug)]
pub(super) struct SeriesNames {
    external: Vec<ExternalLabel>,
    window: String,
}

impl SeriesNames {
    /// `more` has precedence over what there is by default: the job, and as the instance the host's name.
    pub(super) fn new(hostname: &str, more: &[ExternalLabel], step: GridStep) -> Self {
        let mut external: Vec<ExternalLabel> = more.to_vec();
        for (name, value) in [("job", "ctpulse"), ("instance", hostname)] {
            if !more.iter().any(|label| label.name == name) {
                external.push(ExternalLabel {
                    name: name.to_owned(),
                    value: value.to_owned(),
                });
            }
        }
        external.retain(|label| !label.value.is_empty());
        Self {
            external,
            window: format!("{}ms", step.millis()),
        }
    }
}

/// The labels of a series, in the order of their names.
pub(super) fn labels(names: &SeriesNames, instance: &str, metric: GridMetric) -> Vec<SeriesLabel> {
    let (name, own) = match metric {
        GridMetric::Entries => (families::ENTRIES.full_name(), None),
        GridMetric::Limit => (families::ENTRIES_LIMIT.full_name(), None),
        GridMetric::KernelTotal(counter) => {
            (of(&families::TOTAL, counter), Some(("source", "proc")))
        }
        GridMetric::ProbeTotal(counter) => {
            (of(&families::TOTAL, counter), Some(("source", "probe")))
        }
        GridMetric::Peak(counter) => (
            of(&families::PEAK, counter),
            Some(("window", &*names.window)),
        ),
    };
    let external = names.external.iter();
    let mut labels: Vec<SeriesLabel> = external
        .map(|label| (&*label.name, &*label.value))
        .chain([(NAME, &*name), ("netns", instance)])
        .chain(own)
        .map(|(name, value)| SeriesLabel {
            name: name.to_owned(),
            value: value.to_owned(),
        })
        .collect();
    labels.sort_unstable();
    labels
}

fn of(family: &MetricFamily, counter: Counter) -> String {
    family.full_name().replace(COUNTER, counter.spec().name)
}
