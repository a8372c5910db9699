//! Events as text: a line each.

use std::io::{self, Write};

use crate::{
    model::record::{Event, Hello, Record, Summary, Top},
    output::{
        Sink,
        format::{clock, number::UNAVAILABLE},
        terminal::Size,
        top::lines,
    },
};

/// Writes a line per event.
pub struct EventLines<W> {
    out: W,
    terminal: Option<Size>,
    /// Whether there are several instances.
    instances: bool,
}

impl<W: Write> EventLines<W> {
    /// Writes to `out`, which may be a terminal.
    pub fn new(out: W, terminal: Option<Size>) -> Self {
        Self {
            out,
            terminal,
            instances: false,
        }
    }

    fn hello(&mut self, hello: &Hello) -> io::Result<()> {
        self.instances = hello.instances.len() > 1;
        if !hello.probes.is_attached() {
            let why = hello.probes.why_off();
            return writeln!(self.out, "no events: no probes: {why}");
        }
        for unseen in hello.unseen_events() {
            let kinds = unseen.kinds.join(", ");
            writeln!(self.out, "{UNAVAILABLE} {kinds}: {}", unseen.reason)?;
        }
        writeln!(
            self.out,
            "{:<12} {:<14} flow or packet (UTC; {} group of probes)",
            "time", "event", hello.probes.group
        )
    }

    fn event(&mut self, event: &Event) -> io::Result<()> {
        let time = clock::millis(event.time);
        writeln!(self.out, "{time} {:<14} {}", event.kind, event.described())
    }

    fn top(&mut self, top: &Top) -> io::Result<()> {
        let width = self.terminal.map(|size| usize::from(size.columns));
        for line in lines(top, width, self.instances) {
            writeln!(self.out, "{line}")?;
        }
        Ok(())
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        for (kind, totals) in summary.events.iter().flat_map(|events| &events.0) {
            if (totals.sent, totals.suppressed, totals.lost) != (0, 0, 0) {
                writeln!(
                    self.out,
                    "{kind}: {} reported, {} over the rate limit, {} lost",
                    totals.sent, totals.suppressed, totals.lost
                )?;
            }
        }
        Ok(())
    }
}

impl<W: Write> Sink for EventLines<W> {
    fn write(&mut self, record: &Record) -> io::Result<()> {
        match record {
            Record::Hello(hello) => self.hello(hello),
            Record::Event(event) => self.event(event),
            Record::Summary(summary) => self.summary(summary),
            Record::Top(top) => self.top(top),
            Record::Sample(_)
            | Record::Contents(_)
            | Record::Limits(_)
            | Record::Advice(_)
            | Record::Crosscheck(_)
            | Record::Alert(_)
            | Record::Burst(_)
            | Record::Host(_)
            | Record::Verdict(_) => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
