//! What fills the table, and what to set: from records to advice with its evidence.
//!
//! Nothing here is folklore: a statement rests on rates, holding times and idle times that were measured, says how certain they make it,
//! and is left out where they do not suffice.

mod cause;
mod causes;
mod demand;
mod expired;
mod garbage;
mod growth;
mod hold;
mod maximum;
mod nat_ports;
mod observed;
mod phrases;
mod predict;
#[cfg(test)]
mod tests;
mod timeouts;
mod untracked;
mod wishes;

use std::collections::BTreeMap;

pub use self::wishes::{AdviceWishes, WhatIf};
use self::{
    cause::Cause,
    demand::{Demand, demand},
    observed::SeenInstance,
    phrases::{amount, duration, per_second, percent},
};
use crate::{
    model::record::{Advice, AdviceTopic, AdvisedChange, Confidence, PredictedEntries, Record},
    text::Text,
};

/// The most instances.
const INSTANCES: usize = 1_024;

/// A table whose highest demand takes less of it than this, in percent, needs nothing.
const COMFORTABLE: f64 = 50.0;

/// A drift of the entries beyond this part of their mean is no steady state.
const STEADY: f64 = 0.2;

/// Beyond this one the mean says nothing of what comes.
const DRIFTING: f64 = 1.0;

/// Collects what was seen, and advises on it.
#[derive(Clone, Debug, Default)]
pub struct Advisor {
    instances: BTreeMap<Text, SeenInstance>,
}

impl Advisor {
    /// Takes a record of a run, in the order in which they were made.
    pub fn take(&mut self, record: &Record) {
        let instance = match record {
            Record::Sample(sample) => &sample.instance,
            Record::Burst(burst) => &burst.instance,
            Record::Event(event) => &event.instance,
            Record::Contents(contents) => &contents.instance,
            Record::Limits(limits) => &limits.instance,
            Record::Top(top) => &top.instance,
            _ => return,
        };
        if self.instances.len() >= INSTANCES && !self.instances.contains_key(instance) {
            return;
        }
        let observed = self.instances.entry(instance.clone()).or_default();
        match record {
            Record::Sample(sample) => observed.take_sample(sample),
            Record::Burst(burst) => observed.take_burst(burst),
            Record::Event(event) => observed.take_event(event),
            Record::Contents(contents) => observed.take_contents(contents),
            Record::Limits(limits) => observed.take_limits(limits),
            Record::Top(top) => observed.take_top(top),
            _ => {}
        }
    }

    /// Drops what was seen of other instances.
    pub fn retain(&mut self, is_watched: impl Fn(&Text) -> bool) {
        self.instances.retain(|name, _| is_watched(name));
    }

    /// What to set first in an instance; `None` where nothing needs to be, or where too little was seen to say it unasked.
    #[must_use]
    pub fn first_change(&self, instance: &Text) -> Option<AdvisedChange> {
        let observed = self.instances.get(instance)?;
        let all = of_instance(instance, observed, &AdviceWishes::default());
        // Rules by state do not see what is not tracked: the advice has to be read first.
        let mut unasked = all
            .into_iter()
            .filter(|a| a.topic != AdviceTopic::Untracked);
        let first = unasked.find(|advice| advice.change.is_some())?;
        let change = first
            .change
            .filter(|_| first.confidence > Confidence::Low)?;
        Some(AdvisedChange {
            setting: change.setting,
            from: change.from,
            to: change.to,
        })
    }

    /// What is to be said of each instance, by topic: what it has to hold first, then what was lost, then what to set.
    #[must_use]
    pub fn advise(&self, wishes: &AdviceWishes) -> Vec<Advice> {
        let instances = self.instances.iter();
        let advice = instances.flat_map(|(name, observed)| of_instance(name, observed, wishes));
        advice.collect()
    }
}

fn of_instance(name: &Text, observed: &SeenInstance, wishes: &AdviceWishes) -> Vec<Advice> {
    let Some(time) = observed.last else {
        return Vec::new();
    };
    let advice = |topic, finding: Text, evidence, confidence| Advice {
        time,
        instance: name.clone(),
        topic,
        finding,
        evidence,
        confidence,
        needs: None,
        predicted: None,
        change: None,
    };
    let Some(demand) = demand(observed, wishes) else {
        let finding = "the number of entries could not be read".into();
        return vec![advice(
            AdviceTopic::Watch,
            finding,
            Vec::new(),
            Confidence::Low,
        )];
    };
    let confidence = confidence(observed, &demand);
    let mut all = vec![Advice {
        predicted: Some(as_it_goes(observed, &demand)),
        needs: needs(observed, &demand),
        ..advice(
            AdviceTopic::Demand,
            finding(observed, &demand),
            evidence(observed, &demand),
            confidence,
        )
    }];
    if let Some(what_if) = &wishes.what_if {
        all.extend(
            of_what_if(observed, &demand, what_if).map(|(finding, predicted)| Advice {
                predicted,
                ..advice(AdviceTopic::WhatIf, finding, Vec::new(), confidence)
            }),
        );
    }
    let mut causes = causes::causes(observed, &demand, wishes);
    if !is_comfortable(observed, &demand) {
        // Where one of these is the cause, the maximum is proposed there, or no answer.
        let answered = |cause: &Cause| match cause.topic {
            AdviceTopic::TableFull | AdviceTopic::HalfOpen => cause.change.is_some(),
            AdviceTopic::Growth => true,
            _ => false,
        };
        if !causes.iter().any(answered) {
            causes.extend(maximum::maximum(observed, &demand, wishes).map(Cause::from));
        }
        let of_half_open = causes
            .iter()
            .filter(|cause| cause.topic == AdviceTopic::HalfOpen)
            .filter_map(|cause| Some(cause.change.as_ref()?.setting.clone()));
        let covered: Vec<Text> = of_half_open.collect();
        let shorter = timeouts::shorter(observed).into_iter();
        let others = shorter.filter(|(.., change)| !covered.contains(&change.setting));
        causes.extend(others.map(Cause::from));
        causes.extend(untracked::untracked(observed).into_iter().map(Cause::from));
    }
    all.extend(causes.into_iter().map(|cause| {
        let certain = match cause.topic {
            // These rest on counts and on the idle times of all entries, and not on how long was looked.
            AdviceTopic::Timeout
            | AdviceTopic::Untracked
            | AdviceTopic::ChainTooLong
            | AdviceTopic::Growth
            | AdviceTopic::NatPorts => Confidence::High,
            _ => confidence,
        };
        Advice {
            change: cause.change,
            ..advice(cause.topic, cause.finding, cause.evidence, certain)
        }
    }));
    all
}

/// Whether nothing needs to be set: nothing was lost, and the table is half empty at the highest.
fn is_comfortable(observed: &SeenInstance, demand: &Demand) -> bool {
    let used = observed.max.map(|max| demand.highest / max as f64 * 100.0);
    !demand.is_limited() && used.is_none_or(|used| used < COMFORTABLE)
}

fn confidence(observed: &SeenInstance, demand: &Demand) -> Confidence {
    let is_steady = observed.entries.drift().abs() <= STEADY;
    match observed.seconds / demand.needed_s() {
        // How long what was lost would have been held is not known then.
        _ if demand.is_limited() && observed.contents.is_none() => Confidence::Low,
        1.0.. if is_steady => Confidence::High,
        0.3.. if observed.entries.drift().abs() <= DRIFTING => Confidence::Medium,
        _ => Confidence::Low,
    }
}

/// What would make it more certain.
fn needs(observed: &SeenInstance, demand: &Demand) -> Option<Text> {
    let drift = observed.entries.drift();
    let needed = demand.needed_s();
    if observed.contents.is_none() {
        let text = "no entry was listed, so nothing is known of timeouts: a recording needs --top, and this host CAP_NET_ADMIN";
        return Some(Text::fixed(text));
    }
    if observed.seconds < needed {
        let text = format!(
            "{} were seen; watch for {} (three times what an entry is held for)",
            duration(observed.seconds),
            duration(needed)
        );
        return Some(text.into());
    }
    (drift.abs() > STEADY).then(|| {
        let text = format!(
            "the table {} by {} meanwhile: watch until it is steady, or over a whole day",
            if drift > 0.0 { "grew" } else { "shrank" },
            percent(drift.abs() * 100.0)
        );
        text.into()
    })
}

fn finding(observed: &SeenInstance, demand: &Demand) -> Text {
    let use_of_max = observed.max.map(|max| {
        let share = percent(demand.highest / max as f64 * 100.0);
        format!(", {share} of nf_conntrack_max ({})", amount(max))
    });
    format!(
        "the table has to hold {} entries on average and up to {}{}",
        amount(demand.mean.round() as u64),
        amount(demand.highest.round() as u64),
        use_of_max.unwrap_or_default()
    )
    .into()
}

fn evidence(observed: &SeenInstance, demand: &Demand) -> Vec<Text> {
    let mut evidence = Vec::new();
    match (demand.offered_per_s, demand.hold_s) {
        (Some(rate), Some(hold)) => evidence.push(format!(
            "{} new flows, each held for {} on average, in {}",
            per_second(rate),
            duration(hold),
            duration(observed.seconds)
        )),
        (Some(_), None) => evidence.push(format!("no new flow in {}", duration(observed.seconds))),
        (None, _) => evidence.push(format!(
            "new flows were not counted (that takes probes), entries for {}",
            duration(observed.seconds)
        )),
    }
    evidence.push(format!(
        "{} on top of the average for fluctuations{}{}",
        amount(demand.on_top.round() as u64),
        match demand.is_limited() {
            true => " and what has expired and is not collected yet",
            false => "",
        },
        match observed.largest_burst {
            0 => String::new(),
            burst => format!(" (the largest burst had {} flows)", amount(burst)),
        }
    ));
    for group in observed.groups().iter().take(3) {
        let share = group.held() / observed.listed().max(1.0) * 100.0;
        let timeout = group.last.timeout_s.map(|s| format!(" (timeout {s} s)"));
        evidence.push(format!(
            "{} of the entries are {}{}",
            percent(share),
            group.name().raw(),
            timeout.unwrap_or_default()
        ));
    }
    if let Some(max) = observed.max {
        let minutes = maximum::minutes_left(observed, demand, max);
        evidence.extend(minutes.map(|text| text.raw().to_owned()));
    }
    evidence.into_iter().map(Text::from).collect()
}

fn as_it_goes(observed: &SeenInstance, demand: &Demand) -> PredictedEntries {
    let around = |errors: f64| (demand.mean + errors * demand.error).max(0.0).round() as u64;
    PredictedEntries {
        now: observed.entries.last,
        expected: around(0.0),
        low: around(-2.0),
        high: around(2.0),
    }
}

fn of_what_if(
    observed: &SeenInstance,
    demand: &Demand,
    what_if: &WhatIf,
) -> Option<(Text, Option<PredictedEntries>)> {
    let circumstances = what_if
        .rate
        .map(|rate| format!("{rate} times as many new flows"));
    let timeouts = what_if.timeouts.iter();
    let timeouts = timeouts.map(|(name, seconds)| format!("{name} of {seconds} s"));
    let all: Vec<String> = circumstances.into_iter().chain(timeouts).collect();
    let all = all.join(" and ");
    let mut names = what_if.timeouts.iter().map(|(name, _)| name);
    if let Some(name) = names.find(|name| observed.has_no_setting(name)) {
        return Some((format!("there is no timeout {name} here").into(), None));
    }
    let finding = match predict::predict(observed, demand, what_if) {
        Some(predicted) => {
            let text = format!(
                "with {all} there would be {} entries on average ({} to {})",
                amount(predicted.expected),
                amount(predicted.low),
                amount(predicted.high)
            );
            return Some((text.into(), Some(predicted)));
        }
        None => format!("what would be with {all} is not known: no entry was listed"),
    };
    Some((finding.into(), None))
}
