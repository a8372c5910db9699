//! Traffic that need not be tracked.

use super::{
    maximum::Proposal,
    observed::SeenInstance,
    phrases::{amount, percent},
};
use crate::{
    model::record::{AdviceTopic, SettingChange},
    text::Text,
};

/// A service with less than this part of the entries, in percent, is not worth a rule.
const WORTH: f64 = 10.0;

/// The most services.
const SERVICES: usize = 3;

/// Services whose flows are short and many, so that tracking them costs most and brings least.
const BRIEF: &[(&str, u16, &str)] = &[
    ("udp", 53, "DNS"),
    ("udp", 123, "NTP"),
    ("udp", 514, "syslog"),
    ("udp", 6081, "Geneve"),
    ("udp", 4789, "VXLAN"),
    ("udp", 8125, "StatsD"),
];

/// Ports from here on are those of clients, by default (`net.ipv4.ip_local_port_range`): no rule is made for them.
const EPHEMERAL: u16 = 32_768;

/// Rules for the services of this host, or those it uses, that hold much of the table.
pub(super) fn untracked(observed: &SeenInstance) -> Vec<Proposal> {
    let translated = observed
        .contents
        .as_ref()
        .is_some_and(|contents| contents.marks.snat.count.max(contents.marks.dnat.count) > 0);
    let local = observed
        .contents
        .as_ref()
        .and_then(|contents| contents.directions.as_ref())
        .is_some_and(|directions| directions.local.count > 0);
    let mut proposals = Vec::new();
    for (of, here) in [("inbound", true), ("outbound", false)] {
        let Some(table) = observed.table(of) else {
            continue;
        };
        for row in table.rows.iter().filter(|row| row.share >= WORTH) {
            let service = service(row.key.raw());
            let Some((proto, port)) = service.filter(|(_, port)| *port < EPHEMERAL) else {
                continue;
            };
            let known = BRIEF.iter().find(|(p, n, _)| *p == proto && *n == port);
            let name = known.map(|(_, _, name)| *name);
            if name.is_none() && !here {
                // The state of what this host asks for is what its firewall lives by.
                continue;
            }
            let service = Service {
                name,
                proto,
                port,
                here,
                local: here && local,
                translated,
            };
            proposals.push(service.proposal(row.count, row.share, table.total));
        }
    }
    proposals.truncate(SERVICES);
    proposals
}

/// `udp/53` as its parts. Nothing else gets into a command line.
fn service(key: &str) -> Option<(&'static str, u16)> {
    let (proto, port) = key.split_once('/')?;
    let proto = ["tcp", "udp"].into_iter().find(|known| *known == proto)?;
    Some((proto, port.parse().ok()?))
}

struct Service {
    /// What it is, if that is well known.
    name: Option<&'static str>,
    proto: &'static str,
    port: u16,
    /// Whether it is served by this host.
    here: bool,
    /// Whether it may be used from here, too: those packets come by loopback, and are tracked when they are sent.
    local: bool,
    /// Whether there is NAT.
    translated: bool,
}

impl Service {
    fn proposal(&self, count: u64, share: f64, total: u64) -> Proposal {
        let Self {
            proto, port, here, ..
        } = *self;
        let name = self
            .name
            .map_or_else(String::new, |name| format!("{name}, "));
        let whose = if here {
            "to this host"
        } else {
            "of this host's own"
        };
        let finding = format!(
            "flows {whose} ({name}{proto}/{port}) are {} of the table; where no rule needs their state, they need no tracking",
            percent(share)
        );
        let evidence: Vec<Text> =
            vec![format!("{} entries of {}", amount(count), amount(total)).into()];
        // Packets to the service, and those back.
        let (incoming, outgoing) = if here {
            ("dport", "sport")
        } else {
            ("sport", "dport")
        };
        let table = format!("ctpulse_{proto}_{port}");
        let chain = |hook: &str, which: &str| -> [Text; 2] {
            [
                format!("nft add chain inet {table} {hook} '{{ type filter hook {hook} priority raw; }}'").into(),
                format!("nft add rule inet {table} {hook} {proto} {which} {port} notrack").into(),
            ]
        };
        let mut commands: Vec<Text> = vec![format!("nft add table inet {table}").into()];
        commands.extend(chain("prerouting", incoming));
        commands.extend(chain("output", outgoing));
        let rule = |chain: &str, which: &str| -> Text {
            format!("iptables -t raw -A {chain} -p {proto} --{which} {port} -j CT --notrack").into()
        };
        let mut or = vec![rule("PREROUTING", incoming), rule("OUTPUT", outgoing)];
        if self.local {
            for (hook, device, which) in
                [("output", "oif", incoming), ("prerouting", "iif", outgoing)]
            {
                let rule = format!(
                    "nft add rule inet {table} {hook} {device} lo {proto} {which} {port} notrack"
                );
                commands.push(rule.into());
            }
            or.extend([
                rule("OUTPUT -o lo", incoming),
                rule("PREROUTING -i lo", outgoing),
            ]);
        }
        let mut risk = "rules that accept `ct state established` no longer match these packets, and must accept them by port".to_owned();
        if self.translated {
            risk.push_str("; there is NAT here, and what is not tracked is not translated");
        }
        let change = SettingChange {
            setting: format!("raw rules for {proto}/{port}").into(),
            from: None,
            to: None,
            effect: format!("frees {} of the table", percent(share)).into(),
            risk: Some(risk.into()),
            commands,
            or,
            undo: vec![format!("nft delete table inet {table}").into()],
        };
        (AdviceTopic::Untracked, finding.into(), evidence, change)
    }
}
