//! The top line: host, probes, verdict, and overhead.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use crate::{
    model::{history::instance::InstanceHistory, overhead::Overhead, record::Verdict},
    output::{
        format::number::{UNAVAILABLE, compact, percent},
        live::{
            app::App,
            panels::{hosts, pieces},
            theme::Theme,
        },
    },
    text::Text,
};

pub(super) fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let theme = app.theme;
    let verdict = app.instance().and_then(InstanceHistory::verdict);
    let wrong = verdict.is_some_and(Verdict::is_bad);
    let rest = if wrong && area.width < 60 {
        area
    } else {
        pieces::at_right(buffer, area, &right(app, area.width))
    };
    let Some(hello) = app.hello() else {
        pieces::line(buffer, rest, &Line::styled("ctpulse", theme.title()));
        return;
    };
    let name = app
        .instance_name()
        .map_or_else(|| "self".to_owned(), Text::to_string);
    let probes = if hello.probes.is_attached() {
        let mixed = if hello.probes.by_kprobe.is_empty() {
            ""
        } else {
            "+kprobe"
        };
        Span::raw(format!(
            "{}{mixed}/{}",
            hello.probes.mode, hello.probes.group
        ))
    } else {
        Span::styled("probes off", theme.warning())
    };
    let several = app.history.names().len() > 1;
    let host = match hosts::shown(app) {
        Some((true, lost)) => (6, lost),
        Some((false, host)) => (3, host),
        None => (3, Span::styled(hello.hostname.to_string(), theme.strong())),
    };
    // Each with its priority: the lowest is left out first.
    let parts = [
        (1, Span::styled("ctpulse", theme.title())),
        host,
        (0, Span::styled(hello.kernel.to_string(), theme.muted())),
        // Of several, it must be known which one is shown.
        (if several { 6 } else { 2 }, instance(app, &name)),
        (4, probes),
        (
            5,
            Span::styled(check(theme, verdict), theme.verdict(verdict)),
        ),
    ];
    let mut least = 0;
    let fitting = loop {
        let kept: Vec<&Span<'_>> = parts
            .iter()
            .filter(|(rank, part)| *rank >= least && !part.content.is_empty())
            .map(|(_, part)| part)
            .collect();
        let width = kept.iter().map(|part| part.width() + 1).sum::<usize>();
        if width <= usize::from(rest.width) + 1 || least == 5 {
            break kept;
        }
        least += 1;
    };
    let mut line = Line::default();
    for part in fitting {
        if line.width() > 0 {
            line.push_span(Span::raw(" "));
        }
        line.push_span(part.clone());
    }
    pieces::line(buffer, rest, &line);
}

fn instance(app: &App, name: &str) -> Span<'static> {
    let count = app.history.names().len();
    if count > 1 {
        Span::styled(format!("netns {name} (of {count})"), app.theme.strong())
    } else {
        Span::raw(format!("netns {name}"))
    }
}

fn check(theme: Theme, verdict: Option<Verdict>) -> String {
    let mark = if theme.is_ascii() { "ok" } else { "✓" };
    match verdict {
        None => format!("check {UNAVAILABLE}"),
        Some(Verdict::NotComparable) => "not comparable".to_owned(),
        Some(Verdict::Exact) => format!("{mark} exact"),
        Some(Verdict::WithinBracket) => format!("{mark} within"),
        Some(Verdict::Undercount) => " UNDERCOUNT! ".to_owned(),
        Some(Verdict::Mismatch) => " WRONG! ".to_owned(),
    }
}

/// The overhead and the time; shorter on a narrow terminal.
fn right(app: &App, width: u16) -> Line<'static> {
    let theme = app.theme;
    let mut line = Line::default();
    if let Some(Overhead {
        cpu_percent,
        memory,
    }) = app.overhead
        && width >= 70
    {
        let memory = memory.map_or_else(|| UNAVAILABLE.to_owned(), |bytes| compact(bytes as f64));
        let whose = if width >= 100 { "ctpulse uses" } else { "own" };
        let text = format!(" {whose} {} CPU {memory}B ", percent(cpu_percent));
        line.push_span(Span::styled(text, theme.muted()));
    }
    if width < 30 {
        return line;
    }
    let time = app.end();
    if app.view.at.is_some() {
        let text = format!(" PAUSED {} ", app.clock(time, 3));
        line.push_span(Span::styled(text, theme.chosen()));
    } else if app.history.summary().is_some() {
        line.push_span(Span::styled(" END ", theme.chosen()));
    } else if app.history.last().is_some() {
        line.push_span(Span::styled(
            format!(" {}", app.clock(time, 0)),
            theme.strong(),
        ));
        if width >= 100 || app.view.local_time {
            let zone = format!(" {}", app.zone_name());
            line.push_span(Span::styled(zone, theme.muted()));
        }
    }
    line
}
