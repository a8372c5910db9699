//! A run that is fed by other hosts: its start, its records, its end.

use std::time::Duration;

use tokio::{
    sync::{mpsc, watch},
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};

use crate::{
    client::Authorities,
    clock::Clock,
    engine::{
        diagnostics::Diagnostics,
        worker::{self, Holds},
    },
    model::{
        fleet::{Fleet, HostNews, StateOfHost},
        record::{HostState, Record},
        verdict::Completion,
    },
    remote::{
        RemoteError, RemoteSettings,
        address::SourcePlace,
        decode::{DecodeError, Decoded, decode},
        feed::{HostEvent, HostFeed, Patience},
        file::FileSource,
        http::HttpSource,
        lines::LineBatch,
        specs::specs,
        ssh::SshSource,
        task::{HostConnection, follow},
    },
};

/// What may wait to be taken, in pieces of up to 64 KiB or a line.
const WAITING: usize = 4;

/// The most records that are taken at once, so that others have their turn in between.
const AT_ONCE: usize = 500;

/// What a source without a hello is not.
const NO_HELLO: &str =
    "there is no hello in it: is it a recording, or what `ctpulse stream --format json` writes?";

/// After a longer pause, it is not the hosts that were silent.
const PAUSE: Duration = Duration::from_secs(1);

/// A run that is fed by other hosts.
pub struct RemoteRun<C> {
    clock: C,
    fleet: Fleet,
    hosts: Vec<RemoteHost>,
    events: mpsc::Receiver<(usize, HostEvent)>,
    /// What [`Self::ready`] has waited for.
    pending: Option<(usize, HostEvent)>,
    tasks: JoinSet<()>,
    ending: watch::Sender<bool>,
    /// The end of the run, by the monotonic clock.
    until: Option<Duration>,
    /// When records were last taken.
    taken: Duration,
    diagnostics: Diagnostics,
}

/// A source, and what could not be used of it.
struct RemoteHost {
    /// Reads by a connection; `None` of a file.
    task: Option<AbortHandle>,
    patience: Patience,
    /// Makes the verdicts that an old recording lacks; `None` for what is no file.
    completion: Option<Completion>,
    too_long: u64,
    malformed: u64,
    unknown: u64,
}

impl<C: Clock + Clone + Send + Sync + 'static> RemoteRun<C> {
    /// Opens the files, and starts to connect.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, a thread cannot be started, or there are too many sources.
    pub fn start(
        settings: RemoteSettings,
        clock: C,
        diagnostics: Diagnostics,
    ) -> Result<Self, RemoteError> {
        let start = clock.now();
        let (sender, events) = mpsc::channel(WAITING);
        let (ending, is_ending) = watch::channel(false);
        let specs = specs(&settings.sources)?;
        let tls = tls(&settings)?;
        let mut tasks = JoinSet::new();
        let mut hosts = Vec::new();
        for (host, source) in settings.sources.iter().enumerate() {
            let patience = Patience::new();
            let feed = HostFeed {
                host,
                events: sender.clone(),
                ending: is_ending.clone(),
                patience: patience.clone(),
                clock: clock.clone(),
            };
            let mut follow = |connection| Some(tasks.spawn(follow(connection, feed.clone())));
            let (task, completion) = match &source.place {
                SourcePlace::Http(address) => {
                    let http = HttpSource {
                        tls: match address.tls {
                            true => tls.clone(),
                            false => None,
                        },
                        address: address.clone(),
                        settings: settings.http.clone(),
                    };
                    (follow(HostConnection::Http(http)), None)
                }
                SourcePlace::Ssh(host) => {
                    let ssh = SshSource {
                        host: host.clone(),
                        settings: settings.ssh.clone(),
                    };
                    (follow(HostConnection::Ssh(ssh)), None)
                }
                SourcePlace::File(path) => {
                    let file = FileSource::Path(path.clone());
                    read(file, feed)?;
                    (None, Some(Completion::default()))
                }
                SourcePlace::Stdin => {
                    read(FileSource::Stdin, feed)?;
                    (None, Some(Completion::default()))
                }
            };
            hosts.push(RemoteHost {
                task,
                patience,
                completion,
                too_long: 0,
                malformed: 0,
                unknown: 0,
            });
        }
        Ok(Self {
            fleet: Fleet::new(specs, start),
            hosts,
            events,
            pending: None,
            tasks,
            ending,
            until: settings
                .duration
                .map(|lasts| start.monotonic.saturating_add(lasts)),
            taken: start.monotonic,
            diagnostics,
            clock,
        })
    }

    /// Whether the run is over: its time, or all that its hosts have.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let now = self.clock.now().monotonic;
        let nothing_waits = self.pending.is_none() && self.events.is_empty();
        self.until.is_some_and(|until| now >= until) || self.fleet.is_over() && nothing_waits
    }

    /// Waits until there may be records to take, or the run is over.
    pub async fn ready(&mut self) {
        if self.pending.is_some() || self.is_over() {
            return;
        }
        let now = self.clock.now().monotonic;
        let left = self.until.map(|until| until.saturating_sub(now));
        let wait = [self.fleet.wait(), left].into_iter().flatten().min();
        tokio::select! {
            event = self.events.recv() => self.pending = event,
            () = sleep(wait.unwrap_or(PAUSE)) => {}
        }
    }

    /// The records that have come, without waiting for any.
    pub fn take(&mut self) -> Vec<Record> {
        let mut records = Vec::new();
        while records.len() < AT_ONCE
            && let Some((host, event)) = self.next_event()
        {
            self.handle(host, event, &mut records);
        }
        let now = self.clock.now();
        if now.monotonic.saturating_sub(self.taken) > PAUSE {
            // It was this run that did not listen.
            self.fleet.resume(now);
        }
        self.taken = now.monotonic;
        if records.len() < AT_ONCE {
            records.extend(self.fleet.tick(now));
        }
        self.pass_notes();
        records
    }

    /// Ends the run: asks the hosts for their ends, and waits so long for them, or until it is `interrupted`. Returns their last
    /// records, and the summary.
    pub async fn finish(
        &mut self,
        patience: Duration,
        interrupted: impl Future<Output = ()>,
    ) -> Vec<Record> {
        self.ending.send_replace(true);
        let mut records = Vec::new();
        let ended = async {
            // Files need not be waited for.
            while !self.tasks.is_empty() {
                tokio::select! {
                    event = self.events.recv(), if self.pending.is_none() => self.pending = event,
                    _ = self.tasks.join_next() => {}
                }
                while let Some((host, event)) = self.next_event() {
                    self.handle(host, event, &mut records);
                }
            }
        };
        let in_time = tokio::select! {
            ended = timeout(patience, ended) => ended.is_ok(),
            () = interrupted => false,
        };
        if !in_time {
            self.diagnostics
                .notify("some hosts did not end in time; their summaries are missing");
        }
        self.tasks.abort_all();
        records.extend(self.fleet.finish());
        self.pass_notes();
        self.count_unused();
        records
    }

    /// Whether all sources could be used.
    ///
    /// # Errors
    ///
    /// [`RemoteError::Refused`] with the first that could not.
    pub fn outcome(&self) -> Result<(), RemoteError> {
        let mut states = self.fleet.states();
        let refused = states.find(|host| host.state == HostState::Refused);
        match refused {
            None => Ok(()),
            Some(StateOfHost { name, reason, .. }) => {
                let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
                Err(RemoteError::Refused(format!(
                    "{name} could not be used{reason}"
                )))
            }
        }
    }

    /// The state of each host, and why it is in it.
    pub fn states(&self) -> impl Iterator<Item = StateOfHost<'_>> {
        self.fleet.states()
    }

    fn next_event(&mut self) -> Option<(usize, HostEvent)> {
        self.pending.take().or_else(|| self.events.try_recv().ok())
    }

    fn handle(&mut self, host: usize, event: HostEvent, records: &mut Vec<Record>) {
        let news = match event {
            HostEvent::Lines(lines, at) => {
                self.lines(host, &lines, at, records);
                return;
            }
            HostEvent::Note(note) => {
                let name = self.fleet.name(host);
                self.diagnostics.notify(format_args!("{name}: {note}"));
                return;
            }
            HostEvent::Lost(reason) => HostNews::Lost(reason),
            HostEvent::Ended => {
                let last = self.hosts[host].completion.as_mut();
                let made = last.map_or_else(Vec::new, |completion| completion.before(None));
                for record in made {
                    let news = HostNews::Record(Box::new(record));
                    records.extend(self.fleet.take(host, news, self.clock.now()));
                }
                // A run that is ended by the user has not waited for it.
                if self.fleet.has_hello(host) || *self.ending.borrow() {
                    HostNews::Ended
                } else {
                    HostNews::Refused(NO_HELLO.into())
                }
            }
            HostEvent::Refused(reason) => HostNews::Refused(reason),
        };
        records.extend(self.fleet.take(host, news, self.clock.now()));
    }

    fn lines(
        &mut self,
        host: usize,
        lines: &LineBatch,
        at: crate::clock::Instant,
        records: &mut Vec<Record>,
    ) {
        self.hosts[host].too_long += lines.too_long;
        for line in lines.iter() {
            match decode(line) {
                Ok(Decoded::Record(record)) => {
                    let is_hello = matches!(*record, Record::Hello(_));
                    let completion = self.hosts[host].completion.as_mut();
                    let made = completion.map_or_else(Vec::new, |c| c.before(Some(&record)));
                    let made = made.into_iter().map(Box::new);
                    for record in made.chain([record]) {
                        records.extend(self.fleet.take(host, HostNews::Record(record), at));
                    }
                    if is_hello {
                        self.hosts[host].patience.set(self.fleet.patience(host));
                    }
                }
                Ok(Decoded::UnknownType) => self.hosts[host].unknown += 1,
                Err(DecodeError::Malformed { .. }) if self.hosts[host].malformed > 0 => {
                    self.hosts[host].malformed += 1;
                }
                Err(error @ DecodeError::Malformed { .. }) => {
                    self.hosts[host].malformed += 1;
                    let name = self.fleet.name(host);
                    self.diagnostics.notify(format_args!("{name}: {error}"));
                }
                Err(error @ DecodeError::Newer { .. }) => {
                    if let Some(task) = &self.hosts[host].task {
                        task.abort();
                    }
                    let news = HostNews::Refused(error.to_string().into());
                    records.extend(self.fleet.take(host, news, at));
                    return;
                }
            }
        }
    }

    fn pass_notes(&mut self) {
        for note in self.fleet.take_notes() {
            self.diagnostics.notify(note);
        }
    }

    /// Tells at the end what could not be used.
    fn count_unused(&self) {
        for (host, unused) in self.hosts.iter().enumerate() {
            let name = self.fleet.name(host);
            for (count, what) in [
                (unused.too_long, "lines were too long"),
                (unused.malformed, "lines were no records"),
                (
                    unused.unknown,
                    "records were of types that this version does not know",
                ),
            ] {
                if count > 0 {
                    self.diagnostics
                        .notify(format_args!("{name}: {count} {what}"));
                }
            }
        }
    }
}

/// For the servers by https, if there are any.
fn tls(settings: &RemoteSettings) -> Result<Option<Authorities>, RemoteError> {
    let mut sources = settings.sources.iter();
    let any = sources.any(|source| matches!(&source.place, SourcePlace::Http(http) if http.tls));
    let authorities = settings.http.authorities.as_deref();
    let trusted = any.then(|| Authorities::of(authorities));
    Ok(trusted.transpose()?)
}

/// Reads a file in a thread.
fn read<C: Clock + Send + 'static>(file: FileSource, feed: HostFeed<C>) -> Result<(), RemoteError> {
    // It opens the file, which may be another user's.
    let holds = Holds::AsStarter;
    worker::start_holding(holds, "reader", "reads records", move || file.read(&feed))?;
    Ok(())
}
