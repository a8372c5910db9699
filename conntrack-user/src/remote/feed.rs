//! What sources say to the run.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{mpsc, watch};

use crate::{
    clock::{Clock, Instant},
    remote::lines::{LineBatch, LineSplitter},
    text::Text,
};

/// Something that has come from a source.
#[derive(Debug)]
pub(super) enum HostEvent {
    /// Complete lines, and when they came.
    Lines(LineBatch, Instant),
    /// The connection was lost, or not made; it is tried again.
    Lost(Text),
    /// There is nothing more.
    Ended,
    /// There is nothing more, for a reason that does not heal by itself.
    Refused(Text),
    /// What the user should know.
    Note(Text),
}

/// How long a connection may be silent before it is given up, in milliseconds.
#[derive(Clone, Debug)]
pub(super) struct Patience(Arc<AtomicU64>);

impl Patience {
    /// Before its interval is known.
    const FIRST: Duration = Duration::from_secs(30);

    /// A connection that is silent for as long as this is as good as gone.
    const LEAST: Duration = Duration::from_secs(15);

    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(millis(Self::FIRST))))
    }

    /// A host is shown as lost after `silence`; the connection is kept longer than that.
    pub(super) fn set(&self, silence: Duration) {
        let longer = silence.saturating_mul(2).max(Self::LEAST);
        self.0.store(millis(longer), Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The way from a source to the run.
#[derive(Clone)]
pub(super) struct HostFeed<C> {
    pub(super) host: usize,
    pub(super) events: mpsc::Sender<(usize, HostEvent)>,
    pub(super) ending: watch::Receiver<bool>,
    pub(super) patience: Patience,
    pub(super) clock: C,
}

impl<C: Clock> HostFeed<C> {
    /// Says something to the run. It waits while the run is busy, so that nothing piles up.
    pub(super) async fn send(&self, event: HostEvent) {
        // The run may be over.
        let _ = self.events.send((self.host, event)).await;
    }

    /// The same from a thread; returns whether anybody listens.
    pub(super) fn blocking_send(&self, event: HostEvent) -> bool {
        let listens = self.events.blocking_send((self.host, event)).is_ok();
        listens && !*self.ending.borrow()
    }

    /// Waits until the run is to end.
    pub(super) async fn ending(&self) {
        let mut ending = self.ending.clone();
        // An error means that the run is gone.
        let _ = ending.wait_for(|ending| *ending).await;
    }

    pub(super) fn is_ending(&self) -> bool {
        *self.ending.borrow()
    }
}

/// The lines of one connection on their way to the run.
pub(super) struct LineFeed<'a, C> {
    pub(super) feed: &'a HostFeed<C>,
    splitter: LineSplitter,
    /// Whether any line has come.
    pub(super) has_lines: bool,
    /// Whether the last line was a summary: the run there has ended.
    pub(super) has_summary: bool,
}

impl<'a, C: Clock> LineFeed<'a, C> {
    pub(super) fn new(feed: &'a HostFeed<C>) -> Self {
        Self {
            feed,
            splitter: LineSplitter::default(),
            has_lines: false,
            has_summary: false,
        }
    }

    /// Takes the next piece of what comes.
    pub(super) async fn push(&mut self, piece: &[u8]) {
        let lines = self.splitter.push(piece);
        if let Some(last) = lines.iter().last() {
            self.has_lines = true;
            self.has_summary = is_summary(last);
        }
        if !lines.is_empty() {
            let now = self.feed.clock.now();
            self.feed.send(HostEvent::Lines(lines, now)).await;
        }
    }
}

/// Whether a line is a summary: `type` comes first.
pub(super) fn is_summary(line: &[u8]) -> bool {
    line.starts_with(br#"{"type":"summary""#)
}
