//! Standard output, written by a thread of its own, so that a stuck reader blocks only that thread.

use std::{
    io::{self, Write},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::timeout};

use crate::engine::{error::EngineError, worker};

/// Standard output. Clones share their state.
///
/// [`Write::write`] buffers; [`Write::flush`] hands the buffer to the thread and does not block; [`Self::drained`] waits until it
/// is written.
#[derive(Clone)]
pub struct Outlet(Arc<OutletInner>);

struct OutletInner {
    state: Mutex<OutletState>,
    changed: Notify,
}

struct OutletState {
    collected: Vec<u8>,
    /// `None` after an error: nothing more is written.
    to_thread: Option<Sender<Vec<u8>>>,
    /// Bytes handed to the thread and not yet written.
    pending: usize,
    error: Option<io::ErrorKind>,
    message: String,
}

impl Outlet {
    /// Opens standard output.
    ///
    /// # Errors
    ///
    /// When its thread cannot be started.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that writes to stdout"
    )]
    pub fn stdout() -> Result<Self, EngineError> {
        Self::to(io::stdout())
    }

    /// The same with another writer in place of stdout.
    ///
    /// # Errors
    ///
    /// When its thread cannot be started.
    pub(super) fn to(out: impl Write + Send + 'static) -> Result<Self, EngineError> {
        let (to_thread, chunks) = channel();
        let outlet = Self(Arc::new(OutletInner {
            state: Mutex::new(OutletState {
                collected: Vec::new(),
                to_thread: Some(to_thread),
                pending: 0,
                error: None,
                message: String::new(),
            }),
            changed: Notify::new(),
        }));
        let writer = outlet.clone();
        worker::start("stdout", "writes standard output", move || {
            writer.write_chunks(out, &chunks);
        })?;
        Ok(outlet)
    }

    /// Waits until everything is written.
    ///
    /// # Errors
    ///
    /// When a write failed; [`io::ErrorKind::BrokenPipe`] when the reader has closed the pipe.
    pub async fn drained(&self) -> io::Result<()> {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            // Registered before the check, so that no change between the two is missed.
            changed.as_mut().enable();
            {
                let state = self.state();
                state.check()?;
                if state.pending == 0 {
                    return Ok(());
                }
            }
            changed.await;
        }
    }

    /// Whether everything is written.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.pending() == 0
    }

    /// Bytes handed to the thread and not yet written.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.state().pending
    }

    /// Like [`Self::drained`], with a timeout.
    ///
    /// # Errors
    ///
    /// Like [`Self::drained`]; [`io::ErrorKind::TimedOut`] at the timeout.
    pub async fn drained_within(&self, limit: Duration) -> io::Result<()> {
        match timeout(limit, self.drained()).await {
            Ok(drained) => drained,
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "standard output is not being read: what came last is not written",
            )),
        }
    }

    fn write_chunks(&self, mut out: impl Write, chunks: &Receiver<Vec<u8>>) {
        while let Ok(chunk) = chunks.recv() {
            let written = out.write_all(&chunk).and_then(|()| out.flush());
            let mut state = self.state();
            state.pending -= chunk.len();
            if let Err(error) = written {
                state.error = Some(error.kind());
                state.message = error.to_string();
                state.to_thread = None;
                state.pending = 0;
            }
            let over = state.to_thread.is_none();
            drop(state);
            self.0.changed.notify_waiters();
            if over {
                return;
            }
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, OutletState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OutletState {
    fn check(&self) -> io::Result<()> {
        match self.error {
            Some(kind) => Err(io::Error::new(kind, self.message.clone())),
            None => Ok(()),
        }
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.state();
        state.check()?;
        state.collected.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut state = self.state();
        state.check()?;
        if state.collected.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::take(&mut state.collected);
        let length = chunk.len();
        // The thread ends only after an error, which was checked above.
        if state
            .to_thread
            .as_ref()
            .is_some_and(|to| to.send(chunk).is_ok())
        {
            state.pending += length;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(future)
    }

    /// Writes a chunk for each permission that it receives.
    struct Stuck(std::sync::mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_reader_blocks_only_drained() {
        let (allow, allowed) = sync_channel(1);
        let mut outlet = Outlet::to(Stuck(allowed)).unwrap();
        outlet.write_all(b"one").unwrap();
        outlet.flush().unwrap();
        assert!(!outlet.is_drained());
        let error = block_on(outlet.drained_within(Duration::from_millis(20))).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        allow.send(()).unwrap();
        block_on(outlet.drained()).unwrap();
        // The reader is gone.
        drop(allow);
        outlet.write_all(b"two").unwrap();
        outlet.flush().unwrap();
        let error = block_on(outlet.drained()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(
            outlet.write(b"x").unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
    }
}
