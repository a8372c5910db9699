//! The hosts that instances are on: whether their records come, and how far their clocks are off.

use ratatui::text::{Line, Span};

use crate::{
    model::{
        history::time::nanos,
        record::{HostState, HostStatus},
    },
    output::{
        format::duration,
        live::{app::App, theme::Theme},
    },
    text::Text,
};

/// The host of the shown instance in the header, and whether that must not be left out; `None` on this host.
pub(super) fn shown(app: &App) -> Option<(bool, Span<'static>)> {
    let host = app.history.host_of(app.instance_name()?)?;
    if host.state == HostState::Lost {
        let text = format!(" LOST since {} ", since(app, host));
        return Some((true, Span::styled(text, app.theme.alarm())));
    }
    let mut parts = Vec::new();
    if let Some(hello) = &host.hello {
        parts.push(hello.hostname.to_string());
    }
    if host.state != HostState::Connected {
        parts.push(host.state.name().to_owned());
    }
    parts.extend(
        host.clock_ahead_ms
            .map(|ms| format!("clock {}", signed(ms))),
    );
    let text = parts.join(" ");
    Some((false, Span::styled(text, app.theme.strong())))
}

/// What an instance on a host whose records do not come has in the place of its check.
pub(super) fn instead_of_check(app: &App, instance: &Text) -> Option<Span<'static>> {
    let host = app.history.host_of(instance)?;
    let style = style(app.theme, host.state)?;
    Some(Span::styled(host.state.name(), style))
}

/// The hosts whose records do not come, and why.
pub(super) fn missing(app: &App) -> Vec<Line<'static>> {
    let missing = app.history.hosts().filter_map(|host| {
        let style = style(app.theme, host.state)?;
        let reason = host.reason.as_ref();
        let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        let (name, state) = (&host.name, host.state.name());
        let text = format!("! host {name} {state} since {}{reason}", since(app, host));
        Some(Line::styled(text, style))
    });
    missing.collect()
}

/// All hosts, with what is known of each.
pub(super) fn all(app: &App) -> Vec<String> {
    let of_one = |host: &HostStatus| {
        let mut parts = vec![format!("host {}: {}", host.name, host.state.name())];
        parts.push(format!("from {}", host.source));
        if let Some(hello) = &host.hello {
            parts.push(format!("{}, kernel {}", hello.hostname, hello.kernel));
            parts.push(format!("ctpulse {}", hello.version));
        }
        parts.extend(
            host.clock_ahead_ms
                .map(|ms| format!("clock {}", signed(ms))),
        );
        parts.join(", ")
    };
    app.history.hosts().map(of_one).collect()
}

fn style(theme: Theme, state: HostState) -> Option<ratatui::style::Style> {
    match state {
        HostState::Connected | HostState::Ended => None,
        HostState::Connecting => Some(theme.muted()),
        HostState::Lost | HostState::Refused => Some(theme.alarm()),
    }
}

fn since(app: &App, host: &HostStatus) -> String {
    app.clock(nanos(host.since), 0)
}

/// How far a clock is ahead, with its sign.
fn signed(milliseconds: f64) -> String {
    let sign = if milliseconds < 0.0 { '-' } else { '+' };
    format!("{sign}{}", duration::exact(milliseconds.abs() / 1e3))
}
