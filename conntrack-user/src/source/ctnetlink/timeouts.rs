//! Timeouts that rules give to chosen flows: the requests, and the parser of what the answers hold. No IO.

use crate::{
    reading::table_limits::PolicyReading,
    source::nfnetlink::{
        attribute::{Attribute, Malformed, Object},
        message::NetlinkRequest,
    },
};

/// Who keeps a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyKind {
    /// ctnetlink, for nfct(8) and the target CT of iptables.
    Ctnetlink,
    /// nftables: an object `ct timeout`.
    Nftables,
}

// linux/netfilter/nfnetlink_cttimeout.h
const CTTIMEOUT: NetlinkRequest = NetlinkRequest {
    name: "IPCTNL_MSG_TIMEOUT_GET",
    module: "nfnetlink_cttimeout",
    subsystem: libc::NFNL_SUBSYS_CTNETLINK_TIMEOUT as u8,
    answer_subsystem: libc::NFNL_SUBSYS_CTNETLINK_TIMEOUT as u8,
    message: 1,
    // IPCTNL_MSG_TIMEOUT_NEW
    answer_message: Some(0),
    family: libc::AF_UNSPEC as u8,
    dump: true,
    attributes: &[],
};
const CTTIMEOUT_ATTRIBUTES: PolicyAttributes = PolicyAttributes {
    name: 1,
    protocol: 3,
    timeouts: 4,
    uses: 5,
    nested: None,
};

// linux/netfilter/nf_tables.h
const NFTABLES: NetlinkRequest = NetlinkRequest {
    name: "NFT_MSG_GETOBJ",
    module: "nf_tables",
    subsystem: libc::NFNL_SUBSYS_NFTABLES as u8,
    answer_subsystem: libc::NFNL_SUBSYS_NFTABLES as u8,
    message: 19,
    // NFT_MSG_NEWOBJ
    answer_message: Some(18),
    // NFTA_OBJ_TYPE: NFT_OBJECT_CT_TIMEOUT
    attributes: &[(3, 7)],
    ..CTTIMEOUT
};
const NFTABLES_ATTRIBUTES: PolicyAttributes = PolicyAttributes {
    name: 2,
    protocol: 2,
    timeouts: 3,
    uses: 5,
    nested: Some(4),
};

/// The numbers of attributes.
struct PolicyAttributes {
    name: u16,
    protocol: u16,
    timeouts: u16,
    uses: u16,
    /// What has the protocol and the timeouts, where they are not beside the name.
    nested: Option<u16>,
}

impl PolicyKind {
    pub(super) const fn request(self) -> &'static NetlinkRequest {
        match self {
            Self::Ctnetlink => &CTTIMEOUT,
            Self::Nftables => &NFTABLES,
        }
    }

    /// The module without which there is none.
    #[must_use]
    pub const fn module(self) -> &'static str {
        self.request().module
    }

    /// Parses a policy.
    ///
    /// # Errors
    ///
    /// When an attribute has the wrong length.
    pub(super) fn parse(self, object: &Object<'_>) -> Result<PolicyReading, Malformed> {
        let known = match self {
            Self::Ctnetlink => &CTTIMEOUT_ATTRIBUTES,
            Self::Nftables => &NFTABLES_ATTRIBUTES,
        };
        let mut policy = PolicyReading::default();
        for attribute in object.attributes() {
            let attribute = attribute?;
            let kind = attribute.kind;
            if kind == known.name {
                let name = attribute.bytes_of_string();
                policy.name = String::from_utf8_lossy(name).into_owned();
            } else if kind == known.uses {
                policy.uses = attribute.be32()?.into();
            } else if Some(kind) == known.nested {
                for inner in attribute.nested() {
                    known.take(&inner?, &mut policy)?;
                }
            } else if known.nested.is_none() {
                known.take(&attribute, &mut policy)?;
            }
        }
        Ok(policy)
    }
}

impl PolicyAttributes {
    fn take(&self, attribute: &Attribute<'_>, policy: &mut PolicyReading) -> Result<(), Malformed> {
        if attribute.kind == self.protocol {
            policy.protocol = attribute.value.first().copied().unwrap_or_default();
        } else if attribute.kind == self.timeouts {
            for timeout in attribute.nested() {
                let timeout = timeout?;
                policy.timeouts.push((timeout.kind, timeout.be32()?.into()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::nfnetlink::message::{Answer, build};

    fn nested(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        build::object(0, attributes)[4..].to_vec()
    }

    fn read(kind: PolicyKind, attributes: &[(u16, &[u8])]) -> Vec<PolicyReading> {
        let request = kind.request();
        let of = i32::from(request.subsystem) << 8 | i32::from(request.answer_message.unwrap());
        let mut answer = Answer::new(request, 3);
        let object = build::object(0, attributes);
        let mut datagram = build::message(of, libc::NLM_F_MULTI, 3, &object);
        datagram.extend(build::done(3));
        assert!(answer.take(&datagram, |object| kind.parse(object)).unwrap());
        answer.finish().0
    }

    #[test]
    fn policies_of_both_kinds() {
        // ESTABLISHED and TIME_WAIT.
        let timeouts = nested(&[(3, &[0, 0, 14, 16]), (7, &[0, 0, 0, 10])]);
        let expected = [PolicyReading {
            name: "short".to_owned(),
            protocol: 6,
            uses: 2,
            timeouts: vec![(3, 3600), (7, 10)],
        }];
        let (name, uses): (&[u8], &[u8]) = (b"short\0", &[0, 0, 0, 2]);
        let l3: (u16, &[u8]) = (2, &[0, 2]);
        let by_ctnetlink = [(1, name), l3, (3, &[6]), (4, &timeouts), (5, uses)];
        assert_eq!(read(PolicyKind::Ctnetlink, &by_ctnetlink), expected);
        let data = nested(&[(1, &[0, 2]), (2, &[6]), (3, &timeouts)]);
        let by_nftables = [
            (1, &b"filter\0"[..]),
            (2, name),
            (3, &[0, 0, 0, 7]),
            (4, &data),
            (5, uses),
        ];
        assert_eq!(read(PolicyKind::Nftables, &by_nftables), expected);
    }
}
