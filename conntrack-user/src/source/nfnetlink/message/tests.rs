use proptest::prelude::*;

use crate::source::nfnetlink::{
    attribute::*,
    message::{build::*, *},
};

const DUMP: NetlinkRequest = NetlinkRequest {
    name: "LIST",
    module: "some_module",
    subsystem: 2,
    answer_subsystem: 1,
    message: 4,
    answer_message: None,
    family: 0,
    dump: true,
    attributes: &[],
};
const KIND: i32 = 0x0104;

/// The resource ids and first attributes in an answer that comes as these datagrams.
fn answer(
    request: &NetlinkRequest,
    datagrams: &[Vec<u8>],
) -> Result<(Vec<(u16, u32)>, bool), AnswerError> {
    let mut answer = Answer::new(request, 9);
    for datagram in datagrams {
        if answer.take(datagram, decode)? {
            return Ok(answer.finish());
        }
    }
    panic!("the answer is not complete")
}

fn decode(object: &Object<'_>) -> Result<(u16, u32), Malformed> {
    let mut first = 0;
    for attribute in object.attributes() {
        first = attribute?.be32()?;
    }
    Ok((object.resource, first))
}

fn item(resource: u16, value: u32) -> Vec<u8> {
    let attributes = object(resource, &[(1, &value.to_be_bytes())]);
    message(KIND, libc::NLM_F_MULTI, 9, &attributes)
}

#[test]
fn a_request_has_its_header_and_attributes() {
    let request = NetlinkRequest {
        family: 2,
        attributes: &[(1, 0x0102)],
        ..DUMP
    };
    let mut expected = message(0x0204, 0x301, 9, &[2, 0, 0, 0, 8, 0, 1, 0, 0, 0, 1, 2]);
    // The kernel fills in the port that a request comes from.
    expected[12..16].fill(0);
    if cfg!(target_endian = "little") {
        assert_eq!(request.encode(9), expected);
    }
}

#[test]
fn a_dump_goes_on_until_it_is_done() {
    let datagrams = [[item(0, 5), item(1, 6)].concat(), item(2, 7), done(9)];
    assert_eq!(
        answer(&DUMP, &datagrams),
        Ok((vec![(0, 5), (1, 6), (2, 7)], false))
    );
    assert_eq!(answer(&DUMP, &[done(9)]), Ok((Vec::new(), false)));
}

#[test]
fn a_single_answer_is_complete_at_once() {
    let one = NetlinkRequest {
        dump: false,
        ..DUMP
    };
    assert_eq!(answer(&one, &[item(0, 5)]), Ok((vec![(0, 5)], false)));
    assert!(answer(&one, &[done(9)]).is_err());
}

#[test]
fn an_interrupted_dump_says_so() {
    let flags = libc::NLM_F_MULTI | libc::NLM_F_DUMP_INTR;
    let changed = message(KIND, flags, 9, &object(0, &[]));
    assert_eq!(answer(&DUMP, &[changed, done(9)]), Ok((vec![(0, 0)], true)));
}

#[test]
fn an_error_of_the_kernel_is_returned() {
    let refusal = |kind, errno: i32| message(kind, 0, 9, &(-errno).to_ne_bytes());
    for kind in [libc::NLMSG_ERROR, libc::NLMSG_DONE] {
        assert_eq!(
            answer(&DUMP, &[refusal(kind, libc::EPERM)]),
            Err(AnswerError::Refused(libc::EPERM))
        );
    }
    let overrun = message(libc::NLMSG_OVERRUN, 0, 9, &[]);
    assert_eq!(answer(&DUMP, &[overrun]), Err(AnswerError::Overrun));
    let most_negative = message(libc::NLMSG_ERROR, 0, 9, &i32::MIN.to_ne_bytes());
    assert_eq!(
        answer(&DUMP, &[most_negative]),
        Err(AnswerError::Refused(i32::MAX))
    );
}

#[test]
fn the_answer_to_another_question_is_refused() {
    let unasked = |found, sequence| Err(Malformed::Unasked { found, sequence }.into());
    let late = message(KIND, 0, 8, &object(0, &[]));
    assert_eq!(answer(&DUMP, &[late]), unasked(0x0104, 8));
    let other = message(0x0105, 0, 9, &object(0, &[]));
    assert_eq!(answer(&DUMP, &[other]), unasked(0x0105, 9));
    let acknowledged = message(libc::NLMSG_ERROR, 0, 9, &0_i32.to_ne_bytes());
    assert_eq!(answer(&DUMP, &[acknowledged]), unasked(2, 9));
}

#[test]
fn contradictory_lengths_are_refused() {
    let length = |what, length, room| Err(Malformed::Length { what, length, room }.into());
    assert_eq!(
        answer(&DUMP, &[vec![0; 15]]),
        length("netlink message", 15, 15)
    );
    let mut long = item(0, 1);
    long[0] += 1;
    assert_eq!(answer(&DUMP, &[long]), length("netlink message", 29, 28));
    let mut none = item(0, 1);
    none[0] = 0;
    assert_eq!(answer(&DUMP, &[none]), length("netlink message", 0, 28));
    assert_eq!(
        answer(&DUMP, &[message(KIND, 0, 9, &[0, 0])]),
        length("nfnetlink header", 4, 2)
    );
    assert_eq!(
        answer(&DUMP, &[message(libc::NLMSG_DONE, 0, 9, &[0])]),
        length("netlink error code", 4, 1)
    );
    let with = |bytes: &[u8]| answer(&DUMP, &[message(KIND, 0, 9, bytes)]);
    assert_eq!(
        with(&[0, 0, 0, 0, 3, 0, 1, 0]),
        length("netlink attribute", 3, 4)
    );
    assert_eq!(
        with(&[0, 0, 0, 0, 9, 0, 1, 0]),
        length("netlink attribute", 9, 4)
    );
    assert_eq!(
        with(&[0, 0, 0, 0, 6, 0, 1, 0, 1, 2, 0, 0]),
        length("32-bit attribute", 2, 4)
    );
}

proptest! {
    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Answer::new(&DUMP, 0).take(&bytes, decode);
    }

    /// Like the above, but gets past the first checks.
    #[test]
    fn never_panics_on_a_damaged_answer(
        values in prop::collection::vec((any::<u16>(), any::<u32>()), 1..5),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes: Vec<u8> = values.iter().flat_map(|&(id, value)| item(id, value)).collect();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        let _ = Answer::new(&DUMP, 9).take(&bytes, decode);
    }
}
