//! SIGINT, SIGTERM, SIGHUP and SIGQUIT end the program, whatever it is waiting for.
//!
//! The first signal requests a shutdown: the run ends by itself and writes its summary. A watchdog thread exits the process at
//! the deadline, or at a second signal. So neither a stuck reader nor a file that never answers can keep the program from ending.

use std::{
    io::Read,
    os::{fd::AsFd, unix::net::UnixStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::watch;

use super::worker;
use crate::{
    clock::Clock,
    engine::{diagnostics::Diagnostics, error::EngineError},
};

/// How long a shutdown may take before it counts as stuck.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(900);

/// Signals that end the program. SIGHUP stays ignored if it was ignored at start (`nohup`), and is left to [`on_hangup`] if that was
/// called before.
const ENDING: [i32; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// Exit status of a forced exit.
const FAILED: i32 = 1;

/// Runs before a forced exit. It must not block.
pub type LastResort = fn();

/// A handle to the shutdown that signals request. Clones share their state.
#[derive(Clone)]
pub struct Shutdown {
    requested: watch::Receiver<bool>,
    shared: Arc<ShutdownState>,
}

struct ShutdownState {
    /// Extra time for work that has a deadline of its own.
    allowance: Mutex<Duration>,
    /// What the program is waiting for, for the message of a forced exit.
    waiting_for: Mutex<&'static str>,
}

impl Shutdown {
    /// Installs the signal handlers. `last_resort` runs before a forced exit, and must not block.
    ///
    /// # Errors
    ///
    /// When the handlers cannot be installed, or the thread cannot be started.
    pub fn on_signals(
        clock: impl Clock + Send + 'static,
        diagnostics: Diagnostics,
        last_resort: LastResort,
    ) -> Result<Self, EngineError> {
        let (mut receive, send) = UnixStream::pair().map_err(EngineError::Signals)?;
        for signal in ENDING {
            if signal == libc::SIGHUP && !is_default(signal) {
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
                // There may be no receiver left.
                let _ = request.send(true);
                let start = clock.now().monotonic;
                let forced = loop {
                    let allowed = SHUTDOWN_TIMEOUT + watching.allowance();
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
                // SAFETY: ends the process without running destructors and exit handlers, which might block.
                unsafe { libc::_exit(FAILED) }
            }
        })?;
        Ok(Self { requested, shared })
    }

    /// Waits until a shutdown is requested.
    pub async fn requested(&mut self) {
        // An error means that the thread is gone, which only happens when the process ends.
        let _ = self.requested.wait_for(|requested| *requested).await;
    }

    /// Whether a shutdown was requested.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.requested.borrow()
    }

    /// Runs work that has a deadline of its own, and may take up to `longest` even after a shutdown was requested.
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

    /// Sets what the message of a forced exit says the program was waiting for.
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

/// Waits for a signal, with a timeout or without; returns whether one came.
fn wait(receive: &UnixStream, timeout: Option<Duration>) -> bool {
    let timeout = timeout.map(|timeout| Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    });
    let mut ready = [PollFd::from_borrowed_fd(receive.as_fd(), PollFlags::IN)];
    loop {
        match poll(&mut ready, timeout.as_ref()) {
            Ok(ready) => return ready > 0,
            Err(rustix::io::Errno::INTR) => {}
            // Without poll no signal could end the program; end it now.
            Err(_) => return true,
        }
    }
}

/// Lets SIGHUP set a flag, instead of ending the program: for a service whose log is rotated. Call it before signals are installed.
///
/// # Errors
///
/// When the handler cannot be installed.
pub fn on_hangup() -> Result<Arc<AtomicBool>, EngineError> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    signal_hook::flag::register(libc::SIGHUP, set).map_err(EngineError::Signals)?;
    Ok(flag)
}

/// Lets a file that has reached the limit of its size (`RLIMIT_FSIZE`) be an error of the write, like a full disk, where SIGXFSZ would
/// kill. A handler is not inherited by the programs that are started; ignoring it would be.
///
/// # Errors
///
/// When the handler cannot be installed.
pub fn survive_limit_of_files() -> Result<(), EngineError> {
    let unused = Arc::new(AtomicBool::new(false));
    let registered = signal_hook::flag::register(libc::SIGXFSZ, unused);
    registered.map(drop).map_err(EngineError::Signals)
}

fn is_default(signal: i32) -> bool {
    // SAFETY: all zeros is a valid sigaction, to be overwritten; nothing is changed.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &mut action) == 0
            && action.sa_sigaction == libc::SIG_DFL
    }
}
