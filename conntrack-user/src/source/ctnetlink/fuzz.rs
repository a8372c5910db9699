//! What fuzzing gives to the decoders of ctnetlink.

use super::{
    entries::{self, DYING, ENTRIES},
    stats::{CPU, EXPECT_CPU, EXPECTATIONS, GLOBAL, cpu_counters, global, table},
    timeouts::PolicyKind,
};
use crate::source::nfnetlink::{
    attribute::{Malformed, Object},
    message::{Answer, NetlinkRequest},
};

/// What the answers of an input are to.
const SEQUENCE: u32 = 1;

/// Datagrams, each after its length as captured files have them; the first byte says what was asked.
pub fn answers(data: &[u8]) {
    let Some((&which, bytes)) = data.split_first() else {
        return;
    };
    match which % 7 {
        0 => {
            for entry in answer(&ENTRIES, bytes, entries::parse) {
                let name = entry.helper.unwrap_or_default();
                assert_eq!(name[name.len() - 1], 0, "a helper's name ends");
            }
        }
        1 => drop(answer(&DYING, bytes, |_| Ok(()))),
        2 => drop(answer(&GLOBAL, bytes, global)),
        3 => {
            // The same as counters of both kinds.
            let cpus = answer(&CPU, bytes, cpu_counters);
            let expect = answer(&EXPECT_CPU, bytes, cpu_counters);
            if let Ok(stat) = table(&cpus, &expect, 7) {
                assert!(stat.rows().all(|row| row.len() == stat.columns().len()));
            }
        }
        4 => drop(answer(&EXPECTATIONS, bytes, |_| Ok(()))),
        5 => drop(policies(PolicyKind::Ctnetlink, bytes)),
        _ => drop(policies(PolicyKind::Nftables, bytes)),
    }
}

fn policies(kind: PolicyKind, bytes: &[u8]) -> Vec<crate::reading::table_limits::PolicyReading> {
    answer(kind.request(), bytes, |object| kind.parse(object))
}

/// What is decoded until the answer is complete, or is of no use.
fn answer<T>(
    request: &NetlinkRequest,
    bytes: &[u8],
    decode: impl Fn(&Object<'_>) -> Result<T, Malformed>,
) -> Vec<T> {
    let mut answer = Answer::new(request, SEQUENCE);
    let mut rest = bytes;
    while let Some((length, more)) = rest.split_first_chunk() {
        let length = (u32::from_le_bytes(*length) as usize).min(more.len());
        let (datagram, more) = more.split_at(length);
        match answer.take(datagram, &decode) {
            Ok(false) => rest = more,
            Ok(true) => break,
            Err(error) => {
                assert!(error.to_string().len() < 1_000, "{error}");
                break;
            }
        }
    }
    answer.finish().0
}
