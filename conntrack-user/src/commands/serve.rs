//! `ctpulse serve`.

use std::{
    io::{self, IsTerminal},
    sync::Arc,
    time::Duration,
};

use crate::{
    cli::{CompatArg, ServeArgs},
    clock::SystemClock,
    commands::{Failure, configuration, stream::ProbesOff},
    engine::{
        diagnostics::Diagnostics,
        drive::{to_end, until_signalled},
        run::Run,
        settings::{RunSettings, Target},
        signals,
    },
    event_log::{EventLog, EventTarget},
    output::metrics::{NODE_STATISTICS, NodeColumns, OwnUse},
    remote_write::RemoteWriter,
    server::{Besides, Server, ServerSettings, TlsFiles},
    source::{
        own_usage,
        proc_files::ProcFiles,
        proc_fs::{PROC, ProcRoot},
    },
};

/// How long the run may go without a tick, beyond its interval, before it counts as stuck.
const SLOW_TICK: Duration = Duration::from_secs(15);

/// Serves until a signal comes or the duration is over.
pub(super) fn run(args: &ServeArgs, diagnostics: &Diagnostics) -> Result<(), Failure> {
    let config = configuration(args.stream.alerts.config.as_deref())?;
    let settings = args.settings(config);
    let sending = args.remote_write.settings();
    let server_settings = ServerSettings {
        listen: args.listen,
        longest_tick: settings.interval.saturating_add(SLOW_TICK),
        tls: args.tls().map(|(certificate, key)| TlsFiles {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            client_ca: args.client_ca.clone(),
        }),
        token_file: args.token_file.clone(),
    };
    let mut node = args
        .compat
        .map(|CompatArg::NodeExporter| own_files(&settings));
    let events_to = args.events_to();
    let reopen = match events_to.as_ref().and_then(EventTarget::file) {
        Some(_) if !has_terminal(diagnostics) => signals::on_hangup()?,
        _ => Arc::default(),
    };
    let mut probes_off = ProbesOff::new(settings.wants_probes());
    until_signalled(
        SystemClock,
        diagnostics,
        || {},
        async |shutdown| {
            let server = Server::start(server_settings, SystemClock, diagnostics.clone())?;
            let events = events_to
                .map(|target| EventLog::start(&target, reopen, diagnostics.clone()))
                .transpose()?;
            let mut writer = sending
                .map(|sending| {
                    let (hostname, to) = (hostname(), diagnostics.clone());
                    RemoteWriter::start(&sending, &hostname, SystemClock, to)
                })
                .transpose()?;
            diagnostics.notify(format_args!("serving {}", server.url()));
            let (run, start) = Run::start(settings, SystemClock, diagnostics.clone())?;
            server.ready();
            let ended = to_end(run, start, None, shutdown, |records| {
                probes_off.look_for(&records, diagnostics);
                if let Some(events) = &events {
                    events.take(&records);
                }
                if let Some(writer) = &mut writer {
                    writer.take(&records);
                }
                let usage = own_usage::read(&SystemClock);
                let besides = Besides {
                    own: Some(OwnUse {
                        cpu: usage.cpu,
                        memory: usage.memory,
                    }),
                    remote_write: writer.as_ref().map(RemoteWriter::metrics),
                    node: node.as_mut().map(node_columns),
                };
                server.publish(&records, besides);
                Ok(())
            })
            .await;
            // All at once: a signal leaves less than a second for it.
            if let Some(events) = events {
                events.end();
            }
            let sent = async {
                if let Some(writer) = writer {
                    writer.end().await;
                }
            };
            tokio::join!(sent, server.end());
            Ok(ended?)
        },
    )?
}

/// Whether a terminal started it, whose end is what SIGHUP means then.
fn has_terminal(diagnostics: &Diagnostics) -> bool {
    io::stdin().is_terminal() || diagnostics.is_terminal()
}

/// This host's name.
fn hostname() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// The files of the network namespace that ctpulse itself runs in, or of the directory.
fn own_files(settings: &RunSettings) -> ProcFiles {
    let root = match &settings.target {
        Target::Namespaces { .. } => ProcRoot::new(PROC),
        Target::ProcRoot(root) => ProcRoot::new(root),
    };
    let mut files = ProcFiles::new(root);
    files.keep_open();
    files
}

/// The kernel's own values. What cannot be read is absent; why is said of the instance.
fn node_columns(files: &mut ProcFiles) -> NodeColumns {
    let kernel = files.read().kernel;
    NodeColumns {
        entries: kernel.entries(),
        limit: kernel.max,
        columns: NODE_STATISTICS.map(|(column, _)| kernel.stat.as_ref()?.sum(column)),
    }
}
