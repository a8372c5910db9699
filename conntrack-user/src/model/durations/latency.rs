//! How long kernel functions took.

use crate::{reading::unavailable::Unavailable, text::Text};
use serde::{Deserialize, Serialize};

use crate::reading::duration_histogram::DurationHistogram;

const MICROSECOND_NS: f64 = 1e3;

/// How long calls of functions took, from entry to return.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// `__nf_conntrack_confirm`, which inserts the flow into the table at its first packet.
    pub confirm: CallTimes,
    /// `early_drop`, which looks for a flow to evict when the table is full.
    pub early_drop: CallTimes,
}

/// How long calls of one function took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallTimes {
    /// The number of calls; `None` when they could not be measured.
    pub count: Option<u64>,
    /// Median in microseconds, within 1 %; `None` without calls.
    pub p50_us: Option<f64>,
    /// 90th percentile.
    pub p90_us: Option<f64>,
    /// 99th percentile.
    pub p99_us: Option<f64>,
    /// 99.9th percentile.
    pub p999_us: Option<f64>,
    /// The longest.
    pub max_us: Option<f64>,
    /// Why they could not be measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
}

impl CallTimes {
    /// From the measurement, or from the reason why there is none.
    #[must_use]
    pub(super) fn new(measured: Result<&DurationHistogram, Unavailable>) -> Self {
        let histogram = match measured {
            Ok(histogram) => histogram,
            Err(reason) => {
                return Self {
                    reason: Some(reason.into_reason()),
                    ..Self::default()
                };
            }
        };
        let quantiles = histogram.quantiles();
        let micros = |ns: f64| ns / MICROSECOND_NS;
        Self {
            count: Some(histogram.count()),
            p50_us: quantiles.map(|q| micros(q.p50)),
            p90_us: quantiles.map(|q| micros(q.p90)),
            p99_us: quantiles.map(|q| micros(q.p99)),
            p999_us: quantiles.map(|q| micros(q.p999)),
            max_us: quantiles.map(|q| micros(q.max)),
            reason: None,
        }
    }
}
