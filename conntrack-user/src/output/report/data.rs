//! What the script draws from: numbers by instance, chart and dimension.

use serde::Serialize;

use crate::{
    model::report::{Report, track::BUCKET_US},
    output::report::{alert_class, alert_text},
};

#[derive(Serialize)]
struct Data<'a> {
    /// Microseconds since 1970 that all times count from.
    origin: i64,
    from: i64,
    to: i64,
    /// Length of a bucket in microseconds.
    bucket: f64,
    instances: Vec<Instance<'a>>,
}

#[derive(Serialize)]
struct Instance<'a> {
    charts: Vec<Vec<Dimension<'a>>>,
    /// When there were bursts: from, to.
    bursts: Vec<(i64, i64)>,
    /// When, of which class, and what it says.
    alerts: Vec<(i64, &'static str, String)>,
}

#[derive(Serialize)]
struct Dimension<'a> {
    name: &'a str,
    below: bool,
    /// From, length, mean, greatest value; where there are buckets, only when there is a value.
    steps: Vec<[f64; 4]>,
    /// When cell 0 begins.
    phase: i64,
    /// Length of a cell in microseconds.
    width: f64,
    /// Number less that of the cell before, events, events of the busiest bucket.
    cells: Vec<[i64; 3]>,
    /// Whether there are buckets.
    fine: bool,
}

/// The numbers as JSON.
pub(super) fn json(report: &Report) -> String {
    let data = Data {
        origin: report.origin.as_microsecond(),
        from: report.from,
        to: report.to,
        bucket: BUCKET_US,
        instances: report
            .instances
            .iter()
            .map(|instance| Instance {
                charts: instance
                    .charts
                    .iter()
                    .map(|chart| chart.dimensions.iter().map(dimension).collect())
                    .collect(),
                bursts: report.burst_spans(instance),
                alerts: instance
                    .alerts
                    .iter()
                    .map(|alert| {
                        let class = alert_class(alert.status);
                        (report.micros(alert.time.0), class, alert_text(alert))
                    })
                    .collect(),
            })
            .collect(),
    };
    // Numbers and strings have a form in JSON, whatever they are.
    serde_json::to_string(&data).unwrap_or_default()
}

fn dimension(dimension: &crate::model::report::DimensionReport) -> Dimension<'_> {
    let mut before = 0;
    // Four significant digits are more than a plot or a compact number shows.
    let short = |value: f64| format!("{value:.4e}").parse().unwrap_or(value);
    Dimension {
        name: dimension.name,
        below: dimension.below,
        steps: if dimension.cells.is_empty() {
            let steps = dimension.steps.as_slice().iter();
            steps
                .map(|step| {
                    let (from, length) = (step.from, step.to - step.from);
                    [
                        from as f64,
                        length as f64,
                        short(step.mean),
                        short(step.max),
                    ]
                })
                .collect()
        } else {
            // Where there are buckets, intervals say only when there were any.
            let spans = dimension.steps.spans().into_iter();
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
                [from_before, sum as i64, max as i64]
            })
            .collect(),
        fine: !dimension.cells.is_empty(),
    }
}
