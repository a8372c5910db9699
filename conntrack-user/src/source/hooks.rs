//! Whether conntrack is hooked into a network namespace: without that no packet is tracked in it.
//!
//! The first rule of nftables or iptables that needs it registers conntrack's hooks, per namespace
//! and family (`nf_ct_netns_get()`). nfnetlink_hook (5.14 and later, where configured) lists what is
//! registered, as `nft list hooks` shows it.

use crate::{
    reading::hooks::Hooks,
    source::nfnetlink::{
        attribute::{Malformed, Object},
        message::NetlinkRequest,
        socket::{NetlinkError, NetlinkSocket},
    },
};

const IPV4: NetlinkRequest = NetlinkRequest {
    name: "NFNL_MSG_HOOK_GET",
    module: "nfnetlink_hook",
    subsystem: libc::NFNL_SUBSYS_HOOK as u8,
    answer_subsystem: libc::NFNL_SUBSYS_HOOK as u8,
    message: 0,
    answer_message: None,
    family: libc::NFPROTO_IPV4 as u8,
    dump: true,
    // NFNLA_HOOK_HOOKNUM
    attributes: &[(1, libc::NF_INET_PRE_ROUTING as u32)],
};

const IPV6: NetlinkRequest = NetlinkRequest {
    family: libc::NFPROTO_IPV6 as u8,
    ..IPV4
};

/// `NFNLA_HOOK_FUNCTION_NAME`
const FUNCTION_NAME: u16 = 4;

/// Conntrack's functions at PRE_ROUTING (`net/netfilter/nf_conntrack_proto.c`).
const FUNCTIONS: [&[u8]; 2] = [b"ipv4_conntrack_in", b"ipv6_conntrack_in"];

/// Asks for the calling thread's network namespace. To answer, the kernel loads its module nfnetlink_hook, which does nothing
/// else.
#[must_use]
pub fn read() -> Hooks {
    match registered() {
        Ok(true) => Hooks::Registered,
        Ok(false) => Hooks::Absent,
        Err(NetlinkError::Unsupported(..)) => {
            Hooks::Unknown("this kernel cannot list hooks: it has no nfnetlink_hook".to_owned())
        }
        Err(NetlinkError::NotPermitted(..)) => {
            Hooks::Unknown("listing hooks needs CAP_NET_ADMIN".to_owned())
        }
        Err(error) => Hooks::Unknown(error.to_string()),
    }
}

fn registered() -> Result<bool, NetlinkError> {
    let mut socket = NetlinkSocket::open()?;
    for request in [IPV4, IPV6] {
        // Whether the list changed meanwhile does not matter: what was listed was registered. Besides, many kernels (6.12 for
        // one) flag every list as changed, because nfnl_hook_dump() takes its end for a change.
        let (hooks, _) = socket
            .ask(&request, is_conntrack)?
            .ok_or(NetlinkError::Incomplete(request, 1))?;
        if hooks.contains(&true) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_conntrack(hook: &Object<'_>) -> Result<bool, Malformed> {
    let mut found = false;
    for attribute in hook.attributes() {
        let attribute = attribute?;
        found |=
            attribute.kind == FUNCTION_NAME && FUNCTIONS.contains(&attribute.bytes_of_string());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::nfnetlink::message::{Answer, AnswerError, build};

    #[test]
    fn conntrack_is_recognised_by_its_function() -> Result<(), AnswerError> {
        let check = |function: &[u8], expected: bool| {
            let hook = build::object(0, &[(5, b"nf_conntrack\0"), (4, function), (1, &[0; 4])]);
            let mut answer = Answer::new(&IPV4, 1);
            let datagram = [build::message(0x0c00, 2, 1, &hook), build::done(1)].concat();
            assert!(answer.take(&datagram, is_conntrack)?);
            assert_eq!(answer.finish().0, [expected]);
            Ok(())
        };
        check(b"ipv4_conntrack_in\0", true)?;
        check(b"ipv6_conntrack_in\0", true)?;
        check(b"ipv4_conntrack_defrag\0", false)?;
        check(b"", false)
    }
}
