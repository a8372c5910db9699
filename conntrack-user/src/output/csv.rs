//! Comma-separated values: a line per sample, with `chart.dimension` columns in documented order. A cell is empty where the value
//! is unavailable, and where a check proves it wrong; the last column names the counters that are.

use std::io::{self, Write};

use csv::{ErrorKind, Writer};

use crate::{
    model::{
        kernel::charts::CHARTS,
        record::{Record, Sample},
    },
    output::Sink,
};

/// Writes CSV.
pub struct Csv<W: Write> {
    out: Writer<W>,
    header_written: bool,
}

impl<W: Write> Csv<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self {
            out: Writer::from_writer(out),
            header_written: false,
        }
    }

    fn line(&mut self, cells: impl IntoIterator<Item = String>) -> io::Result<()> {
        self.out.write_record(cells).map_err(cause)
    }
}

impl<W: Write> Sink for Csv<W> {
    fn write(&mut self, record: &Record) -> io::Result<()> {
        if !self.header_written {
            self.line(header())?;
            self.header_written = true;
        }
        match record {
            Record::Sample(sample) => self.line(cells(sample)),
            _ => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The I/O error behind an error of the csv crate, so that a broken pipe is recognised.
fn cause(error: csv::Error) -> io::Error {
    let text = error.to_string();
    match error.into_kind() {
        ErrorKind::Io(error) => error,
        _ => io::Error::other(text),
    }
}

fn header() -> Vec<String> {
    let mut names: Vec<String> = [
        "time",
        "interval_s",
        "instance",
        "entries",
        "max",
        "utilization",
    ]
    .map(str::to_owned)
    .into();
    for chart in &CHARTS {
        let dimensions = chart.dimensions.iter();
        names.extend(dimensions.map(|d| format!("{}.{}", chart.short_name(), d.name)));
    }
    names.extend(
        [
            "crosscheck",
            "time_to_full_s",
            "time_to_full_low_s",
            "time_to_full_high_s",
            "wrong",
        ]
        .map(str::to_owned),
    );
    names
}

fn cells(sample: &Sample) -> Vec<String> {
    let full = sample.time_to_full_s;
    let mut cells = vec![
        sample.time.to_string(),
        number(Some(sample.interval_s)),
        sample.instance.to_string(),
        optional(sample.entries),
        optional(sample.max),
        number(sample.utilization),
    ];
    for (c, chart) in CHARTS.iter().enumerate() {
        cells.extend((0..chart.dimensions.len()).map(|d| {
            let value = sample.value(c, d);
            number(value.filter(|_| !sample.is_wrong(c, d)))
        }));
    }
    cells.extend([
        sample
            .verdict
            .map_or_else(String::new, |verdict| verdict.name().to_owned()),
        number(full.map(|time| time.estimate)),
        number(full.map(|time| time.low)),
        number(full.map(|time| time.high)),
        wrong(sample),
    ]);
    cells
}

/// The names of the counters that are wrong.
fn wrong(sample: &Sample) -> String {
    let names = sample.wrong.iter().map(|(counter, _)| counter.spec().name);
    names.collect::<Vec<_>>().join(" ")
}

fn optional<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn number(value: Option<f64>) -> String {
    optional(value.filter(|value| value.is_finite()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str) -> String {
        let mut out = Vec::new();
        let mut csv = Csv::new(&mut out);
        csv.line([name.to_owned(), String::new(), "1".to_owned()])
            .unwrap();
        csv.flush().unwrap();
        drop(csv);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn odd_names_are_quoted() {
        assert_eq!(written("web"), "web,,1\n");
        assert_eq!(written("a,\"b\""), "\"a,\"\"b\"\"\",,1\n");
    }

    #[test]
    fn a_closed_pipe_stays_a_broken_pipe_error() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut csv = Csv::new(Closed);
        let written = csv
            .line(vec!["x".repeat(1 << 20)])
            .and_then(|()| csv.flush());
        assert_eq!(
            written.map_err(|error| error.kind()),
            Err(io::ErrorKind::BrokenPipe)
        );
    }
}
