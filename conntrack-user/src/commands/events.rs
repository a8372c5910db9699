//! `ctpulse events`: a stream of which only the events are shown.

use std::{future::Future, io, time::Duration};

use conntrack_ebpf::EventKind;

use crate::{
    cli::{EventsArgs, EventsFormat, ProbesArg, StreamArgs},
    clock::Clock,
    commands::stream,
    model::{
        event::{filter::Filter, kind_name},
        record::Record,
    },
    output::{Sink, events::EventLines, json::Json, terminal},
};

/// Time from an event to its line, at most.
const INTERVAL: Duration = Duration::from_millis(100);

/// Reports events until the duration is over or `shutdown` completes, then how many there were.
pub async fn run(
    args: &EventsArgs,
    clock: impl Clock,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let out = io::BufWriter::new(io::stdout());
    let mut sink = Wanted {
        kinds: args.kind.iter().copied().map(kind_name).collect(),
        filter: args.filter.clone(),
        inner: match args.format {
            EventsFormat::Text => Box::new(EventLines::new(out, terminal::size())) as Box<dyn Sink>,
            EventsFormat::Json => Box::new(Json::new(out)),
        },
    };
    stream::run(&stream_args(args), clock, &mut sink, shutdown).await
}

fn stream_args(args: &EventsArgs) -> StreamArgs {
    // No function per flow sees an invalid packet.
    let default = if args.kind.contains(&EventKind::Invalid) {
        ProbesArg::All
    } else {
        ProbesArg::Auto
    };
    StreamArgs {
        interval: INTERVAL,
        duration: args.duration,
        probes: args.probes.unwrap_or(default),
        netns: args.netns.clone(),
        event_rate: args.event_rate,
        top: args.top.clone(),
        ..StreamArgs::default()
    }
}

/// Lets the wanted events pass, and what frames them.
struct Wanted {
    kinds: Vec<&'static str>,
    filter: Filter,
    inner: Box<dyn Sink>,
}

impl Sink for Wanted {
    fn write(&mut self, record: &Record) -> io::Result<()> {
        let wanted = match record {
            Record::Hello(_) | Record::Top(_) | Record::Summary(_) => true,
            Record::Event(event) => {
                (self.kinds.is_empty() || self.kinds.iter().any(|kind| event.kind == *kind))
                    && self.filter.matches(event.tuple.as_ref())
            }
            Record::Sample(_) | Record::Crosscheck(_) | Record::Alert(_) | Record::Burst(_) => {
                false
            }
        };
        if wanted {
            self.inner.write(record)
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
