//! What is found out about top talkers: the programs' windows, and what the surveyor lists.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

use crate::{
    clock::{Clock, Instant},
    engine::{
        diagnostics::Diagnostics,
        error::EngineError,
        instance::WatchedInstance,
        probes::{ProbeLife, until_calls_end},
        surveyor::{SurveyResult, SurveySettings, SurveyTarget, Surveyed, Surveyor},
    },
    model::top::talkers::{TopSettings, WINDOW},
    probes::plan::SketchSettings,
    reading::top::{TopReading, TopWindow},
};

/// How long the end of a run waits for the entries to be listed once more. Where that takes longer, the listing before counts.
pub(super) const LAST_LISTING: Duration = Duration::from_secs(1);

/// Reasons of failures that are remembered, so that each is told once.
const REASONS: usize = 100;

/// Finds out about top talkers.
pub(super) struct TopWatch {
    surveyor: Surveyor,
    /// The numbers of the instances that are surveyed.
    surveyed: Vec<u64>,
    window_started: Duration,
    diagnostics: Diagnostics,
    told: BTreeSet<String>,
}

/// How the programs count top talkers, as it was asked for.
pub(super) fn counting(settings: TopSettings) -> SketchSettings {
    SketchSettings {
        prefixes: settings.prefixes,
        // A number that nobody outside can know.
        seed: RandomState::new().build_hasher().finish() as u32,
    }
}

impl TopWatch {
    /// Starts to survey.
    ///
    /// # Errors
    ///
    /// When there can be no more threads.
    pub(super) fn start(
        settings: TopSettings,
        counting: SketchSettings,
        clock: &(impl Clock + Clone + Send + 'static),
        diagnostics: Diagnostics,
    ) -> Result<Self, EngineError> {
        let survey = SurveySettings {
            rows: settings.rows,
            prefixes: settings.prefixes,
            seed: counting.seed,
        };
        Ok(Self {
            surveyor: Surveyor::start(survey, clock.clone())?,
            surveyed: Vec::new(),
            window_started: clock.now().monotonic,
            diagnostics,
            told: BTreeSet::new(),
        })
    }

    /// What the programs count from now on is this run's.
    pub(super) fn begin(&mut self, clock: &impl Clock, probes: &mut ProbeLife) {
        self.rotate(clock, probes);
    }

    /// What was found out since last time.
    pub(super) fn read(
        &mut self,
        clock: &impl Clock,
        probes: &mut ProbeLife,
        watched: &[WatchedInstance],
    ) -> TopReading {
        self.follow(watched);
        let now = clock.now().monotonic;
        let due = now.saturating_sub(self.window_started) >= WINDOW;
        let window = if due {
            self.rotate(clock, probes)
        } else {
            None
        };
        self.found(watched, window)
    }

    /// The same at the end of a run: the window that is open, and the entries as they are now.
    pub(super) fn read_last(
        &mut self,
        clock: &impl Clock,
        probes: &mut ProbeLife,
        watched: &[WatchedInstance],
    ) -> TopReading {
        self.follow(watched);
        let window = self.rotate(clock, probes);
        self.surveyor.list_entries(LAST_LISTING);
        self.found(watched, window)
    }

    /// Ends the window of the programs' counts, and reads it.
    fn rotate(&mut self, clock: &impl Clock, probes: &mut ProbeLife) -> Option<TopWindow> {
        let Some(sketches) = probes.sketches() else {
            self.window_started = clock.now().monotonic;
            return None;
        };
        let ended = match sketches.rotate() {
            Ok(ended) => ended,
            Err(error) => {
                self.tell(format!("top talkers are not counted: {error}"));
                return None;
            }
        };
        let end: Instant = clock.now();
        // A program may still be counting in the window that has ended.
        until_calls_end();
        let started = std::mem::replace(&mut self.window_started, end.monotonic);
        Some(TopWindow {
            end,
            length: end.monotonic.saturating_sub(started),
            sketches: sketches.maps().read(ended),
        })
    }

    /// Has what is watched surveyed.
    fn follow(&mut self, watched: &[WatchedInstance]) {
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
                Err(error) => self.tell(format!("{}: {error}", instance.info.name)),
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
                Surveyed::Entries(listing) => reading.listings.push((id, listing)),
                Surveyed::Owners(owners) => reading.owners.push((id, owners)),
                Surveyed::Failed(reason) => {
                    if let Some(instance) = watched.iter().find(|i| i.info.id == id) {
                        self.tell(format!("{}: {reason}", instance.info.name));
                    }
                }
            }
        }
        reading
    }

    /// Tells something once.
    fn tell(&mut self, message: String) {
        if self.told.len() < REASONS && !self.told.contains(&message) {
            self.diagnostics.notify(&message);
            self.told.insert(message);
        }
    }
}
