//! `ctpulse events`: a run that reports only events.

use std::io;

use crate::{
    cli::{EventsArgs, EventsFormat},
    clock::SystemClock,
    commands::{Failure, stream},
    engine::{
        diagnostics::Diagnostics,
        drive::{to_end, until_signalled},
        outlet::Outlet,
        run::Run,
    },
    model::{
        event::{filter::Filter, kind_name},
        record::Record,
    },
    output::{Sink, events::EventLines, json::Json, terminal},
};

/// Reports events until the duration is over or a signal comes, then the summary.
pub(super) fn run(args: &EventsArgs, diagnostics: &Diagnostics) -> Result<(), Failure> {
    until_signalled(
        SystemClock,
        diagnostics,
        || {},
        async |shutdown| {
            let outlet = Outlet::stdout()?;
            let out = outlet.clone();
            let mut sink = Selected {
                kinds: args.kind.iter().copied().map(kind_name).collect(),
                filter: args.filter.clone(),
                inner: match args.format {
                    EventsFormat::Text => {
                        Box::new(EventLines::new(out, terminal::size())) as Box<dyn Sink>
                    }
                    EventsFormat::Json => Box::new(Json::new(out)),
                },
            };
            let (run, start) = Run::start(args.settings(), SystemClock, diagnostics.clone())?;
            to_end(run, start, Some(&outlet), shutdown, |records| {
                stream::write(&mut sink, &records)
            })
            .await?;
            Ok(())
        },
    )?
}

/// A sink that passes on the selected events, hello and summary.
struct Selected {
    kinds: Vec<&'static str>,
    filter: Filter,
    inner: Box<dyn Sink>,
}

impl Sink for Selected {
    fn write(&mut self, record: &Record) -> io::Result<()> {
        let selected = match record {
            Record::Hello(_) | Record::Top(_) | Record::Summary(_) => true,
            Record::Event(event) => {
                (self.kinds.is_empty() || self.kinds.iter().any(|kind| event.kind == *kind))
                    && self.filter.matches(event.tuple.as_ref())
            }
            Record::Sample(_)
            | Record::Crosscheck(_)
            | Record::Alert(_)
            | Record::Burst(_)
            | Record::Verdict(_) => false,
        };
        if selected {
            self.inner.write(record)
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
