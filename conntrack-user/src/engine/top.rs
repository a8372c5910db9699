//! Who leads, over time: what the programs count each second, and what the survey finds.

use crate::text::Text;
use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasher, Hasher, RandomState},
    io,
    thread::sleep,
    time::Duration,
};

use conntrack_ebpf::{
    ProbeCounter,
    heavy_hitters::{By, FlowKey, FlowMeasure, Prefixes, TABLES, table},
};

use crate::{
    cli::TopArgs,
    clock::{Clock, Instant},
    engine::{
        notices::Notices,
        probes::Attachment,
        survey::{Found, Survey, Target, Wanted, What},
    },
    model::{
        record::{Record, Time, Top, TopTable},
        top::{
            owners::Owners,
            tables::{self, ENTRIES, measure_name},
        },
    },
    probes::plan::SketchSettings,
    reading::{
        entries::{GroupBy, Listing},
        heavy_hitters::{HeavyHitters, KEYS, Sketch},
        selector::Selector,
    },
    source::namespaces::Namespace,
};

/// Time that a table of the programs covers.
const WINDOW: Duration = Duration::from_secs(1);

/// Time for programs that are counting to end, before what they counted is read.
const SETTLE: Duration = Duration::from_millis(5);

/// A watched namespace.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// Its name here.
    pub name: &'a str,
    /// Its slot.
    pub slot: u32,
    /// It.
    pub namespace: &'a Namespace,
}

/// How long the end waits for the entries to be listed once more. Where that takes longer, those listed
/// before stand.
const LAST_LISTING: Duration = Duration::from_secs(1);

/// Who leads.
pub struct Culprits {
    rows: usize,
    leading: SketchSettings,
    survey: Survey,
    /// The inode numbers of the namespaces that are surveyed.
    surveyed: Vec<u32>,
    owners: HashMap<u32, Owners>,
    /// The entries as they were listed last.
    held: HashMap<u32, Top>,
    /// The whole run, by table.
    run: Option<Vec<Sketch>>,
    began: Duration,
    window_began: Duration,
    /// Slots given up in this window: what it counted for them is nobody's.
    stale: Vec<u32>,
    /// The whole run of namespaces that are gone.
    ended: Vec<Record>,
    /// What was said already.
    said: BTreeSet<String>,
}

impl Culprits {
    /// `None` when nobody asked.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub fn new(
        args: &TopArgs,
        leading: Option<SketchSettings>,
        now: Instant,
    ) -> io::Result<Option<Self>> {
        let (Some(rows), Some(leading)) = (args.top, leading) else {
            return Ok(None);
        };
        let rows = usize::from(rows);
        Ok(Some(Self {
            rows,
            leading,
            survey: Survey::start(Wanted {
                rows,
                prefixes: leading.prefixes,
                seed: leading.seed,
            })?,
            surveyed: Vec::new(),
            owners: HashMap::new(),
            held: HashMap::new(),
            run: None,
            began: now.monotonic,
            window_began: now.monotonic,
            stale: Vec::new(),
            ended: Vec::new(),
            said: BTreeSet::new(),
        }))
    }

    /// What is counted from now on is this run's.
    pub fn begin(&mut self, clock: &impl Clock, attachment: &mut Attachment) {
        self.turn(clock, attachment);
        self.run = None;
        self.began = self.window_began;
    }

    /// What is to be reported now.
    pub fn tick(
        &mut self,
        clock: &impl Clock,
        attachment: &mut Attachment,
        subjects: &[Subject<'_>],
    ) -> Vec<Record> {
        self.follow(subjects);
        let at = clock.now();
        let mut records = self.take_found(at, subjects);
        if at.monotonic.saturating_sub(self.window_began) >= WINDOW
            && let Some((window, at, length)) = self.turn(clock, attachment)
        {
            for subject in subjects {
                let tables = self.tables(&window, subject, attachment);
                records.push(Record::Top(Top {
                    window_s: length.as_secs_f64(),
                    ..self.top(at, subject, tables)
                }));
            }
        }
        records
    }

    /// The whole run.
    pub fn finish(
        &mut self,
        clock: &impl Clock,
        attachment: &mut Attachment,
        subjects: &[Subject<'_>],
    ) -> Vec<Record> {
        self.turn(clock, attachment);
        self.survey.list_entries(LAST_LISTING);
        let at = clock.now();
        // Said below, as the last.
        self.take_found(at, subjects);
        let closing = subjects
            .iter()
            .flat_map(|subject| self.closing(at, subject, attachment));
        let mut records: Vec<Record> = closing.collect();
        records.append(&mut self.ended);
        records
    }

    /// A namespace is gone, and its slot is free for another.
    pub fn end(&mut self, at: Instant, subject: &Subject<'_>, attachment: &Attachment) {
        let last = self.closing(at, subject, attachment);
        self.ended.extend(last);
        self.held.remove(&subject.namespace.inode);
        self.owners.remove(&subject.namespace.inode);
        self.stale.push(subject.slot);
        for tally in self.run.iter_mut().flatten() {
            tally.forget(subject.slot);
        }
    }

    /// The whole run, and the entries as they were listed last.
    fn closing(&self, at: Instant, subject: &Subject<'_>, attachment: &Attachment) -> Vec<Record> {
        let counted = self.run.as_ref().map(|run| Top {
            window_s: at.monotonic.saturating_sub(self.began).as_secs_f64(),
            closing: true,
            ..self.top(at, subject, self.tables(run, subject, attachment))
        });
        let held = self.held.get(&subject.namespace.inode).map(|top| Top {
            closing: true,
            ..top.clone()
        });
        counted.into_iter().chain(held).map(Record::Top).collect()
    }

    fn top(&self, at: Instant, subject: &Subject<'_>, tables: Vec<TopTable>) -> Top {
        Top {
            time: Time(at.realtime),
            instance: subject.name.to_owned().into(),
            window_s: 0.0,
            closing: false,
            tables,
            remark: None,
        }
    }

    /// Ends the window and takes in what it counted; gives that, with its end and length.
    fn turn(
        &mut self,
        clock: &impl Clock,
        attachment: &mut Attachment,
    ) -> Option<(Vec<Sketch>, Instant, Duration)> {
        let Some(leaders) = attachment.leaders() else {
            self.window_began = clock.now().monotonic;
            return None;
        };
        let ended = match leaders.rotate() {
            Ok(ended) => ended,
            Err(error) => {
                self.say(format!("leaders are not counted: {error}"));
                return None;
            }
        };
        let at = clock.now();
        sleep(SETTLE);
        let mut window = leaders.maps().read(ended);
        for slot in self.stale.drain(..) {
            for tally in &mut window {
                tally.forget(slot);
            }
        }
        let sets = leaders.shape().sets();
        let run = self
            .run
            .get_or_insert_with(|| (0..TABLES).map(|_| Sketch::new(sets, KEYS)).collect());
        for (run, window) in run.iter_mut().zip(&window) {
            run.add(window);
        }
        let began = std::mem::replace(&mut self.window_began, at.monotonic);
        Some((window, at, at.monotonic.saturating_sub(began)))
    }

    fn tables(
        &self,
        tallies: &[Sketch],
        subject: &Subject<'_>,
        attachment: &Attachment,
    ) -> Vec<TopTable> {
        let coverage = attachment.coverage();
        let counted = |measure| coverage.missing(source(measure)).is_none();
        FlowMeasure::ALL
            .into_iter()
            .filter(|measure| counted(*measure))
            .flat_map(|measure| By::ALL.map(|by| (measure, by)))
            .filter_map(|(measure, by)| {
                let tally = tallies.get(table(measure, by) as usize)?;
                let leaders = tally.heavy_hitters(subject.slot, self.rows);
                Some(self.table(measure_name(measure), GroupBy::Tuple(by), &leaders, subject))
            })
            .collect()
    }

    fn table(
        &self,
        name: &'static str,
        of: GroupBy,
        leaders: &HeavyHitters,
        subject: &Subject<'_>,
    ) -> TopTable {
        let owners = self.owners.get(&subject.namespace.inode);
        let process = |key: &FlowKey| match of {
            GroupBy::Tuple(by) => owners?.get(by, key),
            _ => None,
        };
        tables::table(name, of, leaders, self.leading.prefixes, process)
    }

    /// Has what is watched surveyed.
    fn follow(&mut self, subjects: &[Subject<'_>]) {
        let inodes = subjects.iter().map(|subject| subject.namespace.inode);
        if inodes.clone().eq(self.surveyed.iter().copied()) {
            return;
        }
        self.surveyed = inodes.collect();
        let mut targets = Vec::new();
        for subject in subjects {
            match subject.namespace.try_clone() {
                Ok(namespace) => targets.push(Target {
                    slot: subject.slot,
                    namespace,
                }),
                Err(error) => self.say(format!("{}: {error}", subject.name)),
            }
        }
        self.survey.watch(targets);
    }

    /// Says something once.
    fn say(&mut self, message: String) {
        if !self.said.contains(&message) {
            Notices::default().say(&message);
            self.said.insert(message);
        }
    }

    fn take_found(&mut self, at: Instant, subjects: &[Subject<'_>]) -> Vec<Record> {
        let found: Vec<Found> = self.survey.found().collect();
        let mut records = Vec::new();
        for Found { inode, what } in found {
            let Some(subject) = subjects.iter().find(|s| s.namespace.inode == inode) else {
                continue;
            };
            match what {
                What::Owners(owners) => {
                    self.owners.insert(inode, owners);
                }
                What::Failed(reason) => self.say(format!("{}: {reason}", subject.name)),
                What::Entries { leaders, listing } => {
                    let tables = leaders
                        .iter()
                        .map(|(of, leaders)| self.table(ENTRIES, *of, leaders, subject))
                        .collect();
                    let top = Top {
                        remark: remark(listing).map(Text::fixed),
                        ..self.top(at, subject, tables)
                    };
                    self.held.insert(inode, top.clone());
                    records.push(Record::Top(top));
                }
            }
        }
        records
    }
}

/// How leaders are counted, as it was asked for.
#[must_use]
pub fn leading(args: &TopArgs) -> Option<SketchSettings> {
    args.top.map(|_| SketchSettings {
        prefixes: Prefixes {
            ipv4: args.top_prefix.into(),
            ipv6: args.top_prefix6.into(),
        },
        // A number that nobody outside can know.
        seed: RandomState::new().build_hasher().finish() as u32,
    })
}

/// The counter without which a measure is not counted.
fn source(measure: FlowMeasure) -> Selector {
    Selector::sum(match measure {
        FlowMeasure::New => &[ProbeCounter::AllocCallPacket],
        FlowMeasure::Dropped => &[ProbeCounter::TableFull],
        FlowMeasure::Evicted => &[ProbeCounter::EarlyDrop, ProbeCounter::DeleteList],
    })
}

fn remark(listing: Listing) -> Option<&'static str> {
    match listing {
        Listing::Whole => None,
        Listing::Changed => Some("the table changed while it was listed: entries may be missing"),
        Listing::Partial => Some("the kernel lost a part of the listing: entries are missing"),
    }
}
