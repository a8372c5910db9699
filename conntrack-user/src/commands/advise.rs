//! `ctpulse advise`: what fills the table, and what to set.

use std::{io::Write, path::Path};

use super::stdout;
use crate::{
    cli::advise::{AdviseArgs, AdviseFormat},
    clock::{SystemClock, format_duration},
    commands::{Failure, configuration, replay::Opened},
    engine::{
        diagnostics::Diagnostics,
        drive::{to_end, until_signalled},
        run::Run,
    },
    model::{
        advice::Advisor,
        record::{Advice, Record},
    },
    output::{Sink, advice, json::Json, terminal},
};

/// Watches this host, or reads a recording, and prints the advice.
pub(super) fn run(args: &AdviseArgs, diagnostics: &Diagnostics) -> Result<(), Failure> {
    let advisor = match &args.file {
        Some(file) => recorded(args, file, diagnostics)?,
        None => watched(args, diagnostics)?,
    };
    let advice = advisor.advise(&args.wishes());
    print(args.format, advice).map_err(Failure::Output)
}

fn recorded(args: &AdviseArgs, file: &Path, diagnostics: &Diagnostics) -> Result<Advisor, Failure> {
    let mut opened = Opened::open(file, &args.part, Some(diagnostics.clone()))?;
    opened.show_progress(diagnostics);
    let mut advisor = Advisor::default();
    let mut samples = false;
    while let Some(entry) = opened.next_entry()? {
        if let Some(record) = &entry.record {
            samples |= matches!(record, Record::Sample(_));
            advisor.take(record);
        }
    }
    opened.tell_ending(diagnostics);
    match samples {
        true => Ok(advisor),
        false => Err(Failure::NoSample {
            file: file.to_owned(),
            part: opened.is_part(),
        }),
    }
}

fn watched(args: &AdviseArgs, diagnostics: &Diagnostics) -> Result<Advisor, Failure> {
    let measured = args.measured();
    let settings = measured.settings(configuration(None)?);
    if let Some(duration) = measured.duration {
        let duration = format_duration(duration);
        diagnostics.notify(format_args!(
            "watching for {duration}; Ctrl-C ends that and advises at once"
        ));
    }
    let mut advisor = Advisor::default();
    until_signalled(
        SystemClock,
        diagnostics,
        || {},
        async |shutdown| -> Result<(), Failure> {
            let (run, start) = Run::start(settings, SystemClock, diagnostics.clone())?;
            to_end(run, start, None, shutdown, |records| {
                records.iter().for_each(|record| advisor.take(record));
                Ok(())
            })
            .await?;
            Ok(())
        },
    )??;
    Ok(advisor)
}

fn print(format: AdviseFormat, all: Vec<Advice>) -> std::io::Result<()> {
    let mut out = stdout().lock();
    match format {
        AdviseFormat::Text => {
            // Where it is no terminal, lines may have any width.
            let width = terminal::size().map_or(usize::MAX, |size| size.columns.into());
            out.write_all(advice::page(&all, width).as_bytes())?;
            out.flush()
        }
        AdviseFormat::Json => {
            let mut sink = Json::new(out);
            for advice in all {
                sink.write(&Record::Advice(Box::new(advice)))?;
            }
            sink.flush()
        }
    }
}
