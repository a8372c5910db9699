//! The facts in plain words. What cannot be seen is not claimed.

use super::amounts::{lasting, percent, two_digits};
use crate::{
    model::record::{
        AdvisedChange, BusiestBucket, HighestUse, LargestBurst, Loss, LossKind, Proof, Time,
        TopShare, VerdictFacts,
    },
    text::Text,
};

/// The table changes by more than this share of its limit, or of its entries, in a minute; else it is steady.
const STEADY: f64 = 0.05;

/// Writes a time of day with so many digits of the second.
pub type Clock<'a> = &'a dyn Fn(Time, usize) -> String;

/// What a sentence is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// The use of the table, and where it is going.
    Table,
    /// What was lost.
    Losses,
    /// Top talkers.
    Who,
    /// What to set.
    Advice,
    /// The busiest bucket.
    Busiest,
    /// Whether the counts are proven.
    Proof,
}

/// A sentence of a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// What it is about.
    pub topic: Topic,
    /// The words. Names in them are as they came from outside.
    pub text: Text,
}

/// The sentences of a verdict, the most important first. `clock` writes a time of day.
#[must_use]
pub fn sentences(facts: &VerdictFacts, clock: Clock<'_>) -> Vec<Sentence> {
    if let Some(lost) = &facts.host_lost {
        let since = clock(lost.since, 0);
        let text = format!(
            "Host {} is lost since {since}: {}.",
            lost.host.raw(),
            lost.reason.raw()
        );
        let topic = Topic::Table;
        return vec![Sentence {
            topic,
            text: text.into(),
        }];
    }
    let who = |by| facts.who.get(by).map_or(&[][..], Vec::as_slice);
    let refused = facts.count(LossKind::Refused) > 0;
    let evicted = facts.count(LossKind::Evicted) > 0;
    let found = [
        (Topic::Table, Some(table(facts, clock))),
        (Topic::Losses, Some(losses(facts, clock))),
        (
            Topic::Who,
            talkers("Refused", who("dropped")).filter(|_| refused),
        ),
        (
            Topic::Who,
            talkers("Evicted", who("evicted")).filter(|_| evicted && !refused),
        ),
        (Topic::Who, talkers("New flows", who("new"))),
        (Topic::Who, talkers("Held", who("entries"))),
        (Topic::Who, unknown_who(facts)),
        (Topic::Advice, facts.advice.as_ref().map(advised)),
        (Topic::Busiest, bursts(facts, clock)),
        (Topic::Proof, Some(proof(&facts.proof))),
    ];
    let said = found
        .into_iter()
        .filter_map(|(topic, text)| Some((topic, text.filter(|text| !text.is_empty())?)));
    said.map(|(topic, text)| Sentence {
        topic,
        text: text.into(),
    })
    .collect()
}

impl VerdictFacts {
    /// Flows lost in one way.
    #[must_use]
    pub fn loss(&self, kind: LossKind) -> Option<Loss> {
        self.losses.get(kind.name()).copied().flatten()
    }

    /// How many flows were lost in one way, as far as can be seen.
    fn count(&self, kind: LossKind) -> u64 {
        self.loss(kind).map_or(0, |loss| loss.count)
    }
}

fn table(facts: &VerdictFacts, clock: Clock<'_>) -> String {
    if let Some(why) = &facts.untracked {
        return sentence(why.raw());
    }
    let Some(entries) = facts.entries else {
        return "The number of entries cannot be read.".to_owned();
    };
    let (Some(used), Some(max)) = (facts.utilization, facts.max) else {
        return format!(
            "Table holds {entries} entries; no limit is known{}.",
            trend(facts)
        );
    };
    if let Some(since) = facts.full_since {
        return format!(
            "Table {} % full ({entries} of {max}) since {}.",
            percent(used),
            clock(since, 0)
        );
    }
    let highest = facts
        .highest
        .and_then(|highest| past_height(&highest, used, clock))
        .unwrap_or_default();
    format!(
        "Table {} % full (max {max}){}{highest}.",
        percent(used),
        trend(facts)
    )
}

/// A text as a sentence.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    let rest = letters.as_str().trim_end_matches('.');
    format!("{}{rest}.", first.into_iter().flatten().collect::<String>())
}

/// Where the table is going.
fn trend(facts: &VerdictFacts) -> String {
    let rate = facts.entries_per_s.unwrap_or_default();
    if let Some(time) = facts.time_to_full_s {
        // The rate that the forecast is made with.
        let room = facts.max.zip(facts.entries);
        let room = room.map_or(0, |(max, entries)| max.saturating_sub(entries));
        let rate = room as f64 / time.estimate.max(1e-3);
        return format!(
            ", filling by {}/s: full in {} ({} to {})",
            two_digits(rate),
            lasting(time.estimate),
            lasting(time.low),
            lasting(time.high),
        );
    }
    let size = facts.max.max(facts.entries).unwrap_or_default() as f64;
    let in_a_minute = rate * 60.0;
    if in_a_minute < -STEADY * size {
        return format!(", draining by {}/s", two_digits(-rate));
    }
    if in_a_minute > STEADY * size {
        return format!(", rising by {}/s", two_digits(rate));
    }
    match facts.entries_per_s {
        Some(_) => ", steady".to_owned(),
        None => String::new(),
    }
}

/// The highest use, if it is clearly above the present one.
fn past_height(highest: &HighestUse, now: f64, clock: Clock<'_>) -> Option<String> {
    let used = highest.utilization?;
    let clearly = used >= now + 1.0 && percent(used) != percent(now);
    clearly.then(|| {
        format!(
            "; {} % at its highest, {}",
            percent(used),
            clock(highest.at, 0)
        )
    })
}

fn losses(facts: &VerdictFacts, clock: Clock<'_>) -> String {
    let mut seen: Vec<(LossKind, Loss)> = Vec::new();
    let mut unseen = Vec::new();
    for kind in LossKind::ALL {
        match facts.loss(kind) {
            Some(loss) => seen.push((kind, loss)),
            None => unseen.push(kind),
        }
    }
    // Every refused packet is among those dropped: they are worth a word where they say more than the refusals.
    let refused = facts.count(LossKind::Refused);
    let more_dropped = facts.count(LossKind::Dropped) > refused;
    let lost: Vec<String> = seen
        .iter()
        .filter(|(kind, loss)| loss.count > 0 && (*kind != LossKind::Dropped || more_dropped))
        .enumerate()
        .map(|(i, (kind, loss))| counted(*kind, *loss, i == 0))
        .collect();
    let since = clock(facts.since, 0);
    // The drops include the refusals, so they tell of those too.
    let blind = |kind: &LossKind| {
        *kind != LossKind::Dropped
            && (*kind != LossKind::Refused || unseen.contains(&LossKind::Dropped))
    };
    let hidden: Vec<&str> = unseen
        .iter()
        .filter(|kind| blind(kind))
        .map(|k| k.name())
        .collect();
    let hidden = match hidden[..] {
        [] => String::new(),
        _ => format!(" Whether any was {} is unknown.", hidden.join(" or ")),
    };
    if lost.is_empty() {
        let of: Vec<&str> = seen
            .iter()
            .map(|(kind, _)| kind.name())
            .filter(|name| *name != LossKind::Dropped.name() || refused_is_unseen(&unseen))
            .collect();
        return match of[..] {
            [] => hidden.trim_start().to_owned(),
            _ => format!("Nothing {} since {since}.{hidden}", listed(&of)),
        };
    }
    let last = seen.iter().filter_map(|(_, loss)| loss.last).max();
    let last = last.map_or_else(String::new, |last| format!("; last at {}", clock(last, 0)));
    format!("{} since {since}{last}.{hidden}", lost.join(", "))
}

fn refused_is_unseen(unseen: &[LossKind]) -> bool {
    unseen.contains(&LossKind::Refused)
}

fn counted(kind: LossKind, loss: Loss, first: bool) -> String {
    let of = match (kind, first) {
        (LossKind::Dropped, _) if loss.count == 1 => " packet",
        (LossKind::Dropped, _) => " packets",
        (_, true) if loss.count == 1 => " flow",
        (_, true) => " flows",
        _ => "",
    };
    let wrong = if loss.wrong { " (proven wrong)" } else { "" };
    format!("{}{of} {}{wrong}", loss.count, kind.name())
}

/// `refused, evicted or failed`.
fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    }
}

fn talkers(what: &str, shares: &[TopShare]) -> Option<String> {
    // The destination is most often this host: it says something where the source does not.
    let source = shares.iter().any(|share| share.of == "src");
    let telling = |share: &&TopShare| match share.of.raw() {
        "src" | "dport" => true,
        "dst" => !source,
        _ => false,
    };
    let said: Vec<String> = shares.iter().filter(telling).map(share).collect();
    (!said.is_empty()).then(|| format!("{what}: {}.", said.join(", ")))
}

fn share(top: &TopShare) -> String {
    // Who has the address is the one that is asked for; a process here may only talk to it.
    let workload = top.workload.as_ref().map(ToString::to_string);
    let who = workload.or_else(|| Some(top.process.as_ref()?.raw().to_owned()));
    let who = who.map_or_else(String::new, |who| format!(" ({who})"));
    let towards = match top.of.raw() {
        "src" => "from ",
        "dst" | "dport" => "to ",
        _ => "",
    };
    format!("{} % {towards}{}{who}", percent(top.share), top.key.raw())
}

/// Who does it is asked first where flows are lost, or the table fills: that it is not known must be said.
fn unknown_who(facts: &VerdictFacts) -> Option<String> {
    let lost = LossKind::ALL.iter().any(|kind| facts.count(*kind) > 0);
    let fills = facts.full_since.is_some() || facts.time_to_full_s.is_some();
    let known = facts.who.0.iter().any(|(_, shares)| !shares.is_empty());
    if known || !(lost || fills) {
        return None;
    }
    Some(if facts.proof.probes == "off" {
        "Who causes it cannot be seen without probes.".to_owned()
    } else if facts.who.is_empty() {
        "Who causes it is not known: no top talkers were counted (--top).".to_owned()
    } else {
        "Who causes it is not clear: no top talker has a tenth.".to_owned()
    })
}

/// What to set first. The evidence takes more words.
fn advised(change: &AdvisedChange) -> String {
    let AdvisedChange { setting, from, to } = change;
    let setting = setting.raw();
    let what = match (from, to) {
        (Some(from), Some(to)) => format!("{setting} from {from} to {to}"),
        (None, Some(to)) => format!("{setting} to {to}"),
        (_, None) => setting.to_owned(),
    };
    format!("To set: {what} (`ctpulse advise`).")
}

/// The bursts of new flows, and the busiest bucket.
fn bursts(facts: &VerdictFacts, clock: Clock<'_>) -> Option<String> {
    let bursts = facts.bursts?;
    let wrong = if bursts.wrong { " (proven wrong)" } else { "" };
    let burst = match (bursts.number, bursts.largest) {
        (1, Some(burst)) => format!("1 burst of new flows{wrong}: {}", largest(&burst, clock)),
        (number, Some(burst)) => {
            let burst = largest(&burst, clock);
            format!("{number} bursts of new flows{wrong}, the largest {burst}")
        }
        (_, None) => format!("No burst of new flows{wrong}"),
    };
    let busiest = facts.busiest.as_ref().map(|bucket| busiest(bucket, clock));
    Some(match busiest {
        Some(busiest) => format!("{burst}; busiest millisecond {busiest}."),
        None => format!("{burst}."),
    })
}

fn largest(burst: &LargestBurst, clock: Clock<'_>) -> String {
    let length = burst.duration_ms.round();
    format!("{} in {length} ms at {}", burst.count, clock(burst.at, 3))
}

fn busiest(bucket: &BusiestBucket, clock: Clock<'_>) -> String {
    let wrong = if bucket.wrong { " (proven wrong)" } else { "" };
    let count = (bucket.rate * bucket.window_ms / 1e3).round();
    format!("{count}{wrong} at {}", clock(bucket.at, 3))
}

fn proof(proof: &Proof) -> String {
    let Proof {
        probes,
        reason,
        checks,
        agree,
        disagree,
    } = proof;
    if *probes == "off" {
        let why = reason.as_ref().map_or("none is attached", |why| why.raw());
        return format!("No probes, so only what the kernel counts, unchecked: {why}.");
    }
    let names: Vec<&str> = disagree.iter().map(Text::raw).collect();
    match (checks, &names[..]) {
        (0, _) => "Counts are not proven: no check has anything to compare with yet.".to_owned(),
        (_, []) => format!("Counts are proven: {agree} of {checks} checks agree."),
        _ => format!(
            "Counts are NOT proven: {} of {checks} checks disagree ({}).",
            names.len(),
            names.join(", ")
        ),
    }
}
