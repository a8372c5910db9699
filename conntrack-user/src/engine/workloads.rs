//! Finds out what network namespaces and their addresses belong to, in a thread of its own, as long as a run reports either.

use std::{
    path::{Path, PathBuf},
    rc::Rc,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel},
    time::Duration,
};

use super::worker::{self, Holds};
use crate::{
    clock::Clock,
    engine::{
        error::EngineError,
        pace::period,
        settings::{NamespaceChoice, RunSettings, Target},
    },
    privileges::CapabilitySet,
    reading::workload::Workloads,
    source::{
        proc_fs::PROC,
        workloads::{WorkloadReader, by_namespace},
    },
};

/// The least time between two rounds. For so long an address may be taken for that of a pod that is gone.
const INTERVAL: Duration = Duration::from_secs(5);

/// How long the start of a run waits for the first round.
const FIRST: Duration = Duration::from_millis(500);

/// Handle of the thread, which ends when it is dropped.
pub(super) struct WorkloadWatch {
    found: Receiver<Workloads>,
    first: bool,
    /// Nothing is ever sent.
    _stop: Sender<()>,
}

/// Whether a run is about addresses or other namespaces, which may belong to a pod, container or unit.
pub(super) fn are_reported(settings: &RunSettings) -> bool {
    let Target::Namespaces { choices, .. } = &settings.target else {
        return false;
    };
    settings.top.is_some() || settings.events_named || *choices != [NamespaceChoice::Own]
}

impl WorkloadWatch {
    /// Starts the thread, with these capabilities. The host's files are below `root`, if that is known.
    ///
    /// # Errors
    ///
    /// When the thread cannot be started.
    pub(super) fn start(
        root: Option<PathBuf>,
        holds: CapabilitySet,
        clock: impl Clock + Send + 'static,
    ) -> Result<Self, EngineError> {
        // The thread waits until a round is taken: nobody needs two.
        let (sender, found) = sync_channel(1);
        let (stop, stopped) = channel::<()>();
        worker::start_holding(
            Holds::Only(holds),
            "workloads",
            "finds out what addresses belong to",
            move || {
                let mut reader = WorkloadReader::new(root.as_deref());
                loop {
                    let before = clock.thread_cpu_time();
                    reader.start_round(clock.now().monotonic);
                    if sender
                        .send(by_namespace(Path::new(PROC), &mut reader))
                        .is_err()
                    {
                        return;
                    }
                    let cpu_time = clock.thread_cpu_time().saturating_sub(before);
                    let wait = period(INTERVAL, cpu_time);
                    if stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                        return;
                    }
                }
            },
        )?;
        Ok(Self {
            found,
            first: true,
            _stop: stop,
        })
    }

    /// What was found since the last call; the first time it is waited for, so that the first records have names.
    pub(super) fn found(&mut self) -> Option<Rc<Workloads>> {
        if std::mem::take(&mut self.first) {
            return self.found.recv_timeout(FIRST).ok().map(Rc::new);
        }
        self.found.try_iter().last().map(Rc::new)
    }
}
