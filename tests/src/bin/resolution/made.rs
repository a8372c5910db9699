//! Bursts of flows, by a sender that other work does not delay.

use std::time::Duration;

use anyhow::{Context, Result};
use ctpulse_tests::{drive::ctnetlink::Ctnetlink, traffic::UdpFlows};
use jiff::Timestamp;
use rustix::process::setpriority_process;

/// What becomes of the flows of a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// They are in the table after the burst.
    Stays,
    /// They are removed within the burst.
    Goes,
}

impl Kind {
    /// For the report.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Stays => "stay in the table",
            Self::Goes => "end within the burst",
        }
    }
}

/// A burst that was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// How long it was to be, in milliseconds.
    pub(crate) ms: u32,
    pub(crate) kind: Kind,
    pub(crate) flows: u32,
    /// Just before the first packet.
    pub(crate) start: Timestamp,
    /// Just after the last.
    pub(crate) end: Timestamp,
}

impl Sent {
    /// How long it was.
    pub(crate) fn took(&self) -> Duration {
        Duration::try_from(self.end.duration_since(self.start)).unwrap_or_default()
    }
}

/// Makes bursts.
pub(crate) struct Maker {
    flows: UdpFlows,
    table: Ctnetlink,
}

/// Flows that are removed at a time.
const TOGETHER: u32 = 10;

impl Maker {
    /// Gives the calling thread the highest priority.
    pub(crate) fn new() -> Result<Self> {
        setpriority_process(None, -20).context("raise the priority of the sender")?;
        Ok(Self {
            flows: UdpFlows::new()?,
            table: Ctnetlink::open()?,
        })
    }

    /// Makes a burst: far more flows than are needed to be one, at an even pace.
    pub(crate) fn make(&mut self, ms: u32, kind: Kind) -> Result<Sent> {
        let flows = 60 + 2 * ms;
        let pause = Duration::from_millis(ms.into()) / flows;
        let mut ends = None::<(Timestamp, Timestamp)>;
        let at_a_time = match kind {
            Kind::Stays => flows,
            Kind::Goes => TOGETHER,
        };
        let mut left = flows;
        while left > 0 {
            let now = left.min(at_a_time);
            left -= now;
            let sent = self.flows.send_paced(vec![pause; now as usize])?;
            let (first, last) = sent.first().zip(sent.last()).context("nothing was sent")?;
            ends = Some((ends.map_or(first[0], |(start, _)| start), last[1]));
            if kind == Kind::Goes {
                self.clear()?;
            }
        }
        let (start, end) = ends.context("a burst has flows")?;
        Ok(Sent {
            ms,
            kind,
            flows,
            start,
            end,
        })
    }

    /// Empties the table.
    pub(crate) fn clear(&self) -> Result<()> {
        self.table.flush()?.context("flush the table")
    }
}
