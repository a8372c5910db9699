//! `ctpulse report`: a recording as a page.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use crate::{
    cli::recordings::ReportArgs,
    commands::{record::STDOUT, replay::Opened},
    model::report::Builder,
    output::report::page,
};

/// Reads the wanted part of a recording and writes the page.
///
/// # Errors
///
/// When the recording cannot be read or has no sample in that part, or the page not be written.
pub fn run(args: &ReportArgs) -> io::Result<()> {
    let mut opened = Opened::open(&args.file, &args.part)?;
    let mut builder = Builder::default();
    while let Some(entry) = opened.next_entry()? {
        if let Some(record) = &entry.record {
            builder.add(record);
        }
    }
    for remark in opened.remarks() {
        builder.note(remark);
    }
    let name = args.file.display();
    let report = builder.finish().ok_or_else(|| {
        io::Error::other(match args.part.from.or(args.part.to) {
            Some(_) => format!("{name}: there is no sample in that part"),
            None => format!("{name}: there is no sample in it"),
        })
    })?;
    let title = args.title.clone().unwrap_or_else(|| match &report.hello {
        Some(hello) => format!("conntrack on {}", hello.hostname),
        None => "conntrack on an unknown host".to_owned(),
    });
    let html = page(&report, &title);
    if args.output == Path::new(STDOUT) {
        return io::stdout().lock().write_all(html.as_bytes());
    }
    fs::write(&args.output, html)
        .map_err(|error| io::Error::other(format!("{}: {error}", args.output.display())))
}
