//! The rows of the table of counters, and how they are written.

use super::Counter;
use crate::reading::selector::Selector;

/// How a probe's count is verified against the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// Must equal the proc column wherever that column counts the same thing.
    Equality,
    /// Counts a part of what another counter's column counts: it must not exceed that.
    PartOf(Counter),
    /// Counted only by the kernel: there is nothing to verify.
    KernelOnly,
    /// Counted by no kernel: there is nothing to compare with.
    ProbeOnly,
}

/// How often the event occurs, and so how much it costs to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// At most once per connection.
    PerFlow,
    /// For every packet.
    PerPacket,
    /// Nothing: the kernel counts it anyway.
    None,
}

/// A counter: its names, sources, cost and verification.
#[derive(Clone, Copy, Debug)]
pub struct CounterSpec {
    pub id: Counter,
    /// Its name in JSON.
    pub name: &'static str,
    /// A description of one event.
    pub meaning: &'static str,
    /// The column of /proc/net/stat/nf_conntrack that counts the same, now or in older kernels.
    pub column: Option<&'static str>,
    /// Whether the counter is what the column counts even where the kernel counts less than the name says: `insert` is the column
    /// itself, `inserted` is what the column counted up to 4.8.
    pub narrow_column: bool,
    /// The kernel release that stopped counting it.
    pub gone: Option<&'static str>,
    /// How the probes count it.
    pub probe: Option<Selector>,
    /// How the probe's count is verified.
    pub verify: Verify,
    /// The laws of conservation that it is part of: where no column counts it, they verify it.
    pub laws: &'static [&'static str],
    /// Whether scenarios in guests hold the probes' count against a known number of events. A test holds this against the scenarios.
    pub in_guests: bool,
    /// Whether a call of the kernel counts many at once, some time after they have happened.
    pub many_at_once: bool,
    /// How often it must be counted.
    pub cost: Cost,
    /// Where it is charted; `None` if it is only in JSON.
    pub place: Option<Place>,
}

/// A chart, by its index in [`CHARTS`](crate::model::kernel::charts::CHARTS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChartId {
    Sockets,
    New,
    Changes,
    Expect,
    Search,
    Errors,
}

/// The place of a counter in a chart, and how it is shown there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub chart: ChartId,
    /// The index of the chart's dimension.
    pub order: usize,
    /// The dimension's documented name. `error_failed` belongs to insert_failed.
    pub dimension: &'static str,
    /// The heading of its column of text.
    pub heading: &'static str,
    /// The priority of its column on a narrow terminal: 0 is the last to be dropped.
    pub rank: u8,
    /// The priority of its column of peaks, if it has one.
    pub peak_rank: Option<u8>,
    /// Whether it is drawn below zero, as Netdata draws removals and errors.
    pub below: bool,
    pub colour: Colour,
}

/// Colours of dimensions: warm for errors, cool for the rest. The theme maps them to the terminal's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    Green,
    Blue,
    Violet,
    Yellow,
    Purple,
    Red,
    Orange,
}

impl Place {
    /// The dimension `order` of `chart`, drawn above zero, in green, blue or violet.
    pub(super) const fn new(chart: ChartId, order: usize, dimension: &'static str) -> Self {
        Self {
            chart,
            order,
            dimension,
            heading: dimension,
            rank: 0,
            peak_rank: None,
            below: false,
            colour: match order {
                0 => Colour::Green,
                1 => Colour::Blue,
                _ => Colour::Violet,
            },
        }
    }

    pub(super) const fn heading(self, heading: &'static str) -> Self {
        Self { heading, ..self }
    }

    pub(super) const fn rank(self, rank: u8) -> Self {
        Self { rank, ..self }
    }

    pub(super) const fn peak_rank(self, rank: u8) -> Self {
        Self {
            peak_rank: Some(rank),
            ..self
        }
    }

    pub(super) const fn below(self) -> Self {
        Self {
            below: true,
            ..self
        }
    }

    pub(super) const fn colour(self, colour: Colour) -> Self {
        Self { colour, ..self }
    }
}

/// A counter that the kernel counts in a column.
pub(super) const fn kernel(
    name: &'static str,
    column: &'static str,
    meaning: &'static str,
) -> CounterSpec {
    CounterSpec {
        // The table sets it.
        id: Counter::Alloc,
        name,
        meaning,
        column: Some(column),
        narrow_column: true,
        gone: None,
        probe: None,
        verify: Verify::KernelOnly,
        laws: &[],
        in_guests: false,
        many_at_once: false,
        cost: Cost::None,
        place: None,
    }
}

/// A counter that only probes count.
pub(super) const fn probed(
    name: &'static str,
    probe: Selector,
    meaning: &'static str,
) -> CounterSpec {
    CounterSpec {
        // The table sets it.
        id: Counter::Alloc,
        name,
        meaning,
        column: None,
        narrow_column: false,
        gone: None,
        probe: Some(probe),
        verify: Verify::ProbeOnly,
        laws: &[],
        in_guests: false,
        many_at_once: false,
        cost: Cost::PerFlow,
        place: None,
    }
}

impl CounterSpec {
    /// The probes count it too; their count is compared with the column.
    pub(super) const fn and(mut self, probe: Selector) -> Self {
        self.probe = Some(probe);
        self.verify = Verify::Equality;
        self.cost = Cost::PerFlow;
        self
    }

    /// Older kernels count it in a column; there the probes' count is compared with it.
    pub(super) const fn was(mut self, column: &'static str, gone: &'static str) -> Self {
        self.column = Some(column);
        self.gone = Some(gone);
        self.verify = Verify::Equality;
        self
    }

    /// The kernel counts it with others in the column of another counter, which the probes' count must not exceed.
    pub(super) const fn part_of(mut self, whole: Counter) -> Self {
        self.verify = Verify::PartOf(whole);
        self
    }

    pub(super) const fn gone_in(mut self, release: &'static str) -> Self {
        self.gone = Some(release);
        self
    }

    pub(super) const fn conserved(mut self, laws: &'static [&'static str]) -> Self {
        self.laws = laws;
        self
    }

    /// Scenarios in guests require a known count of it (`Proof::probed`).
    pub(super) const fn tried_in_guests(mut self) -> Self {
        self.in_guests = true;
        self
    }

    /// A call counts many at once, at its end.
    pub(super) const fn many_at_once(mut self) -> Self {
        self.many_at_once = true;
        self
    }

    pub(super) const fn per_packet(mut self) -> Self {
        self.cost = Cost::PerPacket;
        self
    }

    pub(super) const fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }
}
