//! SIGINT, SIGTERM, SIGHUP and SIGQUIT end the program, whatever it waits for.
//!
//! The first one asks: what runs ends itself, and says what it has to say. A thread of its own sees to it that it does: when
//! nothing has ended the process in time, or at the second signal, that thread does. So no write to a reader that is stuck,
//! and no file that does not answer, keeps the program from ending.

use std::{
    io::Read,
    os::{fd::AsFd, unix::net::UnixStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::watch;

use super::worker;
use crate::{
    clock::Clock,
    engine::{diagnostics::Diagnostics, error::EngineError},
};

/// How long the end may take before it is taken to be stuck.
const PATIENCE: Duration = Duration::from_millis(900);

/// Signals that end the program. SIGHUP is left alone where whoever started us had it ignored (`nohup`).
const ENDING: [i32; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// Exit status of an end by force.
const FAILED: i32 = 1;

/// What is to be done before the process is ended by force: it must not block.
pub type LastResort = fn();

/// The end of the program, as signals ask for it. Clones are the same one.
#[derive(Clone)]
pub struct Shutdown {
    requested: watch::Receiver<bool>,
    shared: Arc<ShutdownState>,
}

struct ShutdownState {
    /// How long work of the end may take that is bounded by itself.
    allowance: Mutex<Duration>,
    /// What is waited for, to be named where that is in vain.
    waiting_for: Mutex<&'static str>,
}

impl Shutdown {
    /// From now on signals ask for the end. `last_resort` is done before an end by force, and must not block.
    ///
    /// # Errors
    ///
    /// When signals cannot be received, or there can be no more threads.
    pub fn on_signals(
        clock: impl Clock + Send + 'static,
        diagnostics: Diagnostics,
        last_resort: LastResort,
    ) -> Result<Self, EngineError> {
        let (mut receive, send) = UnixStream::pair().map_err(EngineError::Signals)?;
        for signal in ENDING {
            if signal == libc::SIGHUP && is_ignored(signal) {
                continue;
            }
            let send = send.try_clone().map_err(EngineError::Signals)?;
            signal_hook::low_level::pipe::register(signal, send).map_err(EngineError::Signals)?;
        }
        let (request, requested) = watch::channel(false);
        let shared = Arc::new(ShutdownState {
            allowance: Mutex::new(Duration::ZERO),
            waiting_for: Mutex::new("the end of what is being read or written"),
        });
        let watching = Arc::clone(&shared);
        worker::start("signals", "waits for signals", move || {
            if wait(&receive, None) {
                let _ = receive.read(&mut [0; 16]);
                // Nobody may be interested any more.
                let _ = request.send(true);
                let start = clock.now().monotonic;
                let forced = loop {
                    let allowed = PATIENCE + watching.allowance();
                    let passed = clock.now().monotonic.saturating_sub(start);
                    let Some(rest) = allowed.checked_sub(passed).filter(|r| !r.is_zero()) else {
                        break false;
                    };
                    if wait(&receive, Some(rest)) {
                        break true;
                    }
                };
                last_resort();
                if !forced {
                    diagnostics.release();
                    diagnostics.notify(format_args!(
                        "ended without waiting any longer for {}",
                        watching.waiting_for()
                    ));
                }
                // SAFETY: ends the process; no destructor and no exit handler runs, which might wait.
                unsafe { libc::_exit(FAILED) }
            }
        })?;
        Ok(Self { requested, shared })
    }

    /// Waits until the end is asked for.
    pub async fn requested(&mut self) {
        // An error means that the thread is gone, and with it the process.
        let _ = self.requested.wait_for(|requested| *requested).await;
    }

    /// Whether the end was asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.requested.borrow()
    }

    /// Does work whose length is bounded by itself, and which may take `longest` although the end was asked for.
    pub fn during<T>(&self, clock: &impl Clock, longest: Duration, work: impl FnOnce() -> T) -> T {
        let start = clock.now().monotonic;
        self.shared
            .change_allowance(|allowed| allowed.saturating_add(longest));
        let result = work();
        let unused = longest.saturating_sub(clock.now().monotonic.saturating_sub(start));
        self.shared
            .change_allowance(|allowed| allowed.saturating_sub(unused));
        result
    }

    /// Says what is waited for from now on.
    pub fn waits_for(&self, what: &'static str) {
        *lock(&self.shared.waiting_for) = what;
    }
}

impl ShutdownState {
    fn allowance(&self) -> Duration {
        *lock(&self.allowance)
    }

    fn change_allowance(&self, change: impl FnOnce(Duration) -> Duration) {
        let mut allowance = lock(&self.allowance);
        *allowance = change(*allowance);
    }

    fn waiting_for(&self) -> &'static str {
        *lock(&self.waiting_for)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for a signal, for so long or for ever; whether one came.
fn wait(receive: &UnixStream, patience: Option<Duration>) -> bool {
    let patience = patience.map(|patience| Timespec {
        tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: patience.subsec_nanos().into(),
    });
    let mut ready = [PollFd::from_borrowed_fd(receive.as_fd(), PollFlags::IN)];
    loop {
        match poll(&mut ready, patience.as_ref()) {
            Ok(ready) => return ready > 0,
            Err(rustix::io::Errno::INTR) => {}
            // Without it no signal would end us: better now than never.
            Err(_) => return true,
        }
    }
}

fn is_ignored(signal: i32) -> bool {
    // SAFETY: all zeros is a valid sigaction, to be overwritten; nothing is changed.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    }
}
