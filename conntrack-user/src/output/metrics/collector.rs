//! All metrics, in the order of their table.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};

use super::{
    Metrics, counters,
    families::{self, BaseUnit, COUNTER, Family, FamilyKind},
    instances, node_exporter,
};
use crate::model::{exposition::InstanceReadout, kernel::counters::CounterSpec};

/// An instance, with its name as it becomes a label: neutralised.
pub(super) type Named<'a> = (String, &'a InstanceReadout);

impl Collector for Metrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Out { encoder };
        let instances: Vec<Named<'_>> = self
            .readout
            .instances
            .iter()
            .map(|instance| (instance.name.to_string(), &**instance))
            .collect();
        self.host(&mut out)?;
        instances::write_state(&mut out, &instances)?;
        counters::write(&mut out, &instances)?;
        instances::write_judgement(&mut out, &instances)?;
        self.own(&mut out)?;
        match &self.node {
            Some(node) => node_exporter::write(&mut out, node),
            None => Ok(()),
        }
    }
}

impl Metrics {
    fn host(&self, out: &mut Out<'_>) -> fmt::Result {
        let Some(hello) = &self.readout.hello else {
            return Ok(());
        };
        let (version, kernel) = (hello.version.to_string(), hello.kernel.to_string());
        let (mode, group) = (
            hello.probes.mode.to_string(),
            hello.probes.group.to_string(),
        );
        let labels = [
            ("version", &*version),
            ("kernel", &*kernel),
            ("probes", &*mode),
            ("group", &*group),
        ];
        out.family(&families::BUILD)?.encode_info(&labels)?;
        let functions = [
            (families::PROBED, hello.probes.attached.len()),
            (families::UNPROBED, hello.probes.missing.len()),
        ];
        for (family, number) in functions {
            out.family(&family)?.encode_gauge(&(number as u64))?;
        }
        Ok(())
    }

    fn own(&self, out: &mut Out<'_>) -> fmt::Result {
        if let Some(own) = &self.own {
            let seconds = own.cpu.as_secs_f64();
            counter(&mut out.family(&families::CPU)?, seconds)?;
            if let Some(bytes) = own.memory {
                out.family(&families::MEMORY)?.encode_gauge(&bytes)?;
            }
        }
        let serving = &self.serving;
        out.family(&families::CONNECTIONS)?
            .encode_gauge(&serving.connections)?;
        counter(&mut out.family(&families::EVICTED)?, serving.evicted)?;
        out.family(&families::STREAM_CLIENTS)?
            .encode_gauge(&serving.stream_clients)?;
        counter(
            &mut out.family(&families::STREAM_DROPPED)?,
            serving.stream_dropped,
        )?;
        counter(
            &mut out.family(&families::STREAM_LOST)?,
            serving.stream_lost_bytes,
        )
    }
}

/// Where metrics are written to.
pub(super) struct Out<'a> {
    pub(super) encoder: DescriptorEncoder<'a>,
}

impl Out<'_> {
    /// Writes the description of a metric without labels; the value follows.
    pub(super) fn family(&mut self, family: &Family) -> Result<MetricEncoder<'_>, fmt::Error> {
        let unit = family.unit.map(unit);
        self.encoder
            .encode_descriptor(family.name, family.help, unit, metric_type(family.kind))
    }

    /// Writes a metric with a value for each set of labels. One without values is not described either.
    pub(super) fn values<L: EncodeLabelSet, V>(
        &mut self,
        family: &Family,
        values: impl IntoIterator<Item = (L, V)>,
        write: impl Fn(&mut MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        self.write_values(family, (family.name, family.help), values, write)
    }

    /// The same of a metric of which there is one for each counter.
    pub(super) fn values_of<L: EncodeLabelSet, V>(
        &mut self,
        family: &Family,
        spec: &CounterSpec,
        values: impl IntoIterator<Item = (L, V)>,
        write: impl Fn(&mut MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        let name = family.name.replace(COUNTER, spec.name);
        let help = family.help.replace(COUNTER, spec.meaning);
        self.write_values(family, (&name, &help), values, write)
    }

    fn write_values<L: EncodeLabelSet, V>(
        &mut self,
        family: &Family,
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
    value: impl prometheus_client::encoding::EncodeCounterValue,
) -> fmt::Result {
    encoder.encode_counter::<NoLabelSet, _, f64>(&value, None)
}

/// Writes a gauge's value.
pub(super) fn gauge(
    encoder: &mut MetricEncoder<'_>,
    value: impl prometheus_client::encoding::EncodeGaugeValue,
) -> fmt::Result {
    encoder.encode_gauge(&value)
}
