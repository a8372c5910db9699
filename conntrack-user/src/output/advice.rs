//! Advice in words.

use crate::{
    model::record::{Advice, AdviceTopic, Confidence, SettingChange},
    output::format::wrap::wrapped,
    text::Text,
};

/// How far what belongs to a finding is indented.
const INDENT: usize = 4;

/// All advice: of each instance, what was found, and below it what speaks for it and what to set.
#[must_use]
pub fn page(all: &[Advice], width: usize) -> String {
    let several = all.iter().any(|advice| advice.instance != all[0].instance);
    let mut page = String::new();
    let mut instance: Option<&Text> = None;
    for advice in all {
        if instance != Some(&advice.instance) {
            if several {
                push(&mut page, &format!("== {} ==", advice.instance), 0, width);
            }
            instance = Some(&advice.instance);
        }
        page.push_str(&text(advice, width));
        page.push('\n');
    }
    if let Some(line) = without_changes(all) {
        push(&mut page, line, 0, width);
    }
    page
}

/// What to say where nothing is proposed: that nothing needs to be set takes that nothing was lost, and that enough was seen.
fn without_changes(all: &[Advice]) -> Option<&'static str> {
    if all.is_empty() || all.iter().any(|advice| advice.change.is_some()) {
        return None;
    }
    let is_calm =
        |advice: &Advice| matches!(advice.topic, AdviceTopic::Demand | AdviceTopic::WhatIf);
    Some(match all.iter().all(is_calm) {
        true if all.iter().all(|a| a.confidence > Confidence::Low) => "Nothing needs to be set.",
        true => "Too little was seen to propose a setting, or to say that none is needed.",
        false => "No setting is proposed for that.",
    })
}

/// One piece of advice, in lines.
#[must_use]
pub fn text(advice: &Advice, width: usize) -> String {
    let mut text = String::new();
    push(&mut text, &sentence(advice.finding.to_string()), 0, width);
    for evidence in &advice.evidence {
        push(&mut text, &format!("- {evidence}"), INDENT, width);
    }
    // What is measured by itself needs no such remark.
    let rests_on_time = match advice.topic {
        AdviceTopic::Demand | AdviceTopic::Maximum | AdviceTopic::TableFull => true,
        AdviceTopic::WhatIf => advice.predicted.is_some(),
        _ => false,
    };
    if rests_on_time {
        let confidence = match advice.confidence {
            Confidence::Low => "confidence: low",
            Confidence::Medium => "confidence: medium",
            Confidence::High => "confidence: high",
        };
        let needs = advice.needs.as_ref().map(|needs| format!(" ({needs})"));
        let line = format!("{confidence}{}", needs.unwrap_or_default());
        push(&mut text, &line, INDENT, width);
    }
    if let Some(change) = &advice.change {
        push_change(&mut text, change, width);
    }
    text
}

fn push_change(text: &mut String, change: &SettingChange, width: usize) {
    let values = match (change.from, change.to) {
        (Some(from), Some(to)) => format!(" from {from} to {to}"),
        (None, Some(to)) => format!(" to {to}"),
        _ => String::new(),
    };
    let heading = format!("Set {}{values}: {}.", change.setting, change.effect);
    push(text, &heading, INDENT, width);
    // Command lines are not broken: they are copied.
    let mut lines = |label: &str, commands: &[Text]| {
        for (i, command) in commands.iter().enumerate() {
            let label = if i == 0 { label } else { "" };
            text.push_str(&format!("{:INDENT$}{label:<7}{command}\n", ""));
        }
    };
    lines("do", &change.commands);
    lines("or", &change.or);
    lines("undo", &change.undo);
    if let Some(risk) = &change.risk {
        push(text, &format!("risk   {risk}"), INDENT, width);
    }
}

fn push(text: &mut String, line: &str, indent: usize, width: usize) {
    for part in wrapped(line, width.saturating_sub(indent)) {
        text.push_str(&format!("{:indent$}{part}\n", ""));
    }
}

/// With a capital letter and a full stop.
fn sentence(text: String) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), characters.as_str()),
        None => text,
    }
}
