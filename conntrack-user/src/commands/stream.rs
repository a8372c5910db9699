//! `ctpulse stream`.

use std::{future::Future, io, pin::pin};

use tokio::time::{Instant, sleep_until};

use crate::{
    cli::{Format, StreamArgs},
    clock::Clock,
    engine::session::Session,
    model::record::Record,
    output::{Sink, csv::Csv, json::Json, terminal, text::TextSink},
    source::instance::Extent,
};

/// Streams until the duration is over or `shutdown` completes, then writes the summary.
///
/// An error is one of writing; [`io::ErrorKind::BrokenPipe`] means that nobody reads any more.
pub async fn run(
    args: &StreamArgs,
    clock: impl Clock,
    sink: &mut dyn Sink,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let mut shutdown = pin!(shutdown);
    let mut session = Session::start(args, clock)?;
    let started = Instant::now();
    let deadline = args.duration.map(|duration| started + duration);
    write(sink, session.greeting())?;

    let mut next = started;
    loop {
        next = after(next, args.interval, Instant::now());
        let wake = deadline.map_or(next, |deadline| deadline.min(next));
        let interrupted = tokio::select! {
            () = &mut shutdown => true,
            () = sleep_until(wake) => false,
        };
        if interrupted || deadline == Some(wake) {
            break;
        }
        write(sink, session.tick(Extent::Settled)?)?;
    }
    write(sink, session.tick(Extent::All)?)?;
    write(sink, session.finish())?;
    write(sink, session.whole_run_leaders())?;
    write(sink, [session.summary()])
}

/// The next moment to read at: on the grid of intervals, later ones skipped when time was lost.
pub(super) fn after(last: Instant, interval: std::time::Duration, now: Instant) -> Instant {
    let behind = now.saturating_duration_since(last).as_nanos() / interval.as_nanos();
    let steps = u32::try_from(behind).unwrap_or(u32::MAX).saturating_add(1);
    last + interval * steps
}

fn write(sink: &mut dyn Sink, records: impl IntoIterator<Item = Record>) -> io::Result<()> {
    for record in records {
        sink.write(&record)?;
    }
    sink.flush()
}

/// The sink that was asked for, onto stdout.
#[must_use]
pub fn sink(args: &StreamArgs) -> Box<dyn Sink> {
    let out = io::BufWriter::new(io::stdout());
    match args.format {
        Format::Json => Box::new(Json::new(out)),
        Format::Csv => Box::new(Csv::new(out)),
        Format::Text => {
            let view = args.view.view(terminal::has_colours);
            Box::new(TextSink::new(out, terminal::Stdout, view))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn lost_time_skips_readings_and_keeps_the_grid() {
        let start = Instant::now();
        let ms = |n| start + Duration::from_millis(n);
        let step = Duration::from_millis(100);
        assert_eq!(after(start, step, ms(0)), ms(100));
        assert_eq!(after(ms(100), step, ms(101)), ms(200));
        assert_eq!(after(ms(100), step, ms(555)), ms(600));
    }
}
