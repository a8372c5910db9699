//! Datagrams as the kernel makes them, for tests of this and other modules.

use super::NLMSGHDR;

pub(crate) fn message(kind: i32, flags: i32, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = ((NLMSGHDR + payload.len()) as u32).to_ne_bytes().to_vec();
    bytes.extend((kind as u16).to_ne_bytes());
    bytes.extend((flags as u16).to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend(77_u32.to_ne_bytes());
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

pub(crate) fn object(resource: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0, 0];
    bytes.extend(resource.to_be_bytes());
    for (kind, value) in attributes {
        bytes.extend(((4 + value.len()) as u16).to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(*value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

pub(crate) fn done(sequence: u32) -> Vec<u8> {
    message(
        libc::NLMSG_DONE,
        libc::NLM_F_MULTI,
        sequence,
        &0_i32.to_ne_bytes(),
    )
}
