//! `ctpulse report`: a recording as an HTML page.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use super::stdout;
use crate::{
    cli::recordings::ReportArgs,
    commands::{Failure, record::STDOUT, replay::Opened},
    engine::diagnostics::Diagnostics,
    model::report::Builder,
    output::report::page,
};

/// Reads a part of a recording and writes the page.
pub(super) fn run(args: &ReportArgs, diagnostics: &Diagnostics) -> Result<(), Failure> {
    let mut opened = Opened::open(&args.file, &args.part, Some(diagnostics.clone()))?;
    let html = html(&mut opened, &args.file, args.title.as_deref())?;
    if args.output == Path::new(STDOUT) {
        let mut stdout = stdout().lock();
        return stdout
            .write_all(html.as_bytes())
            .and_then(|()| stdout.flush())
            .map_err(Failure::Output);
    }
    write_file(&args.output, &html).map_err(|error| Failure::file(&args.output, error))
}

/// The page of what is left of a recording; `file` is its name in an error.
pub(super) fn html(
    opened: &mut Opened,
    file: &Path,
    title: Option<&str>,
) -> Result<String, Failure> {
    let mut builder = Builder::default();
    while let Some(entry) = opened.next_entry()? {
        if let Some(record) = &entry.record {
            builder.add(record);
        }
    }
    for remark in opened.remarks() {
        builder.note(remark);
    }
    let report = builder.finish().ok_or_else(|| Failure::NoSample {
        file: file.to_owned(),
        part: opened.is_part(),
    })?;
    let title = title.map_or_else(
        || match &report.hello {
            Some(hello) => format!("conntrack on {}", hello.hostname),
            None => "conntrack on an unknown host".to_owned(),
        },
        str::to_owned,
    );
    Ok(page(&report, &title))
}

#[expect(clippy::disallowed_methods, reason = "the user asked for that file")]
fn write_file(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text)
}
