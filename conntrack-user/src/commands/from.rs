//! `--from`: the records of other hosts on their way to a sink.

use std::{collections::HashMap, env, io, path::Path, time::Duration};

use crate::{
    cli::StreamArgs,
    clock::SystemClock,
    commands::Failure,
    engine::{
        diagnostics::Diagnostics,
        drive::written,
        hook::{self, AlertHook},
        outlet::Outlet,
        settings::HookSettings,
        signals::Shutdown,
    },
    files,
    model::record::{InstanceVerdict, Record},
    remote::{HttpSettings, RemoteRun, RemoteSettings, Token},
    text::Text,
};

/// The variable that has the secret for servers.
const TOKEN: &str = "CTPULSE_TOKEN";

/// The longest file with a secret.
const TOKEN_BYTES: u64 = 16 << 10;

/// How long the hosts' ends are waited for, and after a signal.
const PATIENCE: Duration = Duration::from_secs(5);
const PATIENCE_INTERRUPTED: Duration = Duration::from_millis(500);

/// The settings of a run that is fed by other hosts, which measure what a stream with these options would.
pub(super) fn settings(measured: &StreamArgs) -> Result<RemoteSettings, Failure> {
    let StreamArgs { from, duration, .. } = measured;
    Ok(RemoteSettings {
        sources: from.from.clone(),
        duration: *duration,
        ssh: from.ssh_settings(measured),
        http: HttpSettings {
            token: token(from.from_token_file.as_deref())?,
            authorities: from.ca.clone(),
            buckets: measured.buckets,
        },
    })
}

/// The secret for servers, if there is one.
fn token(file: Option<&Path>) -> Result<Option<Token>, Failure> {
    let (text, origin) = match (file, env::var(TOKEN)) {
        (Some(file), _) => {
            let bytes =
                files::read_or_wait(file, TOKEN_BYTES).map_err(|e| Failure::file(file, e))?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            (text, file.display().to_string())
        }
        (None, Ok(text)) if !text.is_empty() => (text, TOKEN.to_owned()),
        (None, _) => return Ok(None),
    };
    let token = Token::new(&text).ok_or(Failure::NoToken { origin })?;
    Ok(Some(token))
}

/// A run, and the command that its alerts start.
pub(super) struct Followed {
    run: RemoteRun<SystemClock>,
    hook: Option<AlertHook>,
    /// For the command.
    verdicts: HashMap<Text, InstanceVerdict>,
}

impl Followed {
    pub(super) fn start(
        settings: RemoteSettings,
        hook: Option<HookSettings>,
        diagnostics: &Diagnostics,
    ) -> Result<Self, Failure> {
        // Nothing is attached here, so that there are no privileges to give up; those of other hosts are theirs.
        let unprivileged = false;
        let hook = hook.map(|hook| AlertHook::start(hook, unprivileged, diagnostics.clone()));
        Ok(Self {
            run: RemoteRun::start(settings, SystemClock, diagnostics.clone())?,
            hook: hook.transpose()?,
            verdicts: HashMap::new(),
        })
    }

    pub(super) fn is_over(&self) -> bool {
        self.run.is_over()
    }

    /// Waits until there may be records.
    pub(super) async fn ready(&mut self) {
        self.run.ready().await;
    }

    /// The records that have come.
    pub(super) fn take(&mut self) -> Vec<Record> {
        let records = self.run.take();
        self.notify(&records);
        records
    }

    /// The last records, and the summary.
    pub(super) async fn finish(&mut self, shutdown: &Shutdown) -> Vec<Record> {
        let patience = match shutdown.is_requested() {
            true => PATIENCE_INTERRUPTED,
            false => PATIENCE,
        };
        let mut ending = shutdown.clone();
        let interrupted = async {
            if patience == PATIENCE {
                ending.requested().await;
                tokio::time::sleep(PATIENCE_INTERRUPTED).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        let records = self.run.finish(patience, interrupted).await;
        self.notify(&records);
        records
    }

    /// Waits for the commands that alerts have started, and says whether all hosts could be used.
    pub(super) fn end(self, shutdown: &Shutdown) -> Result<(), Failure> {
        let Self { run, hook, .. } = self;
        if let Some(hook) = hook {
            shutdown.during(&SystemClock, hook::LAST_WAIT, || drop(hook));
        }
        Ok(run.outcome()?)
    }

    fn notify(&mut self, records: &[Record]) {
        let Some(hook) = &mut self.hook else {
            return;
        };
        for record in records {
            match record {
                Record::Hello(hello) => {
                    let listed = |name: &Text| hello.instances.iter().any(|i| i.name == *name);
                    self.verdicts.retain(|name, _| listed(name));
                }
                Record::Verdict(verdict) => {
                    let (name, verdict) = (verdict.instance.clone(), (**verdict).clone());
                    self.verdicts.insert(name, verdict);
                }
                Record::Alert(alert) => hook.notify(alert, self.verdicts.get(&alert.instance)),
                _ => {}
            }
        }
    }
}

/// Passes records on until the hosts have ended, the time is over or a shutdown is requested. The outlet is drained in between: a
/// slow reader delays the hosts, and memory does not grow.
pub(super) async fn to_end(
    mut followed: Followed,
    outlet: Option<&Outlet>,
    mut shutdown: Shutdown,
    mut deliver: impl FnMut(Vec<Record>) -> io::Result<()>,
) -> Result<(), Failure> {
    shutdown.waits_for("the last records of other hosts");
    while !followed.is_over() {
        let ready = async {
            if let Some(outlet) = outlet {
                outlet.drained().await?;
            }
            followed.ready().await;
            Ok::<_, io::Error>(())
        };
        tokio::select! {
            () = shutdown.requested() => break,
            ready = ready => ready.map_err(Failure::Output)?,
        }
        deliver(followed.take()).map_err(Failure::Output)?;
    }
    deliver(followed.finish(&shutdown).await).map_err(Failure::Output)?;
    if let Some(outlet) = outlet {
        written(outlet, &mut shutdown)
            .await
            .map_err(Failure::Output)?;
    }
    followed.end(&shutdown)
}
