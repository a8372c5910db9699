//! The `ctpulse` binary: arguments in, exit status out.

use std::{io, pin::Pin, process::ExitCode};

use clap::{CommandFactory, Parser, error::ErrorKind};
use conntrack_user::{
    cli::{Cli, Command, EventsArgs, LiveArgs, StreamArgs, recordings::RecordArgs},
    clock::SystemClock,
    commands::{
        check, config, doctor, events, generate, live, record, replay, replay_live, report, stream,
        terminal,
    },
    engine::alert_hook,
    output::Nowhere,
    probes::diagnostics,
};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| check::refuse(&error));
    if let Err(problem) = cli.check() {
        // Says so, and ends the program with the status of bad usage.
        Cli::command()
            .error(ErrorKind::ArgumentConflict, problem)
            .exit();
    }
    diagnostics::init(cli.verbose);
    let result = match cli.command {
        None if terminal::is_interactive() => run_live(LiveArgs::default()),
        None => run_stream(StreamArgs::default()),
        Some(Command::Live(args)) => run_live(args),
        Some(Command::Stream(args)) => run_stream(args),
        Some(Command::Events(args)) => run_events(&args),
        Some(Command::Record(args)) => run_record(args),
        Some(Command::Replay(args)) if args.live => {
            until_signalled(async |shutdown| replay_live::run(&args, shutdown).await)
        }
        Some(Command::Replay(args)) => {
            until_signalled(async |shutdown| replay::run(&args, shutdown).await)
        }
        Some(Command::Report(args)) => report::run(&args),
        Some(Command::Generate(args)) => generate::run(&args),
        Some(Command::Check(args)) => return check::run(&args, &SystemClock),
        Some(Command::Doctor(args)) => doctor::run(&args),
        Some(Command::Config(args)) => config::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ctpulse: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run_stream(mut args: StreamArgs) -> io::Result<()> {
    let hook = alert_hook::prepare(&mut args.alerts)?;
    until_signalled(async |shutdown| {
        let mut sink = alert_hook::hooked(stream::sink(&args), hook);
        stream::run(&args, SystemClock, &mut *sink, shutdown).await
    })
}

fn run_live(mut args: LiveArgs) -> io::Result<()> {
    let hook = alert_hook::prepare(&mut args.stream.alerts)?;
    until_signalled(async |shutdown| {
        let mut also = alert_hook::hooked(Box::new(Nowhere), hook);
        live::run(&args, SystemClock, &mut *also, shutdown).await
    })
}

fn run_record(mut args: RecordArgs) -> io::Result<()> {
    let hook = alert_hook::prepare(&mut args.stream.alerts)?;
    until_signalled(async |shutdown| record::run(&args, hook, SystemClock, shutdown).await)
}

fn run_events(args: &EventsArgs) -> io::Result<()> {
    until_signalled(async |shutdown| events::run(args, SystemClock, shutdown).await)
}

/// Runs something that ends cleanly on SIGINT or SIGTERM.
fn until_signalled(
    run: impl AsyncFnOnce(Pin<Box<dyn Future<Output = ()>>>) -> io::Result<()>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let shutdown = Box::pin(async move {
            tokio::select! {
                _ = interrupt.recv() => (),
                _ = terminate.recv() => (),
            }
        });
        run(shutdown).await
    })
}
