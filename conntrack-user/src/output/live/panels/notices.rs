//! Lines that must be read: counts that are wrong, a namespace where nothing tracks, and the like.

use crate::text::Text;
use ratatui::{buffer::Buffer, layout::Rect, text::Line};

use crate::{
    model::{
        alert::{AlertStatus, ConntrackFull},
        history::InstanceHistory,
        record::{Check, Verdict},
    },
    output::{
        live::{
            app::App,
            panels::{pieces, popup},
        },
        number::{UNAVAILABLE, compact},
        text::explanation,
    },
};

/// The lines, the worst first.
pub(super) fn lines(app: &App) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    // Also those of instances that are not shown.
    for name in app.history.names() {
        if let Some(instance) = app.history.instance(name.raw()) {
            lines.extend(disagreement(app, name, instance));
        }
    }
    let Some(sample) = app.instance().and_then(InstanceHistory::latest) else {
        return lines;
    };
    let theme = app.theme;
    // The gauge has the one on the table's utilization.
    for (name, alert) in &sample.alerts.0 {
        if alert.status > AlertStatus::Clear && name != ConntrackFull::NAME {
            let value = alert.value.map(compact).unwrap_or_default();
            let text = format!("! {} {name} {value}", alert.status);
            lines.push(Line::styled(text, theme.status(alert.status)));
        }
    }
    if sample.entries.is_none() {
        let text = "! no nf_conntrack here: waiting for it to be loaded";
        lines.push(Line::styled(text, theme.warning()));
    }
    if let Some(why) = &sample.untracked {
        lines.push(Line::styled(format!("! {why}"), theme.warning()));
    }
    if sample.buckets_lost_ms > 0.0 {
        let text = format!(
            "! {:.0} ms of buckets were overwritten before they could be read: peaks there are unknown",
            sample.buckets_lost_ms
        );
        lines.push(Line::styled(text, theme.warning()));
    }
    if let Some(hello) = app.history.hello()
        && hello.probes.mode == "off"
    {
        let reason = hello
            .probes
            .reason
            .as_ref()
            .map_or_else(|| "none asked for".to_owned(), Text::to_string);
        lines.push(Line::styled(format!("probes off: {reason}"), theme.muted()));
    }
    lines
}

/// Draws them in full, over everything else.
pub(super) fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let width = usize::from(area.width.saturating_sub(4)).min(100);
    let mut text: Vec<Line<'_>> = lines(app)
        .iter()
        .flat_map(|line| pieces::wrapped(line.to_string().trim(), width, line.style))
        .collect();
    let sample = app.instance().and_then(InstanceHistory::latest);
    for (name, why) in sample
        .iter()
        .flat_map(|sample| &sample.alerts_unavailable.0)
    {
        let line = format!("{UNAVAILABLE} {name}: {why}");
        text.extend(pieces::wrapped(&line, width, app.theme.muted()));
    }
    if text.is_empty() {
        text.push(Line::styled("nothing to tell", app.theme.muted()));
    }
    popup::draw(app, area, buffer, "Notices", &text);
}

/// That probes and kernel disagree, and in what most of all.
fn disagreement(app: &App, name: &Text, instance: &InstanceHistory) -> Option<Line<'static>> {
    let verdict = instance.verdict().filter(|v| *v >= Verdict::Undercount)?;
    let word = match verdict {
        Verdict::Mismatch => "WRONG! do not trust the probes",
        _ => "UNDERCOUNT! the kernel skipped probe hits",
    };
    let checks = instance.crosscheck().map_or(&[][..], |c| &c.checks[..]);
    let worst: Vec<&Check> = checks.iter().filter(|c| c.verdict == verdict).collect();
    let place = if app.history.names().len() > 1 {
        format!(" in {name}")
    } else {
        String::new()
    };
    let more = match worst.len() {
        0 | 1 => String::new(),
        n => format!(" (and {} more: c)", n - 1),
    };
    let what = worst.first().map(|check| explanation(check));
    Some(Line::styled(
        format!(
            " {word}{place}:{more} {} ",
            what.unwrap_or_else(|| "press c for the checks".to_owned())
        ),
        app.theme.alarm(),
    ))
}
