//! What was lost or raced, by cause.

use super::{
    cause::Cause,
    demand::Demand,
    growth,
    maximum::{MAXIMUM, buckets, sufficient},
    nat_ports,
    observed::SeenInstance,
    phrases::{amount, duration, percent, sysctl},
    wishes::AdviceWishes,
};
use crate::{
    model::{
        kernel::counters::Counter,
        record::{AdviceTopic, SettingChange},
    },
    text::Text,
};

/// The table of expectations is nearly full from this percentage on.
const NEARLY: f64 = 80.0;

/// The part of all entries, in percent, from which half-open connections are suspicious.
const HALF_OPEN: f64 = 30.0;

pub(super) fn causes(
    observed: &SeenInstance,
    demand: &Demand,
    wishes: &AdviceWishes,
) -> Vec<Cause> {
    let half_open = half_open(observed);
    let table_full = table_full(observed, demand, wishes).map(|cause| match &half_open {
        // A larger table fills with those, too.
        Some(flood) if flood.change.is_some() => Cause {
            change: None,
            ..cause
        },
        _ => cause,
    });
    let found = [
        growth::growth(observed, wishes).filter(|_| !demand.is_limited()),
        half_open,
        table_full,
        clashes(observed),
        chain_too_long(observed),
        expectations(observed),
        nat_ports::nat_ports(observed),
    ];
    found.into_iter().flatten().collect()
}

/// What a full table refused or gave up.
fn table_full(observed: &SeenInstance, demand: &Demand, wishes: &AdviceWishes) -> Option<Cause> {
    let (refused, evicted) = (
        observed.refused(),
        observed.count(Counter::EarlyDrop).unwrap_or(0),
    );
    if refused.max(evicted) == 0 {
        return None;
    }
    let max = observed.max?;
    let is_full = observed.entries.most as f64 >= 0.95 * max as f64;
    let mut evidence: Vec<Text> = vec![
        format!(
            "{} flows were refused, {} entries evicted",
            amount(refused),
            amount(evicted)
        )
        .into(),
        format!(
            "in {} of {}",
            duration(observed.refusing_s),
            duration(observed.seconds)
        )
        .into(),
        format!(
            "{} of {} entries at the highest",
            amount(observed.entries.most),
            amount(max)
        )
        .into(),
    ];
    if !is_full {
        // Packets are also dropped for other reasons, such as memory.
        return Some(Cause {
            topic: AdviceTopic::TableFull,
            finding: "packets were dropped although the table was not full: see the events for the reasons".into(),
            evidence,
            change: None,
        });
    }
    if refused > 0 {
        evidence.push("a sender that repeats a refused packet is counted each time".into());
    }
    let to = sufficient(demand, wishes);
    let change = (to > max).then(|| SettingChange {
        setting: MAXIMUM.into(),
        from: Some(max),
        to: Some(to),
        effect: format!(
            "holds what was refused and evicted: {} flows a second, each for {}",
            demand
                .offered_per_s
                .map_or_else(|| "the".to_owned(), |rate| amount(rate.round() as u64)),
            demand
                .hold_s
                .map_or_else(|| "its time".to_owned(), duration)
        )
        .into(),
        risk: None,
        commands: vec![sysctl(MAXIMUM, to)],
        or: Vec::new(),
        undo: vec![sysctl(MAXIMUM, max)],
    });
    Some(Cause {
        topic: AdviceTopic::TableFull,
        finding: format!(
            "the table was full: {} flows were refused and {} evicted",
            amount(refused),
            amount(evicted)
        )
        .into(),
        evidence,
        change,
    })
}

/// Connections that are begun and never answered.
fn half_open(observed: &SeenInstance) -> Option<Cause> {
    let listed = observed.listed();
    let groups = observed.groups();
    let half_open = groups.iter().filter(|group| {
        group.last.proto.raw() == "tcp"
            && matches!(
                group.last.state.raw(),
                "SYN_SENT" | "SYN_RECV" | "SYN_SENT2"
            )
    });
    let held: f64 = half_open.clone().map(|group| group.held()).sum();
    let share = held / listed.max(1.0) * 100.0;
    if share < HALF_OPEN {
        return None;
    }
    let largest = half_open.max_by(|a, b| a.held().total_cmp(&b.held()))?;
    // A recording may have any name, and this one gets into a command line.
    let setting = match largest.last.state.raw() {
        "SYN_RECV" => "tcp_timeout_syn_recv",
        _ => "tcp_timeout_syn_sent",
    };
    let now = observed.setting(setting)?;
    let to = 20.min(now);
    let name = format!("net.netfilter.nf_conntrack_{setting}");
    let mut evidence: Vec<Text> = vec![
        format!(
            "{} of {} entries are {}",
            amount(held as u64),
            amount(listed as u64),
            largest.name().raw()
        )
        .into(),
    ];
    if let Some(row) = observed.table("src").and_then(|table| table.rows.first()) {
        let text = format!(
            "{} of all entries are from {}",
            percent(row.share),
            row.key.raw()
        );
        evidence.push(text.into());
    }
    let change = (to < now).then(|| {
        let held = largest.idle.as_ref().map(|idle| idle.held_with(to as f64));
        let freed = held.map(|held| (largest.held() - held.entries).max(0.0) / listed * 100.0);
        let mut effect = format!("each is held for {to} s instead of {now} s");
        // A flood that has just begun has no old ones.
        if let Some(freed) = freed.filter(|freed| *freed >= 1.0) {
            effect += &format!(", which frees {} of the table", percent(freed));
        }
        SettingChange {
            setting: name.clone().into(),
            from: Some(now),
            to: Some(to),
            effect: effect.into(),
            risk: Some("clients that answer later than that have to start again".into()),
            commands: vec![sysctl(&name, to)],
            or: vec![
                "nft: a synproxy rule, so that no entry is made before the handshake is complete"
                    .into(),
                "nft: `ct count` or `limit rate` per source on the port".into(),
            ],
            undo: vec![sysctl(&name, now)],
        }
    });
    Some(Cause {
        topic: AdviceTopic::HalfOpen,
        finding: format!(
            "{} of the entries are connections that were begun and not answered: a flood of SYN packets, a scan, or a server that is down",
            percent(share)
        )
        .into(),
        evidence,
        change,
    })
}

/// Packets of the same flow that raced each other into the table.
fn clashes(observed: &SeenInstance) -> Option<Cause> {
    // The kernel counts these there, too: flows for which a chain is too long (`__nf_conntrack_confirm()`), and those that NAT could
    // give no port of their own, which are found to be there already when they are put into the table.
    let others = [Counter::Chaintoolong, Counter::NatExhausted].map(|of| observed.count(of));
    let others = others
        .into_iter()
        .flatten()
        .fold(0_u64, u64::saturating_add);
    let failed = observed.count(Counter::InsertFailed).unwrap_or(0);
    let failed = failed.saturating_sub(others);
    if failed == 0 {
        return None;
    }
    let resolved = observed.count(Counter::ClashResolve).filter(|n| *n > 0);
    let mut evidence: Vec<Text> = vec![
        format!(
            "{} packets lost such a race and were dropped",
            amount(failed)
        )
        .into(),
    ];
    if let Some(resolved) = resolved {
        evidence.push(format!("{} more were resolved by the kernel", amount(resolved)).into());
    }
    let dns = |of: &str| {
        let table = observed.table(of)?;
        table
            .rows
            .iter()
            .find(|row| row.key.raw() == "udp/53")
            .map(|row| row.share)
    };
    let share = dns("outbound").or_else(|| dns("dport"));
    if let Some(share) = share {
        evidence.push(format!("{} of the entries are DNS (udp/53)", percent(share)).into());
    }
    let change = share.map(|_| SettingChange {
        setting: "options of the resolver".into(),
        from: None,
        to: None,
        effect: "a resolver that sends its two questions (A and AAAA) from the same port no longer races itself".into(),
        risk: Some("where a program writes /etc/resolv.conf, the option belongs in its configuration".into()),
        commands: vec!["echo 'options single-request-reopen' >> /etc/resolv.conf".into()],
        or: vec!["do not track DNS: see the advice on traffic that need not be tracked".into()],
        undo: vec!["sed -i '/single-request-reopen/d' /etc/resolv.conf".into()],
    });
    Some(Cause {
        topic: AdviceTopic::Clashes,
        finding: format!(
            "{} packets were dropped because another packet of the same flow, or one that NAT gave the same ports, was first",
            amount(failed)
        )
        .into(),
        evidence,
        change,
    })
}

fn chain_too_long(observed: &SeenInstance) -> Option<Cause> {
    let too_long = observed.count(Counter::Chaintoolong).unwrap_or(0);
    let max = observed.max?;
    let mut cause: Cause = buckets(observed, max, too_long)?.into();
    if too_long > 0 {
        cause.topic = AdviceTopic::ChainTooLong;
        cause.finding = format!(
            "{} flows were refused because the chain of their bucket was too long",
            amount(too_long)
        )
        .into();
    }
    Some(cause)
}

fn expectations(observed: &SeenInstance) -> Option<Cause> {
    const SETTING: &str = "net.netfilter.nf_conntrack_expect_max";
    let refused = observed.refused_expectations;
    let lost = (refused > 0).then(|| {
        let lost = format!(
            "at least {} expectations of helpers (FTP, SIP, …) were refused, and the flows that they announced are new ones",
            amount(refused)
        );
        Text::from(lost)
    });
    let limits = observed.limits.as_ref();
    let nearly_full = limits
        .and_then(|limits| limits.expectations)
        .filter(|expected| expected.utilization >= NEARLY);
    let Some(expected) = nearly_full else {
        return lost.map(|finding| Cause {
            topic: AdviceTopic::Expectations,
            finding,
            evidence: vec![Text::fixed(
                "nf_conntrack_expect_max was not reached when it was looked at: a helper allows each connection only so many",
            )],
            change: None,
        });
    };
    let to = expected.max.max(expected.held).saturating_mul(2);
    let held = format!(
        "{} of {} expectations are held: helpers (FTP, SIP, …) announce flows that a full table of them refuses",
        amount(expected.held),
        amount(expected.max)
    );
    let used = format!(
        "{} of nf_conntrack_expect_max",
        percent(expected.utilization)
    );
    let mut evidence = vec![used.into()];
    let finding = match lost {
        Some(lost) => {
            evidence.push(held.into());
            lost
        }
        None => held.into(),
    };
    Some(Cause {
        topic: AdviceTopic::Expectations,
        finding,
        evidence,
        change: Some(SettingChange {
            setting: SETTING.into(),
            from: Some(expected.max),
            to: Some(to),
            effect: "room for twice as many".into(),
            risk: None,
            commands: vec![sysctl(SETTING, to)],
            or: Vec::new(),
            undo: vec![sysctl(SETTING, expected.max)],
        }),
    })
}
