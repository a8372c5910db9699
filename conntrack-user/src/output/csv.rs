//! Comma-separated values: a line per sample, `chart.dimension` columns in documented order. A cell
//! is empty where the value is unavailable.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use crate::{
    model::{
        kernel::charts::CHARTS,
        record::{Record, Sample},
    },
    output::Sink,
};

/// Writes CSV.
pub struct Csv<W> {
    out: W,
    header_written: bool,
}

impl<W: Write> Csv<W> {
    /// Onto `out`.
    pub fn new(out: W) -> Self {
        Self {
            out,
            header_written: false,
        }
    }

    fn header(&mut self) -> io::Result<()> {
        write!(self.out, "time,interval_s,instance,entries,max,utilization")?;
        for chart in &CHARTS {
            let name = chart.name.trim_start_matches("netfilter.conntrack_");
            for dimension in chart.dimensions {
                write!(self.out, ",{name}.{}", dimension.name)?;
            }
        }
        writeln!(
            self.out,
            ",crosscheck,time_to_full_s,time_to_full_low_s,time_to_full_high_s"
        )
    }

    fn sample(&mut self, sample: &Sample) -> io::Result<()> {
        fn cell<T: ToString>(value: Option<T>) -> String {
            value.map_or_else(String::new, |value| value.to_string())
        }
        write!(
            self.out,
            "{},{},{},{},{},{}",
            sample.time,
            sample.interval_s,
            quoted(&sample.instance.to_string()),
            cell(sample.entries),
            cell(sample.max),
            cell(sample.utilization),
        )?;
        for (_, dimensions) in &sample.charts.0 {
            for (_, value) in &dimensions.0 {
                write!(self.out, ",{}", cell(*value))?;
            }
        }
        let full = sample.time_to_full_s;
        writeln!(
            self.out,
            ",{},{},{},{}",
            sample.verdict.map_or("", |v| v.name()),
            cell(full.map(|time| time.estimate)),
            cell(full.map(|time| time.low)),
            cell(full.map(|time| time.high)),
        )
    }
}

/// A name as a cell: in quotes where it would be read as something else.
fn quoted(name: &str) -> Cow<'_, str> {
    if name.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", name.replace('"', "\"\"")).into()
    } else {
        name.into()
    }
}

impl<W: Write> Sink for Csv<W> {
    fn write(&mut self, record: &Record) -> io::Result<()> {
        if !self.header_written {
            self.header()?;
            self.header_written = true;
        }
        match record {
            Record::Sample(sample) => self.sample(sample),
            _ => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_are_quoted() {
        assert_eq!(quoted("web"), "web");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
