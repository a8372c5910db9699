//! Reads top talkers: the windows of the in-kernel sketches, and the results of the surveyor.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, Hasher, RandomState},
    path::PathBuf,
    time::Duration,
};

use crate::{
    clock::{Clock, Instant},
    engine::{
        diagnostics::Diagnostics,
        error::EngineError,
        instance::WatchedInstance,
        probes::{ProbeLifecycle, wait_for_calls_in_flight},
        surveyor::{SurveyResult, SurveySettings, SurveyTarget, Surveyed, Surveyor},
    },
    model::top::talkers::{TopSettings, WINDOW},
    privileges::CapabilitySet,
    probes::plan::SketchSettings,
    reading::top::{TopReading, TopWindow},
};

/// The timeout of the last listing of entries at the end of a run. After it, the previous listing is used.
pub(super) const LAST_LISTING: Duration = Duration::from_secs(1);

/// The most failures that are remembered so as to report each only once.
const REMEMBERED_FAILURES: usize = 100;

/// Collects the measurements of top talkers.
pub(super) struct TopWatch {
    surveyor: Surveyor,
    /// The ids of the instances that are surveyed.
    surveyed: Vec<u64>,
    window_started: Duration,
    diagnostics: Diagnostics,
    notified: BTreeSet<String>,
}

/// The settings of the in-kernel sketches, with a random seed.
pub(super) fn counting(settings: TopSettings) -> SketchSettings {
    SketchSettings {
        prefixes: settings.prefixes,
        // The seed is secret, so that nobody can construct keys that collide.
        seed: RandomState::new().build_hasher().finish() as u32,
    }
}

impl TopWatch {
    /// Starts the surveyor, with these capabilities.
    ///
    /// # Errors
    ///
    /// When its thread cannot be started.
    pub(super) fn start(
        settings: TopSettings,
        counting: SketchSettings,
        host_root: Option<PathBuf>,
        holds: CapabilitySet,
        clock: &(impl Clock + Clone + Send + 'static),
        diagnostics: Diagnostics,
    ) -> Result<Self, EngineError> {
        let survey = SurveySettings {
            rows: settings.rows,
            prefixes: settings.prefixes,
            seed: counting.seed,
            host_root,
        };
        Ok(Self {
            surveyor: Surveyor::start(survey, holds, clock.clone())?,
            surveyed: Vec::new(),
            window_started: clock.now().monotonic,
            diagnostics,
            notified: BTreeSet::new(),
        })
    }

    /// Starts the first window of the run.
    pub(super) fn start_window(&mut self, clock: &impl Clock, probes: &mut ProbeLifecycle) {
        self.rotate(clock, probes);
    }

    /// The measurements since the last call, with the window if it is complete.
    pub(super) fn read(
        &mut self,
        clock: &impl Clock,
        probes: &mut ProbeLifecycle,
        watched: &[WatchedInstance],
    ) -> TopReading {
        self.survey_watched(watched);
        let now = clock.now().monotonic;
        let due = now.saturating_sub(self.window_started) >= WINDOW;
        let window = if due {
            self.rotate(clock, probes)
        } else {
            None
        };
        self.found(watched, window)
    }

    /// The same at the end of a run: with the window so far, and a new listing of the entries.
    pub(super) fn read_last(
        &mut self,
        clock: &impl Clock,
        probes: &mut ProbeLifecycle,
        watched: &[WatchedInstance],
    ) -> TopReading {
        self.survey_watched(watched);
        let window = self.rotate(clock, probes);
        self.surveyor.list_entries(LAST_LISTING);
        self.found(watched, window)
    }

    /// Ends the current window of the sketches, and reads it.
    fn rotate(&mut self, clock: &impl Clock, probes: &mut ProbeLifecycle) -> Option<TopWindow> {
        let Some(sketches) = probes.sketches() else {
            self.window_started = clock.now().monotonic;
            return None;
        };
        let ended = match sketches.rotate() {
            Ok(ended) => ended,
            Err(error) => {
                self.notify_once(format!("top talkers are not counted: {error}"));
                return None;
            }
        };
        let end: Instant = clock.now();
        // Programs in flight may still write to the window that has ended.
        wait_for_calls_in_flight();
        let started = std::mem::replace(&mut self.window_started, end.monotonic);
        Some(TopWindow {
            end,
            length: end.monotonic.saturating_sub(started),
            sketches: sketches.maps().read(ended),
        })
    }

    /// Passes the watched instances to the surveyor if they have changed.
    fn survey_watched(&mut self, watched: &[WatchedInstance]) {
        let ids = watched.iter().map(|instance| instance.info.id);
        if ids.clone().eq(self.surveyed.iter().copied()) {
            return;
        }
        self.surveyed = ids.collect();
        let mut targets = Vec::new();
        for instance in watched {
            let Some((namespace, slot)) = instance.namespace.as_ref().zip(instance.info.slot)
            else {
                continue;
            };
            match namespace.try_clone() {
                Ok(namespace) => targets.push(SurveyTarget {
                    id: instance.info.id,
                    slot,
                    namespace,
                }),
                Err(error) => self.notify_once(format!("{}: {error}", instance.info.name)),
            }
        }
        self.surveyor.watch(targets);
    }

    fn found(&mut self, watched: &[WatchedInstance], window: Option<TopWindow>) -> TopReading {
        let mut reading = TopReading {
            window,
            ..TopReading::default()
        };
        let found: Vec<SurveyResult> = self.surveyor.found().collect();
        for SurveyResult { id, what } in found {
            match what {
                Surveyed::Entries(listing) => reading.listings.push((id, *listing)),
                Surveyed::Limits(limits) => reading.limits.push((id, *limits)),
                Surveyed::Owners(owners) => reading.owners.push((id, owners)),
                Surveyed::Failed(reason) => {
                    if let Some(instance) = watched.iter().find(|i| i.info.id == id) {
                        self.notify_once(format!("{}: {reason}", instance.info.name));
                    }
                }
            }
        }
        reading
    }

    /// Reports a failure, once.
    fn notify_once(&mut self, message: String) {
        if self.notified.len() < REMEMBERED_FAILURES && !self.notified.contains(&message) {
            self.diagnostics.notify(&message);
            self.notified.insert(message);
        }
    }
}
