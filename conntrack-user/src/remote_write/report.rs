//! What users learn about sending: when it starts to fail, when it works again, and what is dropped. Not each time.

use std::{io, sync::Arc, time::Duration};

use super::queue::Waiting;
use crate::{
    client::{ClientError, HttpAddress, PostAnswer},
    clock::Clock,
    engine::diagnostics::Diagnostics,
    text::Plain,
};

/// The least time between two lines about the same.
const PAUSE: Duration = Duration::from_secs(60);

/// Tells users.
pub(super) struct Reports {
    address: HttpAddress,
    /// Where samples wait, as users know it; `None`: in memory.
    dir: Option<String>,
    diagnostics: Diagnostics,
    clock: Arc<dyn Clock + Send + Sync>,
    failing: bool,
    overflowed: Tally,
    refused: Tally,
    not_stored: Tally,
    unreadable: Tally,
}

/// A number that is reported from time to time.
#[derive(Debug, Default)]
struct Tally {
    total: u64,
    reported: u64,
    reported_at: Option<Duration>,
}

impl Tally {
    /// Sets the number; whether it is time to tell it.
    fn is_due(&mut self, total: u64, now: Duration) -> bool {
        self.total = total;
        let is_due = self
            .reported_at
            .is_none_or(|at| now.saturating_sub(at) >= PAUSE);
        if total > self.reported && is_due {
            (self.reported, self.reported_at) = (total, Some(now));
            return true;
        }
        false
    }
}

impl Reports {
    pub(super) fn new(
        address: HttpAddress,
        dir: Option<String>,
        diagnostics: Diagnostics,
        clock: Arc<dyn Clock + Send + Sync>,
    ) -> Self {
        Self {
            address,
            dir,
            diagnostics,
            clock,
            failing: false,
            overflowed: Tally::default(),
            refused: Tally::default(),
            not_stored: Tally::default(),
            unreadable: Tally::default(),
        }
    }

    fn now(&self) -> Duration {
        self.clock.now().monotonic
    }

    fn place(&self) -> &str {
        self.dir.as_deref().unwrap_or("memory")
    }

    pub(super) fn failed(&mut self, answer: &Result<PostAnswer, ClientError>, waiting: &Waiting) {
        if self.failing {
            return;
        }
        self.failing = true;
        self.diagnostics.notify(format_args!(
            "remote write to {}: {}; tried again until it works; {} samples wait in {}",
            self.address,
            why(answer),
            waiting.samples,
            self.place()
        ));
    }

    /// A request was taken, after some that failed.
    pub(super) fn taken(&mut self, failed: u32) {
        if std::mem::take(&mut self.failing) {
            self.diagnostics.notify(format_args!(
                "remote write to {} works again, after {failed} failed requests",
                self.address
            ));
        }
    }

    pub(super) fn refused(&mut self, samples: u64, answer: &Result<PostAnswer, ClientError>) {
        let total = self.refused.total + samples;
        let now = self.now();
        if self.refused.is_due(total, now) {
            self.diagnostics.notify(format_args!(
                "remote write to {}: {}; samples that it refused are dropped, {total} so far",
                self.address,
                why(answer)
            ));
        }
    }

    /// So many samples were dropped by now because the queue was full.
    pub(super) fn overflowed(&mut self, total: u64) {
        let now = self.now();
        if self.overflowed.is_due(total, now) {
            self.diagnostics.notify(format_args!(
                "remote write: the queue in {} is full; the oldest samples are dropped, {total} so far; --remote-write-queue-size \
                 allows more",
                self.place()
            ));
        }
    }

    pub(super) fn not_stored(&mut self, samples: u64, error: &io::Error) {
        let total = self.not_stored.total + samples;
        let now = self.now();
        if self.not_stored.is_due(total, now) {
            self.diagnostics.notify(format_args!(
                "remote write: cannot write to {}: {error}; samples are dropped, {total} so far",
                self.place()
            ));
        }
    }

    pub(super) fn unreadable(&mut self, error: &io::Error) {
        let total = self.unreadable.total + 1;
        let now = self.now();
        if self.unreadable.is_due(total, now) {
            let place = self.place();
            self.diagnostics
                .notify(format_args!("remote write: cannot read {place}: {error}"));
        }
    }

    pub(super) fn unmarked(&mut self, error: &io::Error) {
        let total = self.unreadable.total + 1;
        let now = self.now();
        if self.unreadable.is_due(total, now) {
            self.diagnostics.notify(format_args!(
                "remote write: cannot note in {} what was sent: {error}; it would be sent again after a restart",
                self.place()
            ));
        }
    }

    /// There will be no more requests.
    pub(super) fn ended(&self, waiting: &Waiting) {
        match (waiting.samples, &self.dir) {
            (0, _) => {}
            (samples, Some(dir)) => self.diagnostics.notify(format_args!(
                "remote write: {samples} samples wait in {dir}, and are sent after the next start"
            )),
            (samples, None) => self.diagnostics.notify(format_args!(
                "remote write: {samples} samples were not sent and are lost; with --remote-write-queue DIR they would be kept"
            )),
        }
    }
}

/// Why a request failed, safe to show.
fn why(answer: &Result<PostAnswer, ClientError>) -> String {
    match answer {
        Err(error) => Plain(&error.to_string()).to_string(),
        Ok(answer) if answer.text.is_empty() => format!("it answers {}", answer.status),
        Ok(answer) => format!("it answers {}: {}", answer.status, Plain(&answer.text)),
    }
}
