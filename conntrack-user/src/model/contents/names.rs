//! Names of states, and of the timeouts that are in force in them.

use crate::{
    model::event::Protocol,
    reading::{
        census::{EntryClass, EntryPhase},
        entries::Replied,
    },
};

/// `enum sctp_conntrack`.
const SCTP_STATES: [&str; 10] = [
    "NONE",
    "CLOSED",
    "COOKIE_WAIT",
    "COOKIE_ECHOED",
    "ESTABLISHED",
    "SHUTDOWN_SENT",
    "SHUTDOWN_RECD",
    "SHUTDOWN_ACK_SENT",
    "HEARTBEAT_SENT",
    "HEARTBEAT_ACKED",
];

/// `enum ctattr_timeout_tcp`.
const TCP_TIMEOUTS: [&str; 12] = [
    "unspec",
    "syn_sent",
    "syn_recv",
    "established",
    "fin_wait",
    "close_wait",
    "last_ack",
    "time_wait",
    "close",
    "syn_sent2",
    "retrans",
    "unack",
];

const TCP: u8 = 6;
const UDP: u8 = 17;
const GRE: u8 = 47;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;
const UDPLITE: u8 = 136;

/// The name of a state.
pub(super) fn state(phase: EntryPhase) -> String {
    let named = |names: &[&str], number: u8| {
        let name = names.get(usize::from(number));
        name.map_or_else(|| number.to_string(), |name| (*name).to_owned())
    };
    match phase {
        EntryPhase::Tcp(state) => named(&crate::model::event::TCP_STATES, state),
        EntryPhase::Sctp(state) => named(&SCTP_STATES, state),
        EntryPhase::Replied(replied) => replied.name().to_owned(),
        EntryPhase::Offloaded => "OFFLOADED".to_owned(),
    }
}

/// The setting of the timeout in a state, without `nf_conntrack_`.
pub(super) fn timeout(class: EntryClass) -> Option<String> {
    let stream =
        |name: &str, replied: Replied, streams: &[Replied]| match streams.contains(&replied) {
            true => Some(format!("{name}_stream")),
            false => Some(name.to_owned()),
        };
    match (class.protocol, class.phase) {
        (TCP, EntryPhase::Tcp(number @ 1..=8)) => {
            let name = TCP_TIMEOUTS[usize::from(number)];
            Some(format!("tcp_timeout_{name}"))
        }
        (SCTP, EntryPhase::Sctp(number @ 1..=8)) => {
            let name = SCTP_STATES[usize::from(number)].to_lowercase();
            Some(format!("sctp_timeout_{name}"))
        }
        (UDP | UDPLITE, EntryPhase::Replied(replied)) => {
            stream("udp_timeout", replied, &[Replied::Assured])
        }
        (GRE, EntryPhase::Replied(replied)) => {
            stream("gre_timeout", replied, &[Replied::Yes, Replied::Assured])
        }
        (ICMP, EntryPhase::Replied(_)) => Some("icmp_timeout".to_owned()),
        (ICMPV6, EntryPhase::Replied(_)) => Some("icmpv6_timeout".to_owned()),
        (protocol, EntryPhase::Replied(_)) if !matches!(protocol, TCP | SCTP) => {
            Some("generic_timeout".to_owned())
        }
        _ => None,
    }
}

/// The name of a policy's timeout by its number (`enum ctattr_timeout_*`).
pub(super) fn policy_timeout(protocol: u8, number: u16) -> String {
    let names: &[&str] = match protocol {
        TCP => &TCP_TIMEOUTS,
        UDP | UDPLITE | GRE => &["unspec", "unreplied", "replied"],
        SCTP => &[
            "unspec",
            "closed",
            "cookie_wait",
            "cookie_echoed",
            "established",
            "shutdown_sent",
            "shutdown_recd",
            "shutdown_ack_sent",
            "heartbeat_sent",
        ],
        _ => &["unspec", "timeout"],
    };
    let name = names.get(usize::from(number));
    name.map_or_else(|| number.to_string(), |name| (*name).to_owned())
}

/// The name of a protocol.
pub(super) fn protocol(number: u8) -> String {
    Protocol(number).to_string()
}
