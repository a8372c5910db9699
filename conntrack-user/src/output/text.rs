//! Text for people: one aligned line per sample, with as many columns as fit the terminal.

mod cells;
mod columns;
mod opening;
mod style;
mod summary;
mod verdict;
mod wrong;

use std::io::{self, Write};

pub use self::columns::{ChartName, ColumnName, Numbers, Selection};
use self::{
    cells::{filled, pad, tone_of},
    columns::{ColumnChoice, TextColumn, chosen},
    style::Tone,
    wrong::{TrustChange, WrongCounters},
};
use crate::{
    model::{
        alert::AlertId,
        forecast::TimeToFull,
        kernel::counters::{Counter, named},
        record::{
            Advice, Alert, Burst, Crosscheck, Hello, InstanceVerdict, PerCpu, Record, Sample,
            Summary, TableContents, TableLimits, Top, Verdict,
        },
    },
    output::{
        Sink, bursts,
        checks::explanation,
        contents,
        format::{clock, duration, number::decimal, wrap::wrapped},
        per_cpu,
        terminal::{Size, Terminal},
        top::lines,
    },
    text::Text,
};

/// What the text shows, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// The columns to show.
    pub selection: Selection,
    /// How numbers are written.
    pub numbers: Numbers,
    /// Whether to use colours.
    pub colours: bool,
}

/// Writes text.
pub struct TextSink<W> {
    out: W,
    view: View,
    terminal: Box<dyn Terminal>,
    size: Option<Size>,
    choice: ColumnChoice,
    columns: Vec<TextColumn>,
    /// Whether there are several instances.
    instances: bool,
    since_header: u16,
    per_cpu_explained: bool,
    /// The last reported reason for unknown CPUs.
    unknown_cpus: Option<Text>,
    /// The forecast of the last sample, for the notifications that follow it.
    time_to_full: Option<TimeToFull>,
    /// Verdicts that were already explained, by check.
    explained: Vec<(Text, Verdict)>,
    wrong: WrongCounters,
}

impl<W: Write> TextSink<W> {
    /// Writes to `out`, which may be a terminal.
    pub fn new(out: W, terminal: impl Terminal + 'static, view: View) -> Self {
        let (size, choice) = (terminal.size(), ColumnChoice::default());
        Self {
            out,
            columns: chosen(&view.selection, view.numbers, &choice, size),
            view,
            terminal: Box::new(terminal),
            size,
            choice,
            instances: false,
            since_header: 0,
            per_cpu_explained: false,
            unknown_cpus: None,
            time_to_full: None,
            explained: Vec::new(),
            wrong: WrongCounters::default(),
        }
    }

    fn hello(&mut self, hello: &Hello) -> io::Result<()> {
        self.instances = hello.instances.len() > 1;
        self.choice = hello.into();
        self.size = self.terminal.size();
        self.choose();
        for line in opening::lines(hello) {
            self.prose(&line, Tone::Plain)?;
        }
        self.header()
    }

    fn choose(&mut self) {
        let View {
            selection, numbers, ..
        } = &self.view;
        self.columns = chosen(selection, *numbers, &self.choice, self.size);
    }

    fn line(&mut self, text: &str, tone: Tone) -> io::Result<()> {
        writeln!(self.out, "{}", tone.paint(text, self.view.colours))
    }

    /// Writes text that may be longer than a line: it breaks at words, and goes on indented.
    fn prose(&mut self, text: &str, tone: Tone) -> io::Result<()> {
        let Some(size) = self.size else {
            return self.line(text, tone);
        };
        for line in wrapped(text, size.columns.into()) {
            self.line(&line, tone)?;
        }
        Ok(())
    }

    fn header(&mut self) -> io::Result<()> {
        let mut groups = String::new();
        let mut titles = String::new();
        let mut group = "";
        let mut room = 0;
        for column in &self.columns {
            if column.group == group {
                room += column.width + 1;
            } else {
                push_group(&mut groups, group, room);
                group = column.group;
                room = column.width;
            }
            if !titles.is_empty() {
                titles.push(' ');
            }
            titles.push_str(&pad(column.title, column));
        }
        push_group(&mut groups, group, room);
        self.line(groups.trim_end(), Tone::Dim)?;
        self.line(titles.trim_end(), Tone::Title)?;
        self.since_header = 0;
        Ok(())
    }

    fn sample(&mut self, sample: &Sample) -> io::Result<()> {
        let size = self.terminal.size();
        if size != self.size {
            self.size = size;
            self.choose();
            self.header()?;
        }
        // Two lines of header, and one line of the previous screen.
        let screenful = size.map(|size| size.rows.saturating_sub(3).max(1));
        if screenful.is_some_and(|rows| self.since_header >= rows) {
            self.header()?;
        }
        self.since_header += 1;
        self.time_to_full = sample.time_to_full_s;
        let mut line = Vec::with_capacity(self.columns.len());
        for (i, column) in self.columns.iter().enumerate() {
            let (text, tone) = filled(sample, column, self.view.numbers);
            let last = i + 1 == self.columns.len();
            let text = if last { text.trim_end() } else { &text };
            line.push(tone.paint(text, self.view.colours));
        }
        writeln!(self.out, "{}", line.join(" "))?;
        if let Some(per_cpu) = &sample.per_cpu {
            self.per_cpu(sample, per_cpu)?;
        }
        self.changes(sample)?;
        if sample.has_lost_buckets() {
            let lost = format!(
                "! {} of buckets were overwritten before they could be read: peaks there are \
                 unknown, totals are not affected",
                duration::whole_millis(sample.buckets_lost_ms)
            );
            self.prose(&lost, Tone::Warning)?;
        }
        Ok(())
    }

    /// Reports counters that are wrong from this sample on, and those that are not any longer.
    fn changes(&mut self, sample: &Sample) -> io::Result<()> {
        let instance = self.instances.then_some(&sample.instance);
        for change in self.wrong.update(sample) {
            let tone = match change {
                TrustChange::Wrong(..) => Tone::Bad,
                TrustChange::Agrees(_) => Tone::Good,
                TrustChange::Unchecked(_) => Tone::Plain,
            };
            self.prose(&change.line(instance), tone)?;
        }
        Ok(())
    }

    fn per_cpu(&mut self, sample: &Sample, per_cpu: &PerCpu) -> io::Result<()> {
        if per_cpu.unknown != self.unknown_cpus {
            if let Some(unknown) = &per_cpu.unknown {
                self.line(
                    &format!("! by CPU, not all is known: {unknown}"),
                    Tone::Warning,
                )?;
            }
            self.unknown_cpus.clone_from(&per_cpu.unknown);
        }
        let width = self.size.map(|size| usize::from(size.columns));
        let wrong = |counter| sample.is_rate_wrong(counter);
        for line in per_cpu::lines(per_cpu, Counter::is_charted, wrong, width) {
            if !self.per_cpu_explained {
                self.per_cpu_explained = true;
                writeln!(self.out, "  {}", per_cpu::legend(per_cpu))?;
            }
            writeln!(self.out, "{line}")?;
            self.since_header += 1;
        }
        Ok(())
    }

    /// Explains bad verdicts, once for each check, unless the line of a wrong counter does.
    fn crosscheck(&mut self, crosscheck: &Crosscheck) -> io::Result<()> {
        for check in &crosscheck.checks {
            let known = (check.name.clone(), check.verdict);
            let told = self.wrong.explain(&crosscheck.instance, check);
            if !check.verdict.is_bad() || told || self.explained.contains(&known) {
                continue;
            }
            self.explained.push(known);
            self.prose(
                &format!("! {}", explanation(check)),
                summary::tone(check.verdict),
            )?;
        }
        Ok(())
    }

    fn alert(&mut self, alert: &Alert) -> io::Result<()> {
        let raised = alert.status.is_raised();
        let value = match self.time_to_full {
            Some(time) if raised && alert.name == AlertId::TimeToFull.spec().name => {
                duration::fills_in(time)
            }
            _ => format!("{} {}", decimal(alert.value, 1), alert.unit),
        };
        let reason = alert.reason.as_ref();
        let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        let line = format!(
            "{} {} {}{}: {value} (was {}){reason}",
            if raised { "!" } else { " " },
            alert.status,
            alert.name,
            if self.instances {
                format!(" in {}", alert.instance)
            } else {
                String::new()
            },
            alert.previous,
        );
        self.prose(&line, tone_of(alert.status))
    }

    /// Only for counters with a column.
    fn burst(&mut self, burst: &Burst) -> io::Result<()> {
        if named(burst.counter.raw()).is_some_and(|spec| spec.id.is_charted()) {
            let wrong = self.wrong.has(&burst.instance, &burst.counter);
            self.line(&bursts::line(burst, self.instances, wrong), Tone::News)?;
        }
        Ok(())
    }

    fn top(&mut self, top: &Top) -> io::Result<()> {
        let width = self.size.map(|size| usize::from(size.columns));
        for line in lines(top, width, self.instances) {
            writeln!(self.out, "{line}")?;
        }
        Ok(())
    }

    /// A line of each listing, and the whole of the last one.
    fn contents(&mut self, contents: &TableContents) -> io::Result<()> {
        if !contents.closing {
            return self.lines(contents::short_lines(contents, self.instances));
        }
        let time = clock::seconds(contents.time);
        writeln!(
            self.out,
            "\n{}, what the table is made of at {time}",
            contents.instance
        )?;
        self.lines(contents::table_lines(contents))?;
        self.prose_lines(contents::other_lines(contents))
    }

    /// Only at the end: they change seldom.
    fn limits(&mut self, limits: &TableLimits) -> io::Result<()> {
        match limits.closing {
            true => self.prose_lines(contents::limit_lines(limits)),
            false => Ok(()),
        }
    }

    fn prose_lines(&mut self, lines: Vec<String>) -> io::Result<()> {
        lines
            .iter()
            .try_for_each(|line| self.prose(line, Tone::Plain))
    }

    fn lines(&mut self, lines: Vec<String>) -> io::Result<()> {
        for line in lines {
            writeln!(self.out, "{line}")?;
        }
        Ok(())
    }

    /// Only that of the whole run: before, the columns show the same.
    fn verdict(&mut self, verdict: &InstanceVerdict) -> io::Result<()> {
        if !verdict.closing {
            return Ok(());
        }
        let width = self.size.map(|size| usize::from(size.columns));
        let instance = self.instances.then_some(&verdict.instance);
        for (line, tone) in verdict::lines(verdict, instance, width) {
            self.line(&line, tone)?;
        }
        Ok(())
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        for instance in &summary.instances {
            for (line, tone) in summary::lines(summary.duration_s, instance) {
                self.prose(&line, tone)?;
            }
        }
        if summary.instances_left_out > 0 {
            let more = summary.instances_left_out;
            let line =
                format!("{more} more network namespaces came and went; they had fewer flows");
            self.line(&line, Tone::Dim)?;
        }
        Ok(())
    }
}

impl<W: Write> TextSink<W> {
    fn advice(&mut self, advice: &Advice) -> io::Result<()> {
        let width = self.size.map_or(usize::MAX, |size| size.columns.into());
        let text = super::advice::text(advice, width);
        self.out.write_all(text.as_bytes())
    }
}

impl<W: Write> Sink for TextSink<W> {
    fn write(&mut self, record: &Record) -> io::Result<()> {
        match record {
            Record::Hello(hello) => self.hello(hello),
            Record::Sample(sample) => self.sample(sample),
            Record::Crosscheck(crosscheck) => self.crosscheck(crosscheck),
            Record::Alert(alert) => self.alert(alert),
            // `ctpulse events` shows them; here they would hide the rates. The state of hosts is on stderr.
            Record::Event(_) | Record::Host(_) => Ok(()),
            Record::Advice(advice) => self.advice(advice),
            Record::Burst(burst) => self.burst(burst),
            Record::Top(top) => self.top(top),
            Record::Contents(contents) => self.contents(contents),
            Record::Limits(limits) => self.limits(limits),
            Record::Verdict(verdict) => self.verdict(verdict),
            Record::Summary(summary) => self.summary(summary),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn push_group(line: &mut String, group: &str, room: usize) {
    if room == 0 {
        return;
    }
    if !line.is_empty() {
        line.push(' ');
    }
    let name: String = group.chars().take(room).collect();
    line.push_str(&format!("{name:-^room$}"));
}
