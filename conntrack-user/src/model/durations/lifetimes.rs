//! How long connections lived.

use crate::{
    reading::{durations::LifetimeCounts, unavailable::Unavailable},
    text::Text,
};
use serde::{Deserialize, Serialize};

const SECOND_NS: f64 = 1e9;

/// How long connections lived, from their insertion into the table to their destruction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lifetimes {
    /// Connections that ended and whose insertion was seen; `None` when lifetimes could not be counted.
    pub count: Option<u64>,
    /// Connections that ended and whose insertion was not seen: they were in the table before, or the map of insertion times was
    /// full.
    pub unknown: Option<u64>,
    /// Median in seconds, within 1 %; `None` when no connection ended.
    pub p50_s: Option<f64>,
    /// 90th percentile.
    pub p90_s: Option<f64>,
    /// 99th percentile.
    pub p99_s: Option<f64>,
    /// 99.9th percentile.
    pub p999_s: Option<f64>,
    /// The longest.
    pub max_s: Option<f64>,
    /// Why lifetimes could not be counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
}

impl Lifetimes {
    /// From the counts, or from the reason why there are none.
    #[must_use]
    pub(super) fn new(counted: Result<&LifetimeCounts, Unavailable>) -> Self {
        let counts = match counted {
            Ok(counts) => counts,
            Err(reason) => {
                return Self {
                    reason: Some(reason.into_reason()),
                    ..Self::default()
                };
            }
        };
        let quantiles = counts.histogram.quantiles();
        let seconds = |ns: f64| ns / SECOND_NS;
        Self {
            count: Some(counts.histogram.count()),
            unknown: Some(counts.unknown),
            p50_s: quantiles.map(|q| seconds(q.p50)),
            p90_s: quantiles.map(|q| seconds(q.p90)),
            p99_s: quantiles.map(|q| seconds(q.p99)),
            p999_s: quantiles.map(|q| seconds(q.p999)),
            max_s: quantiles.map(|q| seconds(q.max)),
            reason: None,
        }
    }
}
