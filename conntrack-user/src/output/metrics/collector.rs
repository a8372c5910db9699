//! All metrics, in the order of their table.

use std::{fmt, sync::Arc};

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder, registry::Registry};

use super::{
    Metrics, RemoteWriteMetrics, contents, counters, families, instances, node_exporter,
    writer::{Named, Out, counter},
};
use crate::model::kernel::counters::{COUNTERS, CounterSpec};

/// Metrics that are written together. Those of many instances are large: what is made of them on the way is only ever that of a part.
#[derive(Clone, Copy, Debug)]
enum Part {
    Host,
    State,
    Total(&'static CounterSpec),
    Spread(&'static CounterSpec),
    Bursts,
    Judgement,
    Contents,
    Own,
}

/// What a part is written from.
#[derive(Debug)]
struct Exposed {
    metrics: Metrics,
    instances: Vec<Named>,
}

#[derive(Debug)]
struct PartOf {
    part: Part,
    of: Arc<Exposed>,
}

/// A registry for each part, in the order of the table.
pub(super) fn parts(metrics: Metrics) -> impl Iterator<Item = Registry> {
    let instances = metrics.readout.instances.iter();
    let instances = instances.map(|instance| (instance.name.to_string(), Arc::clone(instance)));
    let exposed = Arc::new(Exposed {
        instances: instances.collect(),
        metrics,
    });
    let parts = [Part::Host, Part::State].into_iter();
    let parts = parts.chain(COUNTERS.iter().map(Part::Total));
    let parts = parts.chain(COUNTERS.iter().map(Part::Spread));
    let parts = parts.chain([Part::Bursts, Part::Judgement, Part::Contents, Part::Own]);
    parts.map(move |part| {
        let mut registry = Registry::default();
        let of = Arc::clone(&exposed);
        registry.register_collector(Box::new(PartOf { part, of }));
        registry
    })
}

impl Collector for PartOf {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Out { encoder };
        let Exposed { metrics, instances } = &*self.of;
        match self.part {
            Part::Host => metrics.host(&mut out),
            Part::State => instances::write_state(&mut out, instances),
            Part::Total(spec) => counters::write_total(&mut out, instances, spec),
            Part::Spread(spec) => counters::write_spread(&mut out, instances, spec),
            Part::Bursts => counters::write_bursts(&mut out, instances),
            Part::Judgement => instances::write_judgement(&mut out, instances),
            Part::Contents => contents::write(&mut out, instances),
            Part::Own => {
                metrics.own(&mut out)?;
                match &metrics.node {
                    Some(node) => node_exporter::write(&mut out, node),
                    None => Ok(()),
                }
            }
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
        instances::write_workloads(out, &hello.instances)?;
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
        )?;
        match &self.remote_write {
            Some(sending) => remote_write(out, sending),
            None => Ok(()),
        }
    }
}

fn remote_write(out: &mut Out<'_>, sending: &RemoteWriteMetrics) -> fmt::Result {
    let gauges = [
        (families::RW_QUEUE, sending.queue_bytes),
        (families::RW_WAITING, sending.waiting),
    ];
    for (family, value) in gauges {
        out.family(&family)?.encode_gauge(&value)?;
    }
    if let Some(age) = sending.oldest_seconds {
        out.family(&families::RW_OLDEST)?.encode_gauge(&age)?;
    }
    counter(&mut out.family(&families::RW_SENT)?, sending.sent)?;
    counter(
        &mut out.family(&families::RW_FAILED)?,
        sending.failed_requests,
    )?;
    let dropped = [
        ("queue_full", sending.overflowed),
        ("refused", sending.refused),
        ("not_stored", sending.not_stored),
    ];
    let dropped = dropped.map(|(reason, samples)| ([("reason", reason)], samples));
    out.values(&families::RW_DROPPED, dropped, counter)
}
