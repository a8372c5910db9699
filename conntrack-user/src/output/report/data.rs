//! The data of the page's script: numbers by instance, chart and dimension, and formats of numbers.

use serde::Serialize;

use crate::{
    model::report::{DimensionReport, InstanceReport, RecordingReport, track::SeriesStep},
    output::{
        format::number::WRONG,
        page::PageFormats,
        report::{alert_class, alert_text},
    },
};

#[derive(Serialize)]
struct PageData<'a> {
    /// The origin of all times, in microseconds since 1970.
    origin: i64,
    /// The first and the last time.
    from: i64,
    to: i64,
    #[serde(flatten)]
    formats: PageFormats,
    instances: Vec<InstanceData<'a>>,
}

#[derive(Serialize)]
struct InstanceData<'a> {
    charts: Vec<Vec<DimensionData<'a>>>,
    /// The entries in percent of the limit.
    utilization: DimensionData<'a>,
    /// The limit of the table: from, to and entries.
    limits: Vec<(i64, i64, u64)>,
    /// Time spans with bursts: from, to.
    bursts: Vec<(i64, i64)>,
    /// Time, class and text of each notification.
    alerts: Vec<(i64, &'static str, String)>,
}

#[derive(Serialize)]
struct DimensionData<'a> {
    name: &'a str,
    below: bool,
    /// From, length, mean and maximum; with buckets only the time spans that have them.
    steps: Vec<[f64; 4]>,
    /// The start of cell 0.
    phase: i64,
    /// The length of a cell in microseconds.
    width: f64,
    /// The difference from the previous cell's number, events, events of the busiest bucket.
    cells: Vec<(i64, u64, u64)>,
    /// Whether there are buckets.
    fine: bool,
    /// The mark of its numbers: empty unless a check proved some of them wrong.
    mark: &'static str,
}

/// The data as JSON.
pub(super) fn json(report: &RecordingReport) -> String {
    let data = PageData {
        origin: report.origin.as_microsecond(),
        from: report.from,
        to: report.to,
        formats: PageFormats::new(),
        instances: report
            .instances
            .iter()
            .map(|data| instance(report, data))
            .collect(),
    };
    // Numbers and strings can always be serialized.
    serde_json::to_string(&data).unwrap_or_default()
}

fn instance<'a>(report: &RecordingReport, instance: &'a InstanceReport) -> InstanceData<'a> {
    let charts = instance.charts.iter();
    let alerts = instance.alerts.iter();
    InstanceData {
        charts: charts
            .map(|chart| chart.dimensions.iter().map(dimension).collect())
            .collect(),
        utilization: dimension(&instance.utilization),
        limits: instance
            .limits
            .spans()
            .iter()
            .map(|span| (span.from, span.to, span.max))
            .collect(),
        bursts: report.burst_spans(instance),
        alerts: alerts
            .map(|alert| {
                let at = report.micros(alert.time.0);
                (at, alert_class(alert.status), alert_text(alert))
            })
            .collect(),
    }
}

fn dimension(dimension: &DimensionReport) -> DimensionData<'_> {
    let mut before = 0;
    DimensionData {
        name: dimension.name,
        below: dimension.below,
        steps: if dimension.cells.is_empty() {
            dimension.steps.as_slice().iter().map(step).collect()
        } else {
            // With buckets, steps only show where those are available.
            let spans = dimension.bucketed.spans().into_iter();
            spans
                .map(|(from, to)| [from as f64, (to - from) as f64, 0.0, 0.0])
                .collect()
        },
        phase: dimension.cells.phase(),
        width: dimension.cells.width_us(),
        cells: dimension
            .cells
            .iter()
            .map(|(cell, sum, max)| {
                let from_before = cell - std::mem::replace(&mut before, cell);
                (from_before, sum, max)
            })
            .collect(),
        fine: !dimension.cells.is_empty(),
        mark: if dimension.is_wrong() { WRONG } else { "" },
    }
}

fn step(step: &SeriesStep) -> [f64; 4] {
    // Four significant digits are enough for a plot or a compact number.
    let short = |value: f64| format!("{value:.4e}").parse().unwrap_or(value);
    [
        step.from as f64,
        (step.to - step.from) as f64,
        short(step.mean),
        short(step.max),
    ]
}
