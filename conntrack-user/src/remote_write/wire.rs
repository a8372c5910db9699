//! What is sent, as Prometheus' remote write 1.0 has it, and what waits in the queue.

use prost::Message;

/// `prometheus.WriteRequest`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    pub(super) timeseries: Vec<TimeSeries>,
}

/// `prometheus.TimeSeries`: labels in the order of their names, samples in the order of time.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    pub(super) labels: Vec<SeriesLabel>,
    #[prost(message, repeated, tag = "2")]
    pub(super) samples: Vec<SeriesSample>,
}

/// `prometheus.Label`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Message)]
pub(super) struct SeriesLabel {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

/// `prometheus.Sample`: milliseconds since 1970.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct SeriesSample {
    #[prost(double, tag = "1")]
    pub(super) value: f64,
    #[prost(int64, tag = "2")]
    pub(super) timestamp: i64,
}

/// A frame of the queue: cells, and the series that occur for the first time in its segment.
#[derive(Clone, PartialEq, Message)]
pub(super) struct QueuedFrame {
    #[prost(message, repeated, tag = "1")]
    pub(super) series: Vec<QueuedSeries>,
    #[prost(message, repeated, tag = "2")]
    pub(super) cells: Vec<QueuedCell>,
}

/// A series, and its number in the segment.
#[derive(Clone, PartialEq, Message)]
pub(super) struct QueuedSeries {
    #[prost(uint32, tag = "1")]
    pub(super) number: u32,
    #[prost(message, repeated, tag = "2")]
    pub(super) labels: Vec<SeriesLabel>,
}

/// The values of series at the end of a cell.
#[derive(Clone, PartialEq, Message)]
pub(super) struct QueuedCell {
    #[prost(int64, tag = "1")]
    pub(super) end_ms: i64,
    #[prost(uint32, repeated, tag = "2")]
    pub(super) series: Vec<u32>,
    #[prost(double, repeated, tag = "3")]
    pub(super) values: Vec<f64>,
}

impl QueuedFrame {
    /// How many samples it has.
    pub(super) fn samples(&self) -> u64 {
        let samples = self.cells.iter().map(|cell| cell.series.len() as u64);
        samples.sum()
    }

    /// The ends of its first and its last cell.
    pub(super) fn span(&self) -> Option<(i64, i64)> {
        let ends = || self.cells.iter().map(|cell| cell.end_ms);
        Some((ends().min()?, ends().max()?))
    }
}
