//! Metrics: what a scraper reads, in the format that it asks for.

mod accept;
mod collector;
mod contents;
mod counters;
pub mod families;
mod instances;
mod manual;
mod node_exporter;
mod writer;

use std::{fmt, time::Duration};

use prometheus_client::encoding::{prometheus_protobuf, prometheus_text, text};
use thiserror::Error;

pub use self::{
    accept::format_for,
    manual::table,
    node_exporter::{NodeColumns, STATISTICS as NODE_STATISTICS},
};
use crate::model::exposition::Readout;

/// The formats that scrapers ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsFormat {
    /// OpenMetrics 1.0, as text.
    OpenMetrics,
    /// The classic text format, 0.0.4.
    Text,
    /// Protobuf, each family preceded by its length: the only one with native histograms.
    Protobuf,
}

impl MetricsFormat {
    /// What the answer's `Content-Type` says.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => prometheus_text::CONTENT_TYPE,
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }
}

/// Everything that is exposed at one time.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// What is watched.
    pub readout: Readout,
    /// What ctpulse itself uses; `None` before it was measured.
    pub own: Option<OwnUse>,
    /// What its server does.
    pub serving: ServingMetrics,
    /// How samples are sent; `None` if they are not.
    pub remote_write: Option<RemoteWriteMetrics>,
    /// The kernel's own values under node_exporter's names, if they were asked for.
    pub node: Option<NodeColumns>,
}

/// What ctpulse itself has used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnUse {
    /// CPU time of all its threads, in the kernel too.
    pub cpu: Duration,
    /// Resident memory in bytes, if it could be read.
    pub memory: Option<u64>,
}

/// How samples are sent by remote write. Numbers are since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RemoteWriteMetrics {
    /// What waits, as it is stored.
    pub queue_bytes: u64,
    /// Samples that the receiver has not taken.
    pub waiting: u64,
    /// The age of the oldest of them, if there are any.
    pub oldest_seconds: Option<f64>,
    /// Samples that the receiver has taken.
    pub sent: u64,
    /// Also those that were refused.
    pub failed_requests: u64,
    /// Samples that were dropped because the queue was full.
    pub overflowed: u64,
    /// Samples that were dropped because the receiver refused them.
    pub refused: u64,
    /// Samples that were dropped because they could not be stored.
    pub not_stored: u64,
}

/// What the server does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServingMetrics {
    /// Connections that are open.
    pub connections: u64,
    /// Connections that were closed to make room for others, since the start.
    pub evicted: u64,
    /// Readers of the stream.
    pub stream_clients: u64,
    /// Readers of the stream that were dropped because they were too slow, since the start.
    pub stream_dropped: u64,
    /// Bytes of the stream that dropped readers did not get, since the start.
    pub stream_lost_bytes: u64,
}

/// Why metrics cannot be encoded.
#[derive(Debug, Error)]
pub enum MetricsError {
    /// In one of the two text formats.
    #[error("the metrics cannot be written as text: {0}")]
    Text(#[from] fmt::Error),
    /// In the binary one.
    #[error("the metrics cannot be written as protobuf: {0}")]
    Protobuf(#[from] prometheus_protobuf::EncodeError),
}

impl Metrics {
    /// All of it in a format.
    ///
    /// # Errors
    ///
    /// When something cannot be written in this format.
    pub fn encode(self, format: MetricsFormat) -> Result<Vec<u8>, MetricsError> {
        let parts = collector::parts(self);
        if format == MetricsFormat::Protobuf {
            let mut out = Vec::new();
            for part in parts {
                out.extend(prometheus_protobuf::encode_to_vec(&part)?);
            }
            return Ok(out);
        }
        let mut out = String::new();
        for part in parts {
            match format {
                MetricsFormat::OpenMetrics => text::encode_registry(&mut out, &part)?,
                _ => prometheus_text::encode(&mut out, &part)?,
            }
        }
        if format == MetricsFormat::OpenMetrics {
            text::encode_eof(&mut out)?;
        }
        Ok(out.into_bytes())
    }
}

#[cfg(test)]
mod tests;
