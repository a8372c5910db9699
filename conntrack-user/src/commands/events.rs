//! `ctpulse events`: a run that reports only events.

use std::io;

use crate::{
    cli::{EventsArgs, EventsFormat, ProbesArg},
    clock::SystemClock,
    commands::{Failure, stream},
    engine::{
        diagnostics::Diagnostics,
        drive::{to_end, until_signalled},
        error::EngineError,
        outlet::Outlet,
        run::Run,
        settings::NamespaceChoice,
    },
    model::{
        event::{filter::Filter, kind_name},
        record::Record,
    },
    output::{Sink, events::EventLines, json::Json, terminal},
    probes::{
        facts::{HostFacts, Support},
        plan::Plan,
    },
    source::namespaces::Namespace,
    text::Text,
};

/// Reports events until the duration is over or a signal comes, then the summary.
pub(super) fn run(args: &EventsArgs, diagnostics: &Diagnostics) -> Result<(), Failure> {
    until_signalled(
        SystemClock,
        diagnostics,
        || {},
        async |shutdown| {
            let asked_for_none = args.probes == Some(ProbesArg::Off);
            if !asked_for_none && let Some(reason) = blocked(args)? {
                return Err(Failure::NoEvents(reason));
            }
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
            if let Some(reason) = why_no_probes(&start)
                && !asked_for_none
                && !run.awaits_conntrack()
            {
                return Err(Failure::NoEvents(reason));
            }
            to_end(run, start, Some(&outlet), shutdown, |records| {
                stream::write(&mut sink, &records)
            })
            .await?;
            Ok(())
        },
    )?
}

/// Why this host lets no probe be attached, as far as that is known before it is tried; `None` also while nf_conntrack is not loaded,
/// for which a run waits. Only probes see events: without them there would be silence, which looks as if nothing went wrong.
fn blocked(args: &EventsArgs) -> Result<Option<Text>, EngineError> {
    for choice in &args.netns {
        if let NamespaceChoice::Named(name) = choice {
            // A mistake of the user comes first.
            Namespace::named(name)?;
        }
    }
    let facts = HostFacts::probe();
    if matches!(facts.conntrack, Support::No(_)) {
        return Ok(None);
    }
    let plan = Plan::new(args.settings().probes.request, false, &facts);
    Ok(plan.blocked.map(|reason| reason.to_string().into()))
}

/// Why no probe is attached at the start of a run; `None` if one is.
fn why_no_probes(start: &[Record]) -> Option<Text> {
    start.iter().find_map(|record| match record {
        Record::Hello(hello) if !hello.probes.is_attached() => Some(hello.probes.why_off()),
        _ => None,
    })
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
                    && self.filter.matches_any(event.flows())
            }
            Record::Sample(_)
            | Record::Contents(_)
            | Record::Limits(_)
            | Record::Advice(_)
            | Record::Crosscheck(_)
            | Record::Alert(_)
            | Record::Burst(_)
            | Record::Host(_)
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
