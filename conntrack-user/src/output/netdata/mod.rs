//! Netdata: records as a plugin of its agent writes them (the protocol for external plugins, plugins.d). A point of every chart for
//! each sample; what is unavailable, or proven wrong by a check, is a gap.

mod charts;
mod health;
mod protocol;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

use self::{
    charts::{ChartKind, DimensionValue},
    protocol::{ChartLine, IdPart, LONGEST, VariableScope},
};
pub use self::{
    charts::{Ids, table},
    health::health,
    protocol::PLUGIN,
};
use crate::{
    model::{
        kernel::{counters, per_counter::PerCounter},
        record::{Burst, Hello, Instance, Record, Sample},
    },
    output::Sink,
    text::Text,
};

/// The variable that alerts on the number of entries compare with.
const MAX: &str = "netfilter_conntrack_max";

/// The name of the host's own network namespace, whose charts have ids without a name.
const OWN_NAMESPACE: &str = "self";

/// Writes what Netdata reads.
pub struct Netdata<W> {
    out: W,
    ids: Ids,
    /// Seconds between points.
    every: u64,
    instances: BTreeMap<Text, WatchedCharts>,
    /// Samples whose charts are not written yet: bursts of the same interval may follow them.
    pending: Vec<Sample>,
    bursts: BTreeMap<Text, PerCounter<u64>>,
}

/// The charts of an instance.
#[derive(Debug, Default)]
struct WatchedCharts {
    /// What its charts' ids end with; empty for the host's own namespace.
    id_part: String,
    charts: BTreeMap<ChartKind, KnownChart>,
    max: Option<u64>,
}

/// A chart that Netdata knows.
#[derive(Debug, Default)]
struct KnownChart {
    dimensions: BTreeSet<&'static str>,
    /// Whether the last sample had a point of it.
    continues: bool,
}

impl<W: Write> Netdata<W> {
    /// Writes to `out`, a point every so many seconds.
    pub fn new(out: W, ids: Ids, every: u64) -> Self {
        Self {
            out,
            ids,
            every,
            instances: BTreeMap::new(),
            pending: Vec::new(),
            bursts: BTreeMap::new(),
        }
    }

    /// Ends the charts of instances that are no longer watched, and remembers how to call the others.
    fn hello(&mut self, hello: &Hello) -> io::Result<()> {
        let watched: BTreeSet<&Text> = hello
            .instances
            .iter()
            .map(|watched| &watched.name)
            .collect();
        let gone: Vec<Text> = self
            .instances
            .keys()
            .filter(|name| !watched.contains(name))
            .cloned()
            .collect();
        for name in gone {
            if let Some(instance) = self.instances.remove(&name) {
                self.archive(&name, &instance)?;
            }
        }
        for instance in &hello.instances {
            let watched = self.instances.entry(instance.name.clone());
            watched.or_insert_with(|| WatchedCharts {
                id_part: id_part(instance),
                ..WatchedCharts::default()
            });
        }
        Ok(())
    }

    fn archive(&mut self, name: &Text, instance: &WatchedCharts) -> io::Result<()> {
        for kind in instance.charts.keys() {
            let id = format!("{}{}", kind.context(self.ids), instance.id_part);
            line(
                *kind,
                &id,
                &kind.context(self.ids),
                name,
                self.ids,
                self.every,
                true,
            )
            .write(&mut self.out)?;
        }
        Ok(())
    }

    fn burst(&mut self, burst: &Burst) {
        if let Some(spec) = counters::named(burst.counter.raw()) {
            let bursts = self.bursts.entry(burst.instance.clone()).or_default();
            *bursts.get_or_insert_with(spec.id, || 0) += 1;
        }
    }

    /// Writes a point of each chart of a sample.
    fn draw(&mut self, sample: &Sample) -> io::Result<()> {
        let Some(instance) = self.instances.get_mut(&sample.instance) else {
            return Ok(());
        };
        let bursts = self.bursts.get(&sample.instance);
        let number = |counter| bursts.and_then(|bursts| bursts.get(counter)).copied();
        let out = &mut self.out;
        for kind in ChartKind::all() {
            let points = kind.points(sample, &|counter| number(counter).unwrap_or(0) as f64);
            let continues = points.iter().any(|point| point.value.is_some());
            if !continues {
                if let Some(drawn) = instance.charts.get_mut(&kind) {
                    drawn.continues = false;
                }
                continue;
            }
            let context = kind.context(self.ids);
            let id = format!("{context}{}", instance.id_part);
            let drawn = instance.charts.entry(kind).or_default();
            let is_new = drawn.dimensions.is_empty();
            if drawn.learn(&points) {
                line(
                    kind,
                    &id,
                    &context,
                    &sample.instance,
                    self.ids,
                    self.every,
                    false,
                )
                .write(out)?;
                for point in drawn.known(&points) {
                    protocol::dimension(out, point.dimension, point.below)?;
                }
            }
            let since = drawn.continues.then_some(sample.interval_s);
            protocol::begin(out, &id, since)?;
            for point in drawn.known(&points) {
                protocol::set(out, point.dimension, point.value)?;
            }
            if kind == ChartKind::Table(0) && (is_new || instance.max != sample.max) {
                instance.max = sample.max;
                protocol::variable(out, VariableScope::Chart, MAX, sample.max)?;
                if sample.instance == *OWN_NAMESPACE {
                    protocol::variable(out, VariableScope::Host, MAX, sample.max)?;
                }
            }
            protocol::end(out)?;
            drawn.continues = true;
        }
        Ok(())
    }
}

impl KnownChart {
    /// Adds the dimensions that have a value for the first time; says whether there are any. A dimension that never has one is not
    /// drawn at all.
    fn learn(&mut self, points: &[DimensionValue]) -> bool {
        let before = self.dimensions.len();
        let available = points.iter().filter(|point| point.value.is_some());
        self.dimensions
            .extend(available.map(|point| point.dimension));
        self.dimensions.len() > before
    }

    fn known<'a>(
        &'a self,
        points: &'a [DimensionValue],
    ) -> impl Iterator<Item = &'a DimensionValue> {
        points
            .iter()
            .filter(|point| self.dimensions.contains(point.dimension))
    }
}

/// What the ids of an instance's charts end with. A name whose characters have no place there, and are many, gives way to the number
/// of its namespace.
fn id_part(instance: &Instance) -> String {
    if instance.name == *OWN_NAMESPACE {
        return String::new();
    }
    let name = IdPart(&instance.name).to_string();
    match instance.netns {
        Some(netns) if name.len() > LONGEST => format!("..{netns}"),
        // No chart's own name has a point.
        _ => format!(".{name}"),
    }
}

fn line<'a>(
    kind: ChartKind,
    id: &'a str,
    context: &'a str,
    instance: &'a Text,
    ids: Ids,
    every: u64,
    obsolete: bool,
) -> ChartLine<'a> {
    ChartLine {
        id,
        context,
        title: kind.title(ids),
        unit: kind.unit(),
        netns: Some(instance).filter(|name| **name != *OWN_NAMESPACE),
        priority: kind.priority(ids),
        every,
        obsolete,
    }
}

impl<W: Write> Sink for Netdata<W> {
    fn write(&mut self, record: &Record) -> io::Result<()> {
        match record {
            Record::Hello(hello) => self.hello(hello)?,
            Record::Sample(sample) => self.pending.push((**sample).clone()),
            Record::Burst(burst) => self.burst(burst),
            _ => {}
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        for sample in std::mem::take(&mut self.pending) {
            self.draw(&sample)?;
        }
        self.bursts.clear();
        // Even where there is nothing to say: a reader that is gone is noticed.
        writeln!(self.out)?;
        self.out.flush()
    }
}
