//! What the thread does: cells into the queue as they come, and requests out of it, one at a time.

use std::{pin::Pin, sync::Arc, time::Duration};

use hyper::body::Bytes;
use tokio::{sync::mpsc, time::sleep};

use super::{
    health::SharedHealth,
    queue::{Batch, BatchLimits, Queue, SegmentStore},
    report::Reports,
    retry::{Attempt, wait, waits},
};
use crate::{
    client::{Backoff, ClientError, HttpSender, PostAnswer, random},
    clock::Clock,
    model::cells::InstanceCells,
};

/// The time between the starts of two requests, unless there is more than fits into one.
const PACE: Duration = Duration::from_secs(1);

/// How long the last requests may take, after the last cells.
const LAST: Duration = Duration::from_millis(400);

/// What a request may have.
const LIMITS: BatchLimits = BatchLimits {
    samples: 10_000,
    bytes: 1 << 20,
};

/// Longer than any wait.
const LONG: Duration = Duration::from_secs(3_600);

type Sending = Pin<Box<dyn Future<Output = (HttpSender, Result<PostAnswer, ClientError>)> + Send>>;

/// What is done about the next request.
enum SendStage {
    /// Nothing is, up to a time of the monotonic clock.
    Idle(HttpSender, Duration),
    /// It is sent.
    Sending(OutgoingBatch, Sending),
    /// It failed, and is sent again at that time.
    Waiting(HttpSender, OutgoingBatch, Duration),
}

/// A request, whose bytes stay the same.
struct OutgoingBatch {
    batch: Batch,
    body: Bytes,
}

/// The work of the thread.
pub(super) struct SendingTask<S> {
    pub(super) queue: Queue<S>,
    pub(super) health: SharedHealth,
    pub(super) clock: Arc<dyn Clock + Send + Sync>,
    pub(super) reports: Reports,
}

impl<S: SegmentStore> SendingTask<S> {
    /// Works until there will be no more cells, and a short time after that.
    pub(super) async fn run(
        mut self,
        sender: HttpSender,
        mut cells: mpsc::Receiver<Vec<InstanceCells>>,
    ) {
        let mut backoff = waits();
        let mut stage = SendStage::Idle(sender, self.now());
        let mut end: Option<Duration> = None;
        loop {
            stage = self.start(stage, end.is_some());
            self.publish();
            let wake = match &stage {
                SendStage::Idle(_, at) | SendStage::Waiting(_, _, at) => {
                    at.saturating_sub(self.now())
                }
                SendStage::Sending(..) => LONG,
            };
            let wake = match end {
                Some(end) if self.now() >= end => break,
                Some(_) if matches!(stage, SendStage::Waiting(..)) => break,
                Some(_) if matches!(stage, SendStage::Idle(..)) => break,
                Some(end) => wake.min(end.saturating_sub(self.now())),
                None => wake,
            };
            let is_over = end.is_some();
            tokio::select! {
                biased;
                more = cells.recv(), if !is_over => match more {
                    Some(more) => self.store(&more),
                    None => end = Some(self.now() + LAST),
                },
                (sender, answer) = sent(&mut stage) => {
                    stage = self.answered(stage, sender, &answer, &mut backoff);
                }
                () = sleep(wake) => {}
            }
        }
        self.publish();
        self.reports.ended(&self.queue.waiting());
    }

    fn now(&self) -> Duration {
        self.clock.now().monotonic
    }

    /// Starts the next request if it is time for it.
    fn start(&mut self, stage: SendStage, at_once: bool) -> SendStage {
        let now = self.now();
        match stage {
            SendStage::Idle(sender, at) if at_once || now >= at => match self.queue.next(LIMITS) {
                Ok(Some(batch)) => {
                    let body = Bytes::from(batch.body.clone());
                    send(sender, OutgoingBatch { batch, body })
                }
                Ok(None) => SendStage::Idle(sender, now + PACE),
                Err(error) => {
                    self.reports.unreadable(&error);
                    SendStage::Idle(sender, now + PACE)
                }
            },
            SendStage::Waiting(sender, batch, at) if now >= at => send(sender, batch),
            other => other,
        }
    }

    fn store(&mut self, cells: &[InstanceCells]) {
        for of_instance in cells {
            if let Err(error) = self.queue.add(of_instance) {
                let lost = of_instance
                    .cells
                    .iter()
                    .map(|cell| cell.values.len() as u64);
                let lost = lost.sum();
                self.health.change(|health| health.not_stored += lost);
                self.reports.not_stored(lost, &error);
            }
        }
        self.reports.overflowed(self.queue.dropped());
    }

    fn answered(
        &mut self,
        stage: SendStage,
        sender: HttpSender,
        answer: &Result<PostAnswer, ClientError>,
        backoff: &mut Backoff,
    ) -> SendStage {
        let SendStage::Sending(sent, _) = stage else {
            return stage;
        };
        let now = self.now();
        let samples = sent.batch.samples;
        match Attempt::of(answer) {
            Attempt::Again(asked) => {
                self.health.change(|health| health.failed_requests += 1);
                self.reports.failed(answer, &self.queue.waiting());
                let wait = wait(backoff, asked, random());
                return SendStage::Waiting(sender, sent, now + wait);
            }
            Attempt::Taken => self.health.change(|health| health.sent += samples),
            Attempt::Refused => {
                self.health.change(|health| {
                    health.failed_requests += 1;
                    health.refused += samples;
                });
                self.reports.refused(samples, answer);
            }
        }
        if Attempt::of(answer) == Attempt::Taken {
            self.reports.taken(backoff.failed());
        }
        backoff.reset();
        if let Err(error) = self.queue.done(&sent.batch) {
            self.reports.unmarked(&error);
        }
        let full = samples >= LIMITS.samples / 2 || sent.batch.body.len() >= LIMITS.bytes / 16;
        SendStage::Idle(sender, if full { now } else { now + PACE })
    }

    fn publish(&self) {
        let (waiting, dropped) = (self.queue.waiting(), self.queue.dropped());
        self.health.change(|health| {
            health.waiting = waiting;
            health.overflowed = dropped;
        });
    }
}

fn send(mut sender: HttpSender, batch: OutgoingBatch) -> SendStage {
    let body = batch.body.clone();
    let sending = async move {
        let answer = sender.post(&body).await;
        (sender, answer)
    };
    SendStage::Sending(batch, Box::pin(sending))
}

/// What the request came to; never anything while there is none.
async fn sent(stage: &mut SendStage) -> (HttpSender, Result<PostAnswer, ClientError>) {
    match stage {
        SendStage::Sending(_, sending) => sending.await,
        SendStage::Idle(..) | SendStage::Waiting(..) => std::future::pending().await,
    }
}
