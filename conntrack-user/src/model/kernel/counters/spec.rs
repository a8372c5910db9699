//! What a row of the table of counters says, and how one is written.

use super::Counter;
use crate::reading::selector::Selector;

/// How a probe count is proven against the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// Must equal the proc column wherever that column counts the same thing.
    Equality,
    /// Through `entries_balance`: Δentries = alloc − free.
    Conservation,
    /// Counted by the kernel alone: there is nothing to compare.
    KernelOnly,
    /// Counted by no kernel: there is nothing to compare with.
    ProbeOnly,
}

/// What an event of this kind costs to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// At most once in a connection's life, or rarer.
    PerFlow,
    /// For every packet.
    PerPacket,
    /// Nothing: the kernel counts it anyway.
    None,
}

/// One counter: its names, sources, cost and proof.
#[derive(Clone, Copy, Debug)]
pub struct CounterSpec {
    /// Which one.
    pub id: Counter,
    /// Its name in JSON.
    pub name: &'static str,
    /// What one event is.
    pub meaning: &'static str,
    /// The column of /proc/net/stat/nf_conntrack that counts or counted the same thing.
    pub column: Option<&'static str>,
    /// Whether that column means this counter even where it has narrowed: `insert` is what the
    /// column says, `inserted` is what it said up to 4.8.
    pub narrow_column: bool,
    /// The kernel release that stopped counting it, if one did.
    pub gone: Option<&'static str>,
    /// How the probes count it, if they do.
    pub probe: Option<Selector>,
    /// How the probe is proven.
    pub verify: Verify,
    /// What counting it costs.
    pub cost: Cost,
    /// Where it is charted; `None` where it is in JSON alone.
    pub place: Option<Place>,
}

/// A chart, by its place in [`CHARTS`](crate::model::kernel::charts::CHARTS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChartId {
    Sockets,
    New,
    Changes,
    Expect,
    Search,
    Errors,
}

/// Where a counter is charted, and what it looks like there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub chart: ChartId,
    /// Which of the chart's dimensions it is, from 0.
    pub order: usize,
    /// The dimension's documented name. `error_failed` is that of insert_failed.
    pub dimension: &'static str,
    /// What stands above its column of text.
    pub heading: &'static str,
    /// How soon its column gives way where there is no room: 0 is the last to go.
    pub rank: u8,
    /// The same for a column with its busiest bucket, if it has one.
    pub peak_rank: Option<u8>,
    /// Whether it is drawn below zero, as Netdata does with what leaves or is bad.
    pub below: bool,
    pub colour: Colour,
}

/// Colours of dimensions: errors are warm, the rest is cool. What they are on a terminal is for its theme to say.
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
    /// The dimension `order` of `chart`, drawn above zero; green, blue and violet in turn.
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

/// A counter the kernel counts in a column of its own.
pub(super) const fn kernel(
    name: &'static str,
    column: &'static str,
    meaning: &'static str,
) -> CounterSpec {
    CounterSpec {
        // Set by the table.
        id: Counter::Alloc,
        name,
        meaning,
        column: Some(column),
        narrow_column: true,
        gone: None,
        probe: None,
        verify: Verify::KernelOnly,
        cost: Cost::None,
        place: None,
    }
}

/// A counter only probes count.
pub(super) const fn probed(
    name: &'static str,
    probe: Selector,
    meaning: &'static str,
) -> CounterSpec {
    CounterSpec {
        // Set by the table.
        id: Counter::Alloc,
        name,
        meaning,
        column: None,
        narrow_column: false,
        gone: None,
        probe: Some(probe),
        verify: Verify::ProbeOnly,
        cost: Cost::PerFlow,
        place: None,
    }
}

impl CounterSpec {
    /// Probes count it too, and must agree with the column.
    pub(super) const fn and(mut self, probe: Selector) -> Self {
        self.probe = Some(probe);
        self.verify = Verify::Equality;
        self.cost = Cost::PerFlow;
        self
    }

    /// The kernel counted it in a column up to a release; there the probes must agree with it.
    pub(super) const fn was(mut self, column: &'static str, gone: &'static str) -> Self {
        self.column = Some(column);
        self.gone = Some(gone);
        self.verify = Verify::Equality;
        self
    }

    pub(super) const fn gone_in(mut self, release: &'static str) -> Self {
        self.gone = Some(release);
        self
    }

    pub(super) const fn conserved(mut self) -> Self {
        self.verify = Verify::Conservation;
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
