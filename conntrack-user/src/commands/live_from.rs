//! `ctpulse live --from`: the records of other hosts in the live view.

use crate::{
    cli::{LiveArgs, StreamArgs},
    clock::SystemClock,
    commands::{
        Failure, configuration,
        from::{self, Followed},
        live::{Feed, LAST_WRITE, show, summarise},
        look::Look,
        screen::{Screen, is_interactive, restore},
        stream,
    },
    engine::{diagnostics::Diagnostics, drive::until_signalled, outlet::Outlet},
    output::live::Input,
    remote::Source,
};

/// Other hosts.
struct Others {
    followed: Followed,
    diagnostics: Diagnostics,
    /// Whether what has ended stays on the screen.
    stays: bool,
}

impl Feed for Others {
    async fn ready(&mut self) {
        if self.followed.is_over() {
            // Until a key is pressed.
            std::future::pending::<()>().await;
        }
        self.followed.ready().await;
    }

    fn is_over(&self) -> bool {
        !self.stays && self.followed.is_over()
    }

    fn read(&mut self) -> Result<Vec<Input>, Failure> {
        let records = self.followed.take().into_iter();
        let mut inputs: Vec<Input> = records.map(Input::Record).collect();
        let diagnostics = self.diagnostics.take().into_iter();
        inputs.extend(diagnostics.map(|line| Input::Diagnostic(line.into())));
        Ok(inputs)
    }
}

/// Shows other hosts live until the user quits, a signal comes, or they have ended; what comes from files stays.
pub(super) fn run(args: &LiveArgs, diagnostics: &Diagnostics) -> Result<(), Failure> {
    let config = configuration(args.stream.alerts.config.as_deref())?;
    if !is_interactive() {
        return Err(Failure::NoTerminal {
            without: "`ctpulse stream` does without",
        });
    }
    let look = Look {
        ascii: args.ascii,
        theme: args.theme,
        mouse: args.mouse,
    };
    let from = &args.stream.from;
    let settings = from::settings(&StreamArgs {
        buckets: true,
        ..args.shown()
    })?;
    // Servers may be started again, and files are looked at.
    let stays = args.stream.duration.is_none() && !from.from.iter().all(Source::is_started);
    until_signalled(SystemClock, diagnostics, restore, async |shutdown| {
        let mut app = look.app(&config.live);
        let mouse = look.mouse(&config.live);
        let hook = args.settings(config).hook;
        let mut others = Others {
            followed: Followed::start(settings, hook, diagnostics)?,
            diagnostics: diagnostics.clone(),
            stays,
        };
        let outlet = Outlet::stdout()?;
        diagnostics.keep();
        let screen = Screen::enter(outlet.clone(), mouse).map_err(Failure::Output)?;
        let shown = show(&mut app, &mut others, screen, shutdown.clone(), diagnostics).await;
        diagnostics.release();
        shown?;
        shutdown.waits_for("the last records of other hosts");
        let last = others.followed.finish(&shutdown).await;
        let mut text = stream::sink(&args.shown(), outlet.clone());
        summarise(&last, &mut *text).map_err(Failure::Output)?;
        let written = outlet.drained_within(LAST_WRITE).await;
        written.map_err(Failure::Output)?;
        others.followed.end(&shutdown)
    })?
}
