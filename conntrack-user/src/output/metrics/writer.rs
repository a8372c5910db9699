//! How a metric is written: its description, then its values.

use std::{fmt, sync::Arc};

use prometheus_client::{
    encoding::{
        DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, MetricEncoder,
        NoLabelSet,
    },
    metrics::MetricType,
    registry::Unit,
};

use super::families::{BaseUnit, COUNTER, FamilyKind, MetricFamily};
use crate::model::{
    exposition::InstanceReadout,
    kernel::{counters::CounterSpec, per_counter::PerCounter},
};

/// An instance, with its name as it becomes a label: neutralised.
pub(super) type Named = (String, Arc<InstanceReadout>);

/// Where metrics are written to.
pub(super) struct Out<'a> {
    pub(super) encoder: DescriptorEncoder<'a>,
}

/// A metric of which there is one for each counter.
pub(super) struct CounterFamily {
    family: MetricFamily,
    /// Name and help of each. They are made once: that takes longer than writing a value.
    described: PerCounter<(String, String)>,
}

impl CounterFamily {
    pub(super) fn new(family: MetricFamily) -> Self {
        let described = PerCounter::from_fn(|spec| {
            let name = family.name.replace(COUNTER, spec.name);
            let help = capitalised(&family.help.replace(COUNTER, spec.meaning));
            Some((name, help))
        });
        Self { family, described }
    }
}

impl Out<'_> {
    /// Writes the description of a metric without labels; the value follows.
    pub(super) fn family(
        &mut self,
        family: &MetricFamily,
    ) -> Result<MetricEncoder<'_>, fmt::Error> {
        let unit = family.unit.map(unit);
        self.encoder
            .encode_descriptor(family.name, family.help, unit, metric_type(family.kind))
    }

    /// Writes a metric with a value for each set of labels. One without values is not described either.
    pub(super) fn values<L: EncodeLabelSet, V>(
        &mut self,
        family: &MetricFamily,
        values: impl IntoIterator<Item = (L, V)>,
        write: impl Fn(&mut MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        self.write_values(family, (family.name, family.help), values, write)
    }

    /// The same of a metric of which there is one for each counter.
    pub(super) fn values_of<L: EncodeLabelSet, V>(
        &mut self,
        of: &CounterFamily,
        spec: &CounterSpec,
        values: impl IntoIterator<Item = (L, V)>,
        write: impl Fn(&mut MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        let Some((name, help)) = of.described.get(spec.id) else {
            return Ok(());
        };
        self.write_values(&of.family, (name, help), values, write)
    }

    fn write_values<L: EncodeLabelSet, V>(
        &mut self,
        family: &MetricFamily,
        (name, help): (&str, &str),
        values: impl IntoIterator<Item = (L, V)>,
        write: impl Fn(&mut MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        let mut values = values.into_iter().peekable();
        if values.peek().is_none() {
            return Ok(());
        }
        let unit = family.unit.map(unit);
        let mut of_family =
            self.encoder
                .encode_descriptor(name, help, unit, metric_type(family.kind))?;
        for (labels, value) in values {
            write(&mut of_family.encode_family(&labels)?, value)?;
        }
        Ok(())
    }
}

fn unit(unit: BaseUnit) -> &'static Unit {
    match unit {
        BaseUnit::Seconds => &Unit::Seconds,
        BaseUnit::Bytes => &Unit::Bytes,
    }
}

fn metric_type(kind: FamilyKind) -> MetricType {
    match kind {
        FamilyKind::Counter => MetricType::Counter,
        FamilyKind::Gauge => MetricType::Gauge,
        FamilyKind::Histogram => MetricType::Histogram,
        FamilyKind::Info => MetricType::Info,
    }
}

/// Writes a counter's value.
pub(super) fn counter(
    encoder: &mut MetricEncoder<'_>,
    value: impl EncodeCounterValue,
) -> fmt::Result {
    encoder.encode_counter::<NoLabelSet, _, f64>(&value, None)
}

/// Writes a gauge's value.
pub(super) fn gauge(encoder: &mut MetricEncoder<'_>, value: impl EncodeGaugeValue) -> fmt::Result {
    encoder.encode_gauge(&value)
}

fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(rest).collect()
}
