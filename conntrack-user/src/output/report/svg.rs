//! The plots of the whole recording, for paper and for browsers without scripts. `page.js` draws the same
//! for any part of it.

use std::fmt::Write;

use crate::{
    model::report::{
        ChartReport, DimensionReport, InstanceReport, Report,
        track::{Column, Micros},
    },
    output::{
        number::compact,
        report::{alert_class, alert_text, html::Escaped},
    },
};

/// Size of a plot, in units of its view.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 170.0;
/// Room for what stands around the plot.
const LEFT: f64 = 48.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 20.0;
/// Columns of a plot.
const COLUMNS: usize = 600;

/// From moments and values to places.
struct Scale {
    from: Micros,
    to: Micros,
    up: f64,
    down: f64,
}

impl Scale {
    fn x(&self, at: Micros) -> f64 {
        LEFT + (at - self.from) as f64 / (self.to - self.from).max(1) as f64
            * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        TOP + (self.up - value) / (self.up + self.down) * (HEIGHT - TOP - BOTTOM)
    }
}

/// The least round number that is not less.
fn nice(value: f64) -> f64 {
    if value <= 0.0 {
        return 0.0;
    }
    let unit = 10_f64.powf(value.log10().floor());
    [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0]
        .into_iter()
        .map(|step| step * unit)
        .find(|nice| *nice >= value * 0.999_999)
        .unwrap_or(10.0 * unit)
}

/// A chart of the whole recording.
pub(super) fn chart(
    report: &Report,
    instance: &InstanceReport,
    chart: &ChartReport,
    id: &str,
) -> String {
    let drawn: Vec<(usize, &DimensionReport, Vec<Option<Column>>)> = chart
        .dimensions
        .iter()
        .enumerate()
        .filter(|(_, dimension)| dimension.is_available())
        .map(|(i, dimension)| (i, dimension, columns(report, dimension)))
        .collect();
    let greatest = |below: bool| {
        drawn
            .iter()
            .filter(|(_, dimension, _)| dimension.below == below)
            .flat_map(|(.., columns)| columns.iter().flatten())
            .map(|column| column.max)
            .fold(0.0, f64::max)
    };
    let (mut up, mut down) = (nice(greatest(false)), nice(greatest(true)));
    if up + down == 0.0 {
        up = 1.0;
    }
    // A side without anything is still there.
    if chart.dimensions.iter().any(|dimension| dimension.below) {
        up = up.max(down * 0.08);
        down = down.max(up * 0.08);
    }
    let scale = Scale {
        from: report.from,
        to: report.to,
        up,
        down,
    };
    let mut svg = format!(
        "<svg class=\"plot\" id=\"{id}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"{}, plotted over time; the table has its peaks\">",
        Escaped(chart.title)
    );
    bands(&mut svg, report, instance, &scale);
    marks(&mut svg, report, instance, &scale);
    grid(&mut svg, report, &scale);
    for (i, dimension, columns) in &drawn {
        let sign = if dimension.below { -1.0 } else { 1.0 };
        let _ = write!(
            svg,
            "<path class=\"peak d{i}\" d=\"{}\"/><path class=\"mean d{i}\" d=\"{}\"/>",
            path(columns, &scale, true, |column| column.max * sign),
            path(columns, &scale, false, |column| column.mean * sign),
        );
    }
    svg.push_str("</svg>");
    svg
}

fn columns(report: &Report, dimension: &DimensionReport) -> Vec<Option<Column>> {
    let intervals = dimension.steps.columns(report.from, report.to, COLUMNS);
    if dimension.cells.is_empty() {
        return intervals;
    }
    let buckets = dimension.cells.columns(report.from, report.to, COLUMNS);
    intervals
        .iter()
        .zip(buckets)
        .map(|(interval, bucket)| interval.map(|_| bucket))
        .collect()
}

/// An outline of columns, closed at zero or open.
fn path(
    columns: &[Option<Column>],
    scale: &Scale,
    area: bool,
    value: impl Fn(&Column) -> f64,
) -> String {
    let mut path = String::new();
    let step = (WIDTH - LEFT - RIGHT) / columns.len() as f64;
    let zero = scale.y(0.0);
    let x = |i: usize| LEFT + step * i as f64;
    let mut pen = None;
    for (i, column) in columns.iter().enumerate() {
        let y = column.as_ref().map(|column| scale.y(value(column)));
        match (pen, y) {
            (None, Some(y)) if area => {
                let _ = write!(path, "M{:.1} {zero:.1}V{y:.1}", x(i));
            }
            (None, Some(y)) => {
                let _ = write!(path, "M{:.1} {y:.1}", x(i));
            }
            (Some(pen), Some(y)) if y != pen => {
                let _ = write!(path, "H{:.1}V{y:.1}", x(i));
            }
            (Some(_), None) => end(&mut path, x(i), zero, area),
            _ => {}
        }
        pen = y;
    }
    if pen.is_some() {
        end(&mut path, x(columns.len()), zero, area);
    }
    path
}

fn end(path: &mut String, x: f64, zero: f64, area: bool) {
    let _ = write!(path, "H{x:.1}");
    if area {
        let _ = write!(path, "V{zero:.1}Z");
    }
}

/// Where there were bursts.
fn bands(svg: &mut String, report: &Report, instance: &InstanceReport, scale: &Scale) {
    for (from, to) in report.burst_spans(instance) {
        let (from, to) = (scale.x(from), scale.x(to));
        let _ = write!(
            svg,
            "<rect class=\"burst\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\"/>",
            (to - from).max(1.5),
            HEIGHT - TOP - BOTTOM
        );
    }
}

/// Where there were alerts.
fn marks(svg: &mut String, report: &Report, instance: &InstanceReport, scale: &Scale) {
    for alert in &instance.alerts {
        let _ = write!(
            svg,
            "<path class=\"alert {}\" d=\"M{:.1} {TOP}V{}\"><title>{}</title></path>",
            alert_class(alert.status),
            scale.x(report.micros(alert.time.0)),
            HEIGHT - BOTTOM,
            Escaped(&alert_text(alert))
        );
    }
}

fn grid(svg: &mut String, report: &Report, scale: &Scale) {
    let mut values = vec![scale.up, scale.up / 2.0, 0.0];
    if scale.down > 0.0 {
        values.push(-scale.down);
    }
    for value in values {
        let y = scale.y(value);
        let _ = write!(
            svg,
            "<path class=\"{}\" d=\"M{LEFT} {y:.1}H{:.1}\"/>",
            if value == 0.0 { "zero" } else { "grid" },
            WIDTH - RIGHT
        );
        // The small side of an axis has no room for numbers of its own.
        let (side, other) = if value < 0.0 {
            (scale.down, scale.up)
        } else {
            (scale.up, scale.down)
        };
        let room = side / (side + other);
        let has_room = if value.abs() < side {
            room > 0.3
        } else {
            room > 0.13
        };
        if value == 0.0 || has_room {
            let _ = write!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 5.0,
                y + 3.5,
                compact(value.abs())
            );
        }
    }
    for i in 0..=4 {
        let at = report.from + (report.to - report.from) * i / 4;
        let anchor = match i {
            0 => "start",
            4 => "end",
            _ => "middle",
        };
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
            scale.x(at),
            HEIGHT - 5.0,
            report.time(at).strftime("%H:%M:%S%.3f")
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        for (value, expected) in [
            (0.0, 0.0),
            (1.0, 1.0),
            (49_600.0, 50_000.0),
            (23.0, 30.0),
            (0.35, 0.4),
        ] {
            assert!(
                (nice(value) - expected).abs() < 1e-9,
                "{value}: {}",
                nice(value)
            );
        }
    }

    #[test]
    fn a_gap_interrupts_a_path() {
        let scale = Scale {
            from: 0,
            to: 4,
            up: 10.0,
            down: 0.0,
        };
        let value = |v: f64| Some(Column { mean: v, max: v });
        let drawn = path(
            &[value(1.0), None, value(2.0), value(2.0)],
            &scale,
            false,
            |c| c.mean,
        );
        assert_eq!(drawn.matches('M').count(), 2, "{drawn}");
    }
}
