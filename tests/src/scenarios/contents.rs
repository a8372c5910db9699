//! What the table is made of, compared with the listing of another program and with what was made.

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    ctpulse::Stream,
    drive::{
        ctnetlink::{Ctnetlink, Flow, Tuple, status},
        expect::{self, Master},
        nat,
    },
    kernel::{nft, run, sysctl, table_buckets, table_max},
    traffic::UdpFlows,
};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// States of TCP connections as they are made here: the kernel's number, how many parts of the flows are in it, and status bits.
const STATES: [(u8, u32, u32); 5] = [
    // SYN_SENT.
    (1, 2, 0),
    // ESTABLISHED.
    (3, 5, status::SEEN_REPLY | status::ASSURED),
    // ESTABLISHED, and still open for eviction.
    (3, 1, status::SEEN_REPLY),
    // TIME_WAIT.
    (7, 11, status::SEEN_REPLY | status::ASSURED),
    // CLOSE.
    (8, 1, status::SEEN_REPLY | status::ASSURED),
];

const PARTS: u32 = 20;

/// Protocol and state.
type Groups = BTreeMap<(String, String), u64>;

/// Makes TCP connections in several states, in a mixed order.
fn connections(number: u32) -> Result<()> {
    let socket = Ctnetlink::open()?;
    let kinds: Vec<(u8, u32)> = STATES
        .into_iter()
        .flat_map(|(state, parts, bits)| (0..parts).map(move |_| (state, bits)))
        .collect();
    ensure!(kinds.len() == PARTS as usize, "{} parts", kinds.len());
    for (n, (state, bits)) in (0..number).zip(kinds.into_iter().cycle()) {
        let address = |network: u8| Ipv4Addr::from(u32::from(network) << 24 | (n / 50_000 + 1));
        let port = |from: u32| u16::try_from(from + n % 50_000);
        let flow = Flow {
            status: bits,
            tcp_state: state,
            ..Flow::of(Tuple {
                protocol: TCP,
                from: (address(10), port(1_024)?),
                to: (address(172), 443),
            })
        };
        socket.insert(&flow)?.with_context(|| format!("{flow:?}"))?;
    }
    Ok(())
}

/// The contents of the first listing.
fn listed() -> Result<(Value, Value)> {
    let mut stream = Stream::start(&["--top", "--probes", "off"])?;
    // They are read beside each other: the first listing of a small table may come before the limits.
    let (contents, limits) = loop {
        let contents = stream.wait_for("what the table is made of", |record| {
            record["type"] == "contents"
        })?;
        let mut records = stream.records().iter();
        if let Some(limits) = records.find(|record| record["type"] == "limits") {
            break (contents, limits.clone());
        }
    };
    stream.stop()?;
    Ok((contents, limits))
}

fn groups(contents: &Value) -> Result<Groups> {
    let groups = contents["groups"].as_array().context("groups")?;
    let group = |group: &Value| {
        let text = |name: &str| group[name].as_str().map(str::to_owned);
        Some(((text("proto")?, text("state")?), group["count"].as_u64()?))
    };
    groups
        .iter()
        .map(|of| group(of).with_context(|| format!("{of}")))
        .collect()
}

/// What `conntrack -L` says of it: groups, and how many are ASSURED, UNREPLIED and neither.
fn by_conntrack() -> Result<(Groups, [u64; 3])> {
    let mut groups = Groups::new();
    let mut marks = [0; 3];
    for line in run(&["conntrack", "-L"])?.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let has = |word: &str| words.contains(&word);
        let mark = match (has("[ASSURED]"), has("[UNREPLIED]")) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        };
        marks[mark] += 1;
        let proto = *words.first().context("an empty line")?;
        let state = match proto {
            "tcp" => words.get(3).copied().context("no state")?,
            _ => ["ASSURED", "UNREPLIED", "REPLIED"][mark],
        };
        *groups
            .entry((proto.to_owned(), state.to_owned()))
            .or_default() += 1;
    }
    Ok((groups, marks))
}

fn count(of: &Value) -> Option<u64> {
    of["count"].as_u64()
}

/// Of a table that stays as it is, every number is that of `conntrack -L`.
pub(super) fn whole() -> Result<()> {
    const CONNECTIONS: u32 = 80_000;
    const UNREPLIED: u32 = 20_000;
    const DESTINATIONS: u8 = 100;
    let translated = u64::from(nat::PORTS) * u64::from(DESTINATIONS);
    connections(CONNECTIONS)?;
    UdpFlows::new()?.send(UNREPLIED)?;
    nat::rules()?;
    nat::crowd(nat::PORTS, DESTINATIONS)?;
    let socket = Ctnetlink::open()?;
    for (n, bits) in [0, status::SEEN_REPLY, status::SEEN_REPLY | status::ASSURED]
        .into_iter()
        .cycle()
        .take(300)
        .enumerate()
    {
        let flow = Flow {
            status: bits,
            ..Flow::of(Tuple {
                protocol: UDP,
                from: (Ipv4Addr::new(10, 9, 0, 1), u16::try_from(n + 1)?),
                to: (Ipv4Addr::new(10, 9, 0, 2), 53),
            })
        };
        socket.insert(&flow)?.context("insert")?;
    }
    let (contents, _) = listed()?;
    let (truth, marks) = by_conntrack()?;
    ensure!(groups(&contents)? == truth, "{contents}, not {truth:?}");
    let all: u64 = truth.values().sum();
    let made = u64::from(CONNECTIONS + UNREPLIED) + translated + 300;
    ensure!(all == made, "{all} entries, not {made}");
    ensure!(
        contents["sampled"] == false && contents["error"] == 0.0,
        "{contents}"
    );
    for name in ["listed", "entries"] {
        ensure!(contents[name] == all, "{name}: {}", contents[name]);
    }
    let names = ["assured", "unreplied", "neither"];
    let found = names.map(|name| count(&contents["marks"][name]));
    ensure!(found == marks.map(Some), "{found:?}, not {marks:?}");
    let snat = count(&contents["marks"]["snat"]);
    ensure!(snat == Some(translated), "{snat:?} translated");
    let evictable = &contents["evictable"];
    let early_drop = marks[1] + marks[2];
    ensure!(
        count(&evictable["early_drop"]) == Some(early_drop),
        "{evictable}"
    );
    // Besides, what is assured and closing.
    let closing = |state: &str| truth[&("tcp".to_owned(), state.to_owned())];
    let nearly_full = early_drop + closing("TIME_WAIT") + closing("CLOSE");
    ensure!(
        count(&evictable["nearly_full"]) == Some(nearly_full),
        "{evictable}"
    );
    // e^(-16 n / b), of 65,536 buckets.
    let chance = 100.0 * (1.0 - (-16.0 * early_drop as f64 / 65_536.0).exp());
    let said = evictable["found_percent"].as_f64().context("no chance")?;
    ensure!((said - chance).abs() < 0.01, "{said} %, not {chance} %");
    println!(
        "{all} entries, {} ms of CPU time: {truth:?}",
        contents["cpu_ms"]
    );
    Ok(())
}

/// Of a million entries a sample says what they are, within its error and in less than a second of CPU time.
pub(super) fn sample() -> Result<()> {
    const CONNECTIONS: u32 = 400_000;
    const UNREPLIED: u32 = 600_000;
    table_max(1_200_000)?;
    table_buckets(524_288)?;
    connections(CONNECTIONS)?;
    UdpFlows::new()?.send(UNREPLIED)?;
    let (contents, limits) = listed()?;
    let all = u64::from(CONNECTIONS + UNREPLIED);
    ensure!(contents["entries"] == all, "{}", contents["entries"]);
    ensure!(contents["sampled"] == true, "{contents}");
    let mut expected = Groups::from([(("udp".into(), "UNREPLIED".into()), UNREPLIED.into())]);
    for (state, parts, _) in STATES {
        let name = match state {
            1 => "SYN_SENT",
            3 => "ESTABLISHED",
            7 => "TIME_WAIT",
            _ => "CLOSE",
        };
        let number = u64::from(CONNECTIONS / PARTS * parts);
        *expected.entry(("tcp".into(), name.into())).or_default() += number;
    }
    let groups = contents["groups"].as_array().context("groups")?;
    ensure!(groups.len() == expected.len(), "{contents}");
    for group in groups {
        let name = |name: &str| group[name].as_str().unwrap_or_default().to_owned();
        let truth = expected[&(name("proto"), name("state"))];
        let share = truth as f64 * 100.0 / all as f64;
        let [said, error] = ["share", "error"].map(|field| group[field].as_f64());
        let (said, error) = said.zip(error).context("no share")?;
        println!(
            "{} {}: {said:.3} % ± {error:.3}, in truth {share:.3} %",
            name("proto"),
            name("state")
        );
        ensure!(error > 0.0 && error < 2.0, "{group}");
        ensure!((said - share).abs() <= error, "{group}, not {share} %");
    }
    let cpu = contents["cpu_ms"].as_f64().context("cpu_ms")?;
    println!(
        "{} of {all} listed in {cpu} ms of CPU time",
        contents["listed"]
    );
    ensure!(cpu < Duration::from_secs(1).as_secs_f64() * 1e3, "{cpu} ms");
    // The slab holds these entries and hardly any others.
    let memory = &limits["memory"];
    ensure!(memory["source"] == "slabinfo", "{memory}");
    let bytes = memory["entry_bytes"].as_f64().context("entry_bytes")?;
    let slab = memory["slab_bytes"].as_f64().context("slab_bytes")?;
    println!("{bytes} bytes an entry, {slab} in all");
    let ratio = slab / (bytes * all as f64);
    ensure!((0.98..1.1).contains(&ratio), "{memory}: {ratio} times");
    Ok(())
}

/// Expectations, buckets, timeouts and policies are those that were made.
pub(super) fn limits() -> Result<()> {
    const EXPECTED: u16 = 30;
    expect::helpers()?;
    sysctl("net/netfilter/nf_conntrack_expect_max", 120)?;
    let masters = (1..=EXPECTED)
        .map(Master::make)
        .collect::<Result<Vec<_>>>()?;
    for (master, port) in masters.iter().zip(1..) {
        master.expect(port)?;
    }
    sysctl("net/netfilter/nf_conntrack_tcp_timeout_time_wait", 77)?;
    nft(
        "add ct timeout inet t short { protocol tcp; l3proto ip; policy = { established : 100, close : 4 } ; }",
    )?;
    let (contents, limits) = listed()?;
    let expectations = &limits["expectations"];
    ensure!(expectations["held"] == EXPECTED, "{expectations}");
    ensure!(
        expectations["max"] == 120 && expectations["utilization"] == 25.0,
        "{expectations}"
    );
    let helpers = contents["helpers"].as_array().context("helpers")?;
    ensure!(
        helpers.len() == 1 && count(&helpers[0]) == Some(EXPECTED.into()),
        "{helpers:?}"
    );
    ensure!(limits["hash"]["buckets"] == 65_536, "{}", limits["hash"]);
    let timeouts = limits["timeouts"].as_array().context("timeouts")?;
    let setting = |settings: &[Value], name: &str| {
        let found = settings.iter().find(|setting| setting["name"] == name);
        found.and_then(|setting| setting["seconds"].as_u64())
    };
    ensure!(
        setting(timeouts, "tcp_timeout_time_wait") == Some(77),
        "{timeouts:?}"
    );
    let policies = limits["policies"].as_array().context("policies")?;
    let [policy] = policies.as_slice() else {
        anyhow::bail!("policies: {policies:?}");
    };
    ensure!(
        policy["name"] == "short" && policy["proto"] == "tcp",
        "{policy}"
    );
    let timeouts = policy["timeouts"].as_array().context("timeouts")?;
    ensure!(setting(timeouts, "established") == Some(100), "{policy}");
    ensure!(setting(timeouts, "close") == Some(4), "{policy}");
    Ok(())
}
