//! Messages below the gauge, such as wrong counts or a namespace without tracking.

use ratatui::{buffer::Buffer, layout::Rect, text::Line};

use crate::{
    model::{
        alert::{ALERTS, AlertId},
        history::instance::{Disagreement, InstanceHistory},
        kernel::counters::Counter,
        record::{Sample, Verdict, derived::Judgement},
    },
    output::{
        checks::explanation,
        format::{
            duration,
            number::{UNAVAILABLE, compact},
        },
        live::{
            app::App,
            panels::{hosts, pieces, popup},
        },
    },
    text::Text,
};

/// The widest line of the popup.
const WIDEST: usize = 100;

/// The messages, the most severe first.
pub(super) fn lines(app: &App) -> Vec<Line<'static>> {
    // Also those of instances that are not shown.
    let mut lines: Vec<Line<'static>> = app
        .history
        .instances()
        .filter_map(|(name, instance)| {
            let known = wrong(app, name, instance);
            known.or_else(|| Some(disagreement(app, name, &instance.disagreement()?)))
        })
        .collect();
    lines.extend(hosts::missing(app));
    let theme = app.theme;
    // Of the moment that is shown. The gauge shows the alert on the table's utilization.
    let point = app.instance().and_then(|i| i.at(app.end()));
    for (spec, raised) in ALERTS
        .iter()
        .zip(point.iter().flat_map(|point| point.raised))
    {
        if let Some((status, value)) = raised.filter(|_| spec.id != AlertId::Full) {
            let value = value.map_or_else(|| UNAVAILABLE.to_owned(), compact);
            let text = format!("! {status} {} {value} {}", spec.name, spec.unit);
            lines.push(Line::styled(text, theme.status(status)));
        }
    }
    let Some(sample) = app.instance().and_then(InstanceHistory::latest) else {
        return lines;
    };
    let shown = app.instance_name();
    let absent = shown.and_then(|name| hosts::instead_of_check(app, name));
    if sample.entries.is_none() && absent.is_none() {
        let text = "! no nf_conntrack here: waiting for it to be loaded";
        lines.push(Line::styled(text, theme.warning()));
    }
    if sample.has_lost_buckets() {
        let text = format!(
            "! {} of buckets were overwritten before they could be read: peaks there are unknown",
            duration::whole_millis(sample.buckets_lost_ms)
        );
        lines.push(Line::styled(text, theme.warning()));
    }
    if let Some(why) = sample
        .buckets_unavailable
        .as_ref()
        .filter(|_| absent.is_none())
    {
        let text = format!("no peaks and bursts: {why}");
        lines.push(Line::styled(text, theme.muted()));
    }
    lines
}

/// Draws all messages in a popup, with everything that is unavailable.
pub(super) fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let width = usize::from(area.width.saturating_sub(4)).min(WIDEST);
    let mut text: Vec<Line<'_>> = lines(app)
        .iter()
        .flat_map(|line| pieces::wrapped(line.to_string().trim(), width, line.style))
        .collect();
    for line in unavailable(app) {
        text.extend(pieces::wrapped(&line, width, app.theme.muted()));
    }
    if text.is_empty() {
        text.push(Line::styled("no messages", app.theme.muted()));
    }
    popup::draw(app, area, buffer, "Messages", &text);
}

/// Alerts that are not evaluated, counters that are not counted and events that are not seen, with reasons.
fn unavailable(app: &App) -> Vec<String> {
    let mut lines = hosts::all(app);
    if let Some(hello) = app.hello() {
        for group in hello.unavailable_by_reason() {
            let names = group.names.join(", ");
            lines.push(format!("{UNAVAILABLE} {names}: {}", group.reason));
        }
    }
    let sample = app.instance().and_then(InstanceHistory::latest);
    if let Some(sample) = sample {
        lines.extend(full_alert(sample));
        for (name, why) in &sample.alerts_unavailable.0 {
            lines.push(format!("{UNAVAILABLE} {name}: {why}"));
        }
    }
    if let Some(hello) = app.hello().filter(|h| h.probes.is_attached()) {
        for unseen in hello.unseen_events() {
            let kinds = unseen.kinds.join(", ");
            lines.push(format!("{UNAVAILABLE} events {kinds}: {}", unseen.reason));
        }
    }
    lines
}

/// Why the alert on the table's utilization is not evaluated, if the sample's reasons do not include it.
fn full_alert(sample: &Sample) -> Option<String> {
    let name = AlertId::Full.spec().name;
    match sample.judgement(AlertId::Full) {
        Judgement::NotJudged(why) if sample.alerts_unavailable.get(name).is_none() => {
            Some(format!("{UNAVAILABLE} {name}: {why}"))
        }
        _ => None,
    }
}

/// The line of the counters that are wrong at the end of the window, or now.
fn wrong(app: &App, name: &Text, instance: &InstanceHistory) -> Option<Line<'static>> {
    let latest = instance.latest().into_iter();
    let latest = latest.flat_map(|sample| sample.wrong.iter()).collect();
    let shown = match app.view.at {
        Some(at) => instance.wrong_at(at),
        None => Vec::new(),
    };
    let counters: Vec<(Counter, &Text)> = if shown.is_empty() { latest } else { shown };
    let names: Vec<&str> = counters.iter().map(|(c, _)| c.spec().name).collect();
    let reasons = match counters.as_slice() {
        [] => return None,
        [(_, reason)] => reason.to_string(),
        all => {
            let all = all.iter();
            let all = all.map(|(c, reason)| format!("{}: {reason}", c.spec().name));
            all.collect::<Vec<_>>().join("; ")
        }
    };
    let text = format!(
        " WRONG! do not trust {}{}: {reasons} ",
        names.join(", "),
        place(app, name)
    );
    Some(Line::styled(text, app.theme.alarm()))
}

/// Names an instance if there are several.
fn place(app: &App, name: &Text) -> String {
    if app.history.names().len() > 1 {
        format!(" in {name}")
    } else {
        String::new()
    }
}

/// The line of a disagreement between probes and kernel.
fn disagreement(app: &App, name: &Text, disagreement: &Disagreement<'_>) -> Line<'static> {
    let word = match disagreement.verdict {
        Verdict::Mismatch => "WRONG! do not trust the probes",
        _ => "UNDERCOUNT! the kernel missed probe hits",
    };
    let place = place(app, name);
    let more = match disagreement.others {
        0 => String::new(),
        others => format!(" (and {others} more: c)"),
    };
    let what = match disagreement.first {
        Some(check) => explanation(check),
        None => "press c for the checks".to_owned(),
    };
    Line::styled(format!(" {word}{place}:{more} {what} "), app.theme.alarm())
}
