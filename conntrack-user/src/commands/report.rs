//! `ctpulse report`: a recording as an HTML page.

use std::{io::Write, os::fd::AsFd, path::Path};

use super::stdout;
use crate::{
    cli::recordings::ReportArgs,
    commands::{
        Failure,
        record::STDOUT,
        replay::Opened,
        whole_file::{FileId, WholeFile},
    },
    engine::diagnostics::Diagnostics,
    model::report::{Builder, RecordingReport},
    output::{format::duration, report::page},
    text::PlainPath,
};

/// Reads a part of a recording and writes the page.
pub(super) fn run(args: &ReportArgs, diagnostics: &Diagnostics) -> Result<(), Failure> {
    let mut opened = Opened::open(&args.file, &args.part, Some(diagnostics.clone()))?;
    opened.show_progress(diagnostics);
    // Before the work, which may take long.
    let wanted = args.page();
    let target = match wanted == Path::new(STDOUT) {
        true if is_stdout(opened.file_id()) => return Err(Failure::PageIntoInput),
        true => None,
        false => Some(WholeFile::new(&wanted, args.force, opened.file_id())?),
    };
    let report = summed_up(&mut opened, &args.file)?;
    let html = titled(&report, args.title.as_deref());
    let Some(target) = target else {
        let mut stdout = stdout().lock();
        return stdout
            .write_all(html.as_bytes())
            .and_then(|()| stdout.flush())
            .map_err(Failure::Output);
    };
    target.write(html.as_bytes())?;
    diagnostics.notify(format_args!(
        "{}: {}",
        PlainPath(target.path()),
        summary(&report, html.len())
    ));
    Ok(())
}

/// The page of what is left of a recording; `file` is its name in an error.
pub(super) fn html(
    opened: &mut Opened,
    file: &Path,
    title: Option<&str>,
) -> Result<String, Failure> {
    Ok(titled(&summed_up(opened, file)?, title))
}

/// What is left of a recording.
fn summed_up(opened: &mut Opened, file: &Path) -> Result<RecordingReport, Failure> {
    let mut builder = Builder::default();
    while let Some(entry) = opened.next_entry()? {
        if let Some(record) = &entry.record {
            builder.add(record);
        }
    }
    for remark in opened.remarks() {
        builder.note(remark);
    }
    builder.finish().ok_or_else(|| Failure::NoSample {
        file: file.to_owned(),
        part: opened.is_part(),
    })
}

/// The page with this title, or one that names the host.
fn titled(report: &RecordingReport, title: Option<&str>) -> String {
    let of_host = || match &report.hello {
        Some(hello) => format!("conntrack on {}", hello.hostname),
        None => "conntrack on an unknown host".to_owned(),
    };
    page(report, &title.map_or_else(of_host, str::to_owned))
}

/// Whether standard output is this file.
fn is_stdout(file: Option<FileId>) -> bool {
    let same = stdout()
        .as_fd()
        .try_clone_to_owned()
        .map(std::fs::File::from);
    let metadata = same.and_then(|file| file.metadata());
    metadata.is_ok_and(|metadata| metadata.is_file() && file == Some(FileId::from(&metadata)))
}

/// What was written.
fn summary(report: &RecordingReport, bytes: usize) -> String {
    let namespaces = match report.instances.len() {
        1 => String::new(),
        n => format!(" of {n} network namespaces"),
    };
    format!(
        "page of {}{namespaces} written ({} kB)",
        duration::seconds(report.duration_s()),
        bytes.div_ceil(1000)
    )
}
