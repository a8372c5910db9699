//! Text for eyes: one aligned line per sample, as many columns as the terminal is wide.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use super::{
    Sink, bursts,
    number::{UNAVAILABLE, compact_or_dash, compact_time},
    per_cpu,
    terminal::Size,
    top::lines,
};
use crate::model::{
    alert::{AlertId, AlertStatus},
    charts::{CHARTS, Dimension, Quantity},
    counters::{Counter, named},
    crosscheck::{Check, ENTRIES_BALANCE, Verdict},
    forecast::TimeToFull,
    histogram::Percentiles,
    record::{
        Alert, Burst, Crosscheck, Hello, InstanceSummary, Name, Peak, PerCpu, Record, Sample,
        Summary, Top,
    },
};

/// Writes text.
pub struct Text<W> {
    out: W,
    terminal: Option<Size>,
    columns: Vec<Column>,
    /// Whether there are several instances.
    instances: bool,
    since_header: u16,
    per_cpu_explained: bool,
    /// What was said not to be known of CPUs.
    unknown_cpus: Option<String>,
    /// Of the last sample, which the notifications of its instance follow.
    time_to_full: Option<TimeToFull>,
    /// Verdicts that were already explained.
    explained: Vec<(Name, Verdict)>,
}

/// What stands in a column.
#[derive(Clone, Copy)]
enum Cell {
    Time,
    Instance,
    Entries,
    Max,
    Utilization,
    TimeToFull,
    TimeToFullRange,
    Rate(usize, usize),
    Peak(Counter),
    Verdict,
}

/// What there is to show besides what is always there.
#[derive(Clone, Copy, Default)]
struct Shown {
    /// Several instances.
    instances: bool,
    /// Probes, and with them the busiest millisecond.
    peaks: bool,
}

struct Column {
    /// Columns of one group stand side by side under its name.
    group: &'static str,
    title: &'static str,
    width: usize,
    /// Lower stays longer when the terminal is narrow.
    rank: u8,
    cell: Cell,
}

/// Characters shown of an instance's name.
const INSTANCE: usize = 14;

/// Width of two compact times with a dash.
const RANGE: usize = 11;

/// Width of a compact number.
const NUMBER: usize = 5;

/// Dimensions with their short titles and ranks, by chart, in the order of [`CHARTS`].
const TITLES: [(&str, &[(&str, u8)]); 6] = [
    ("table", &[("entries", 0)]),
    ("new/s", &[("new", 0), ("ignore", 7), ("invalid", 3)]),
    (
        "changes/s",
        &[("inserted", 1), ("deleted", 0), ("del_list", 5)],
    ),
    (
        "expectations/s",
        &[("created", 6), ("deleted", 6), ("new", 6)],
    ),
    (
        "searches/s",
        &[("searched", 7), ("restart", 6), ("found", 6)],
    ),
    (
        "errors/s",
        &[("icmp", 4), ("failed", 2), ("drop", 0), ("early", 1)],
    ),
];

/// Counters whose busiest millisecond stands beside their average, with the rank of that column.
const PEAKS: [(Counter, u8); 4] = [
    (Counter::New, 0),
    (Counter::Inserted, 3),
    (Counter::Deleted, 1),
    (Counter::DeleteList, 5),
];

fn all_columns(shown: Shown) -> Vec<Column> {
    let column = |group, title: &'static str, width: usize, rank, cell| Column {
        group,
        title,
        width: width.max(title.len()),
        rank,
        cell,
    };
    let mut columns = vec![
        column("UTC", "time", "00:00:00.000".len(), 0, Cell::Time),
        column("table", "entries", 7, 0, Cell::Entries),
        column("table", "max", 7, 4, Cell::Max),
        column("table", "used", "100.0%".len(), 0, Cell::Utilization),
        column("table", "full", NUMBER, 1, Cell::TimeToFull),
        column("table", "between", RANGE, 6, Cell::TimeToFullRange),
    ];
    if shown.instances {
        columns.insert(1, column("netns", "instance", INSTANCE, 0, Cell::Instance));
    }
    for (c, (chart, (group, titles))) in CHARTS.iter().zip(TITLES).enumerate().skip(1) {
        for (d, (dimension, (title, rank))) in chart.dimensions.iter().zip(titles).enumerate() {
            columns.push(column(group, title, NUMBER, *rank, Cell::Rate(c, d)));
            if let Some((counter, rank)) = peak_of(dimension).filter(|_| shown.peaks) {
                columns.push(column(group, "peak", NUMBER, rank, Cell::Peak(counter)));
            }
        }
    }
    columns.push(column("probes", "check", "within".len(), 0, Cell::Verdict));
    columns
}

fn peak_of(dimension: &Dimension) -> Option<(Counter, u8)> {
    PEAKS
        .into_iter()
        .find(|(counter, _)| dimension.quantity == Quantity::Rate(*counter))
}

/// The columns that fit, the least important left out first.
fn fitting(terminal: Option<Size>, shown: Shown) -> Vec<Column> {
    let mut columns = all_columns(shown);
    let Some(size) = terminal else {
        return columns;
    };
    let width = |columns: &[Column]| columns.iter().map(|c| c.width + 1).sum::<usize>() - 1;
    while width(&columns) > usize::from(size.columns) {
        let Some(last) = columns
            .iter()
            .map(|c| c.rank)
            .max()
            .filter(|&rank| rank > 0)
        else {
            break;
        };
        // Of equals, the rightmost goes first.
        if let Some(at) = columns.iter().rposition(|c| c.rank == last) {
            columns.remove(at);
        }
    }
    columns
}

impl<W: Write> Text<W> {
    /// Onto `out`, which may be a terminal.
    pub fn new(out: W, terminal: Option<Size>) -> Self {
        Self {
            out,
            terminal,
            columns: fitting(terminal, Shown::default()),
            instances: false,
            since_header: 0,
            per_cpu_explained: false,
            unknown_cpus: None,
            time_to_full: None,
            explained: Vec::new(),
        }
    }

    fn hello(&mut self, hello: &Hello) -> io::Result<()> {
        self.instances = hello.instances.len() > 1;
        self.columns = fitting(
            self.terminal,
            Shown {
                instances: self.instances,
                peaks: hello.probes.mode != "off",
            },
        );
        let instances: Vec<String> = hello
            .instances
            .iter()
            .map(|i| match i.netns {
                Some(inode) => format!("{} ({inode})", i.name),
                None => i.name.clone(),
            })
            .collect();
        writeln!(
            self.out,
            "ctpulse {}  host {}  kernel {}  netns {}  every {} ms",
            hello.version,
            hello.hostname,
            hello.kernel,
            instances.join(", "),
            hello.interval_ms,
        )?;
        let probes = &hello.probes;
        if probes.mode == "off" {
            let reason = probes.reason.as_deref().unwrap_or("none could be attached");
            writeln!(self.out, "probes: off, {reason}")?;
        } else {
            writeln!(
                self.out,
                "probes: {}, {} group, on {}",
                probes.mode,
                probes.group,
                probes.attached.join(" "),
            )?;
        }
        for (reason, names) in by_reason(hello) {
            writeln!(self.out, "{UNAVAILABLE} {}: {reason}", names.join(", "))?;
        }
        if probes.mode != "off" {
            writeln!(
                self.out,
                "peak: the busiest 1.05 ms of the interval, in events/s; check: probes against the \
                 kernel's own counters"
            )?;
        }
        self.header()
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
        writeln!(self.out, "{}\n{}", groups.trim_end(), titles.trim_end())?;
        self.since_header = 0;
        Ok(())
    }

    fn sample(&mut self, sample: &Sample) -> io::Result<()> {
        // Two lines of header, and one left over from the screen before.
        let screenful = self.terminal.map(|size| size.rows.saturating_sub(3).max(1));
        if screenful.is_some_and(|rows| self.since_header >= rows) {
            self.header()?;
        }
        self.since_header += 1;
        self.time_to_full = sample.time_to_full_s;
        let line: Vec<String> = self
            .columns
            .iter()
            .map(|column| pad(&cell(sample, column.cell), column))
            .collect();
        writeln!(self.out, "{}", line.join(" ").trim_end())?;
        if let Some(per_cpu) = &sample.per_cpu {
            self.per_cpu(per_cpu)?;
        }
        if sample.buckets_lost_ms > 0.0 {
            writeln!(
                self.out,
                "! {:.0} ms of buckets were overwritten before they could be read: peaks there are \
                 unknown, totals are not affected",
                sample.buckets_lost_ms
            )?;
        }
        Ok(())
    }

    fn per_cpu(&mut self, per_cpu: &PerCpu) -> io::Result<()> {
        if per_cpu.unknown != self.unknown_cpus {
            if let Some(unknown) = &per_cpu.unknown {
                writeln!(self.out, "! by CPU, not all is known: {unknown}")?;
            }
            self.unknown_cpus.clone_from(&per_cpu.unknown);
        }
        let width = self.terminal.map(|size| usize::from(size.columns));
        for line in per_cpu::lines(per_cpu, is_charted, width) {
            if !self.per_cpu_explained {
                self.per_cpu_explained = true;
                writeln!(self.out, "  {}", per_cpu::LEGEND)?;
            }
            writeln!(self.out, "{line}")?;
            self.since_header += 1;
        }
        Ok(())
    }

    /// Explains a verdict that is not good, once for each check.
    fn crosscheck(&mut self, crosscheck: &Crosscheck) -> io::Result<()> {
        for check in &crosscheck.checks {
            let known = (check.name.clone(), check.verdict);
            if check.verdict < Verdict::Undercount || self.explained.contains(&known) {
                continue;
            }
            self.explained.push(known);
            writeln!(self.out, "! {}", explanation(check))?;
        }
        Ok(())
    }

    fn alert(&mut self, alert: &Alert) -> io::Result<()> {
        let raised = alert.status > AlertStatus::Clear;
        let value = match self.time_to_full {
            Some(time) if raised && alert.name == AlertId::TimeToFull.spec().name => {
                format!("full in {}", time_and_range(time))
            }
            _ => format!("{:.1} {}", alert.value, alert.unit),
        };
        writeln!(
            self.out,
            "{} {} {}{}: {value} (was {})",
            if raised { "!" } else { " " },
            alert.status,
            alert.name,
            if self.instances {
                format!(" in {}", alert.instance)
            } else {
                String::new()
            },
            alert.previous,
        )
    }

    /// Only of what has a column: `alloc` and `free` rise with others.
    fn burst(&mut self, burst: &Burst) -> io::Result<()> {
        if named(&burst.counter).is_some_and(|spec| is_charted(spec.id)) {
            writeln!(self.out, "{}", bursts::line(burst, self.instances))?;
        }
        Ok(())
    }

    fn top(&mut self, top: &Top) -> io::Result<()> {
        let width = self.terminal.map(|size| usize::from(size.columns));
        for line in lines(top, width, self.instances) {
            writeln!(self.out, "{line}")?;
        }
        Ok(())
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        for instance in &summary.instances {
            self.instance_summary(summary.duration_s, instance)?;
        }
        Ok(())
    }

    fn instance_summary(&mut self, duration_s: f64, instance: &InstanceSummary) -> io::Result<()> {
        writeln!(self.out)?;
        writeln!(
            self.out,
            "{:<16} {:>10} {:>10}  {:<14} {:>5} {:>5} {:>5} {:>5}",
            format!("{}, {duration_s:.1} s", instance.name),
            "probe",
            "kernel",
            "check",
            "p50/s",
            "p99/s",
            "max/s",
            "disp.",
        )?;
        for check in &instance.crosscheck {
            if check.name == ENTRIES_BALANCE {
                writeln!(
                    self.out,
                    "{:<16} {:>10} {:>10}  {}",
                    check.name,
                    optional(check.probe),
                    range(check),
                    check.verdict.name(),
                )?;
            }
        }
        let mut still = Vec::new();
        for (counter, total) in instance.totals.iter() {
            let name = counter.spec().name;
            if total.probe.is_none() && total.kernel == Some(0) {
                still.push(name);
                continue;
            }
            let check = instance.crosscheck.iter().find(|c| c.name == name);
            let percentiles = instance.histograms.get(counter);
            let rate = |of: fn(&Percentiles) -> f64| compact_or_dash(percentiles.map(of));
            writeln!(
                self.out,
                "{name:<16} {:>10} {:>10}  {:<14} {:>5} {:>5} {:>5} {:>5}",
                optional(total.probe),
                optional(total.kernel),
                check.map_or(UNAVAILABLE, |c| c.verdict.name()),
                rate(|p| p.p50),
                rate(|p| p.p99),
                rate(|p| p.max),
                compact_or_dash(percentiles.and_then(|p| p.dispersion)),
            )?;
        }
        if !still.is_empty() {
            writeln!(self.out, "nothing counted: {}", still.join(" "))?;
        }
        for line in bursts::table(&instance.bursts) {
            writeln!(self.out, "{line}")?;
        }
        for check in &instance.crosscheck {
            if check.verdict >= Verdict::Undercount {
                writeln!(self.out, "! {}", explanation(check))?;
            }
        }
        if !instance.crosscheck.is_empty() {
            let missed = instance
                .missed
                .map_or_else(|| "this kernel does not tell".to_owned(), |n| n.to_string());
            writeln!(
                self.out,
                "probe hits the kernel skipped: {missed}; events lost: {}",
                optional(instance.lost_events)
            )?;
        }
        Ok(())
    }
}

impl<W: Write> Sink for Text<W> {
    fn write(&mut self, record: &Record) -> io::Result<()> {
        match record {
            Record::Hello(hello) => self.hello(hello),
            Record::Sample(sample) => self.sample(sample),
            Record::Crosscheck(crosscheck) => self.crosscheck(crosscheck),
            Record::Alert(alert) => self.alert(alert),
            // `ctpulse events` has a line for each; here they would drown the rates.
            Record::Event(_) => Ok(()),
            Record::Burst(burst) => self.burst(burst),
            Record::Top(top) => self.top(top),
            Record::Summary(summary) => self.summary(summary),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Unavailable counters by their reason, in table order.
fn by_reason(hello: &Hello) -> Vec<(&str, Vec<&'static str>)> {
    let mut groups: Vec<(&str, Vec<&'static str>)> = Vec::new();
    let mut index: BTreeMap<&str, usize> = BTreeMap::new();
    for (counter, reason) in hello.unavailable.iter() {
        if !is_charted(counter) {
            continue;
        }
        let at = *index.entry(reason).or_insert_with(|| {
            groups.push((reason, Vec::new()));
            groups.len() - 1
        });
        groups[at].1.push(counter.spec().name);
    }
    groups
}

fn is_charted(counter: Counter) -> bool {
    CHARTS
        .iter()
        .flat_map(|chart| chart.dimensions)
        .any(|dimension| dimension.quantity == Quantity::Rate(counter))
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

/// Text that stands at the left of its column: the time and the verdict.
fn pad(text: &str, column: &Column) -> String {
    let width = column.width;
    match column.cell {
        Cell::Time | Cell::Instance | Cell::Verdict => format!("{text:<width$}"),
        _ => format!("{text:>width$}"),
    }
}

fn cell(sample: &Sample, cell: Cell) -> String {
    match cell {
        Cell::Time => format!("{}", sample.time.0.strftime("%H:%M:%S%.3f")),
        Cell::Instance => sample.instance.chars().take(INSTANCE).collect(),
        Cell::Entries => optional(sample.entries),
        Cell::Max => optional(sample.max),
        Cell::Utilization => sample.utilization.map_or_else(
            || UNAVAILABLE.to_owned(),
            |percent| format!("{percent:.1}%"),
        ),
        Cell::TimeToFull => foretold(sample, |time| compact_time(time.estimate)),
        Cell::TimeToFullRange => foretold(sample, time_range),
        Cell::Rate(chart, dimension) => {
            let value = sample
                .charts
                .0
                .get(chart)
                .and_then(|(_, d)| d.0.get(dimension));
            compact_or_dash(value.and_then(|(_, value)| *value))
        }
        Cell::Peak(counter) => compact_or_dash(sample.peaks.get(counter).map(|p: &Peak| p.rate)),
        Cell::Verdict => match sample.verdict {
            Some(Verdict::WithinBracket) => "within".to_owned(),
            Some(Verdict::Undercount) => "UNDER!".to_owned(),
            Some(Verdict::Mismatch) => "WRONG!".to_owned(),
            Some(verdict) => verdict.name().to_owned(),
            None => UNAVAILABLE.to_owned(),
        },
    }
}

/// A table that does not fill is another thing than one that nothing is known of.
fn foretold(sample: &Sample, text: impl Fn(TimeToFull) -> String) -> String {
    match (sample.time_to_full_s, sample.utilization) {
        (Some(time), _) => text(time),
        (None, Some(_)) => "-".to_owned(),
        (None, None) => UNAVAILABLE.to_owned(),
    }
}

fn time_range(time: TimeToFull) -> String {
    format!("{}-{}", compact_time(time.low), compact_time(time.high))
}

/// As in `42s (35s-55s)`.
fn time_and_range(time: TimeToFull) -> String {
    format!("{} ({})", compact_time(time.estimate), time_range(time))
}

pub(super) fn optional<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| UNAVAILABLE.to_owned(), |value| value.to_string())
}

pub(super) fn range(check: &Check) -> String {
    match (check.kernel_low, check.kernel_high) {
        (Some(low), Some(high)) if low == high => low.to_string(),
        (Some(low), Some(high)) => format!("{low}..{high}"),
        _ => UNAVAILABLE.to_owned(),
    }
}

/// A check in words.
pub(super) fn explanation(check: &Check) -> String {
    let reason = check.reason.as_deref().unwrap_or("no reason known");
    format!(
        "{} {}: probes {}, kernel {}: {reason}",
        check.verdict.name(),
        check.name,
        optional(check.probe),
        range(check),
    )
}
