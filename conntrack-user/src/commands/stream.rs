//! `ctpulse stream`.

use std::io::{self, Write};

use crate::{
    cli::{Format, StreamArgs},
    clock::SystemClock,
    commands::{Failure, configuration},
    engine::{
        diagnostics::Diagnostics,
        drive::{to_end, until_signalled},
        outlet::Outlet,
        run::Run,
    },
    model::record::{Hello, Record},
    output::{Sink, csv::Csv, json::Json, terminal, text::TextSink},
    text::Text,
};

/// Streams until the duration is over or a signal comes, then writes the summary.
pub(super) fn run(args: &StreamArgs, diagnostics: &Diagnostics) -> Result<(), Failure> {
    let config = configuration(args.alerts.config.as_deref())?;
    let settings = args.settings(config);
    let mut probes_off = ProbesOff::new(!args.format.reports_probes() && settings.wants_probes());
    until_signalled(
        SystemClock,
        diagnostics,
        || {},
        async |shutdown| {
            let outlet = Outlet::stdout()?;
            let mut sink = sink(args, outlet.clone());
            let (run, start) = Run::start(settings, SystemClock, diagnostics.clone())?;
            to_end(run, start, Some(&outlet), shutdown, |records| {
                probes_off.look_for(&records, diagnostics);
                write(&mut *sink, &records)
            })
            .await?;
            Ok(())
        },
    )?
}

/// Writes records, and flushes.
pub(super) fn write(sink: &mut dyn Sink, records: &[Record]) -> io::Result<()> {
    for record in records {
        sink.write(record)?;
    }
    sink.flush()
}

/// The sink of the requested format, on standard output.
pub(super) fn sink(args: &StreamArgs, out: impl Write + 'static) -> Box<dyn Sink> {
    match args.format {
        Format::Json => Box::new(Json::new(out)),
        Format::Csv => Box::new(Csv::new(out)),
        Format::Text => {
            let view = args.view.view(terminal::has_colours);
            Box::new(TextSink::new(out, terminal::Stdout, view))
        }
    }
}

/// Reports that there are no probes, for formats that do not.
pub(super) struct ProbesOff {
    wanted: bool,
    reported: Option<Text>,
}

impl ProbesOff {
    /// `wanted`: whether probes were requested.
    pub(super) fn new(wanted: bool) -> Self {
        Self {
            wanted,
            reported: None,
        }
    }

    pub(super) fn look_for(&mut self, records: &[Record], diagnostics: &Diagnostics) {
        for record in records {
            if let Record::Hello(hello) = record {
                self.hello(hello, diagnostics);
            }
        }
    }

    fn hello(&mut self, hello: &Hello, diagnostics: &Diagnostics) {
        let reason = hello.probes.reason.as_ref();
        if let Some(reason) = reason.filter(|_| self.wanted)
            && self.reported.as_ref() != Some(reason)
        {
            diagnostics.notify(format_args!("probes: off, {reason}"));
            self.reported = Some(reason.clone());
        }
    }
}
