//! Standard output. What would have to wait for a reader is written by a thread of its own, so that a stuck reader blocks only that
//! thread.

use std::{
    io::{self, IoSlice, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustix::{
    io::{Errno, ReadWriteFlags, pwritev2},
    stdio::stdout,
};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use crate::engine::{error::EngineError, worker};

/// Standard output. Clones share their state.
///
/// [`Write::write`] buffers; [`Write::flush`] writes as much as can be written at once, hands the rest to the thread, and does not
/// block; [`Self::drained`] waits until it is written.
#[derive(Clone)]
pub struct Outlet(Arc<OutletInner>);

struct OutletInner {
    state: Mutex<OutletState>,
    /// Wakes the thread: there is something to write.
    handed_over: Condvar,
    /// Wakes those who wait until everything is written.
    written: Notify,
    /// Wakes those who wait for an error.
    failed: Notify,
}

/// Three buffers take turns: one collects, one waits for the thread, and the thread writes one. So each tick uses the memory of an
/// earlier one.
#[derive(Default)]
struct OutletState {
    collected: Vec<u8>,
    handed_over: Vec<u8>,
    /// Whether it is standard output, and can be written to without waiting.
    at_once: bool,
    /// Bytes handed to the thread and not yet written.
    pending: usize,
    /// After it, nothing more is written.
    error: Option<io::ErrorKind>,
    message: String,
}

/// A larger buffer is given back once it is written.
const LARGE: usize = 1 << 20;

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
        Self::start(io::stdout(), true)
    }

    /// The same with another writer in place of stdout.
    #[cfg(test)]
    fn to(out: impl Write + Send + 'static) -> Result<Self, EngineError> {
        Self::start(out, false)
    }

    fn start(out: impl Write + Send + 'static, at_once: bool) -> Result<Self, EngineError> {
        let state = OutletState {
            at_once,
            ..OutletState::default()
        };
        let outlet = Self(Arc::new(OutletInner {
            state: Mutex::new(state),
            handed_over: Condvar::new(),
            written: Notify::new(),
            failed: Notify::new(),
        }));
        let writer = outlet.clone();
        worker::start("stdout", "writes standard output", move || {
            writer.write_all_handed_over(out);
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
            let written = self.0.written.notified();
            tokio::pin!(written);
            // Registered before the check, so that no change between the two is missed.
            written.as_mut().enable();
            {
                let state = self.state();
                state.check()?;
                if state.pending == 0 {
                    return Ok(());
                }
            }
            written.await;
        }
    }

    /// Waits for some time, and then until everything is written. Nobody is woken when it is written in time; an error ends the
    /// wait at once.
    ///
    /// # Errors
    ///
    /// Like [`Self::drained`].
    pub async fn drained_after(&self, wait: Duration) -> io::Result<()> {
        let failed = self.0.failed.notified();
        tokio::pin!(failed);
        failed.as_mut().enable();
        self.state().check()?;
        tokio::select! {
            () = failed => {}
            () = sleep(wait) => {}
        }
        self.drained().await
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

    /// Writes what is handed over, until an error.
    fn write_all_handed_over(&self, mut out: impl Write) {
        let mut chunk = Vec::new();
        loop {
            let mut state = self.state();
            while state.handed_over.is_empty() {
                let woken = self.0.handed_over.wait(state);
                state = woken.unwrap_or_else(PoisonError::into_inner);
            }
            std::mem::swap(&mut chunk, &mut state.handed_over);
            drop(state);
            let written = out.write_all(&chunk).and_then(|()| out.flush());
            let mut state = self.state();
            state.pending -= chunk.len();
            let failed = written.is_err();
            if let Err(error) = written {
                *state = OutletState {
                    error: Some(error.kind()),
                    message: error.to_string(),
                    ..OutletState::default()
                };
            }
            drop(state);
            self.0.written.notify_waiters();
            if failed {
                self.0.failed.notify_waiters();
                return;
            }
            chunk.clear();
            chunk.shrink_to(LARGE);
        }
    }

    fn state(&self) -> MutexGuard<'_, OutletState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OutletState {
    /// Writes what can be written without waiting: to most pipes and files everything, which saves waking the thread.
    fn write_at_once(&mut self) {
        /// After what was written before.
        const POSITION: u64 = u64::MAX;
        if !self.at_once || self.pending > 0 || self.collected.is_empty() {
            return;
        }
        let bytes = [IoSlice::new(&self.collected)];
        match pwritev2(stdout(), &bytes, POSITION, ReadWriteFlags::NOWAIT) {
            Ok(written) => drop(self.collected.drain(..written)),
            // It is full; or its reader is gone, of which the thread says so.
            Err(Errno::AGAIN | Errno::PIPE | Errno::INTR) => {}
            // It cannot be written to in this way: a terminal, for example, or any file on an older kernel.
            Err(_) => self.at_once = false,
        }
    }

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
        state.write_at_once();
        let OutletState {
            collected,
            handed_over,
            pending,
            ..
        } = &mut *state;
        if collected.is_empty() {
            return Ok(());
        }
        *pending += collected.len();
        if handed_over.is_empty() {
            std::mem::swap(collected, handed_over);
        } else {
            handed_over.append(collected);
        }
        // The thread needs the lock as soon as it wakes.
        drop(state);
        self.0.handed_over.notify_one();
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
