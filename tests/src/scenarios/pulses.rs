//! Bursts that ctpulse must find, and loads without bursts.
//!
//! A sender in a guest, which may be emulated and share its CPUs, is delayed now and then; then its packets are not as planned.
//! So the sender records the time of each packet, ctpulse's bursts are compared with those times, and a transmission whose pauses
//! were far from the plan is repeated.

use std::{
    iter,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use jiff::{SignedDuration, Timestamp};

use crate::{
    ctpulse::{ReportedBurst, Stream},
    traffic::UdpFlows,
};

/// The most that a burst's edges may differ from its sender's times.
const TOLERANCE_US: i64 = 2_000;

/// A pause that is longer by this much changes a burst, or splits it. Without other traffic, a burst ends 9 ms after its first
/// packet, and 17 ms after others.
const HELD_UP: Duration = Duration::from_millis(7);

/// The same in noise for the first and the last packets, a few of which must be far above the noise.
const HELD_UP_IN_NOISE: Duration = Duration::from_millis(3);

/// The number of those packets.
const EDGE: usize = 20;

/// The same for a load that starts: after 17 ms it has ended and starts again.
const HELD_UP_LOAD: Duration = Duration::from_millis(14);

/// The most attempts at a transmission.
const ATTEMPTS: usize = 20;

/// Counters that must all agree.
const COUNTERS: [&str; 3] = ["alloc", "new", "inserted"];

/// When a packet was sent: the times just before and just after.
type SentAt = [Timestamp; 2];

/// What to send.
struct Plan {
    /// The pause before each packet.
    pauses: Vec<Duration>,
    /// The first packet of each burst, and the one after its last.
    bursts: Vec<(usize, usize)>,
    /// The packets that may not be delayed by more than this.
    matter: std::ops::Range<usize>,
    held_up: Duration,
    /// The same limit for the first and the last of them.
    held_up_at_edges: Duration,
}

/// The transmission that went as planned, and everything sent in failed attempts.
struct Sending {
    packets: Vec<SentAt>,
    in_vain: Vec<Vec<SentAt>>,
}

pub(super) fn square() -> Result<()> {
    found(&Plan {
        pauses: even(500, Duration::from_millis(40)),
        bursts: vec![(0, 500)],
        matter: 0..500,
        held_up: HELD_UP,
        held_up_at_edges: HELD_UP,
    })
}

/// The rate at the end is ten times that after the first packets.
pub(super) fn ramp() -> Result<()> {
    // The rate rises in proportion to time: the nth packet is due at the square root of n.
    let due = |n: u32| Duration::from_millis(60).mul_f64((f64::from(n) / 500.0).sqrt());
    found(&Plan {
        pauses: (1..=500).map(|n| due(n) - due(n - 1)).collect(),
        bursts: vec![(0, 500)],
        matter: 0..500,
        held_up: HELD_UP,
        held_up_at_edges: HELD_UP,
    })
}

pub(super) fn two() -> Result<()> {
    let mut pauses = even(200, Duration::from_millis(12));
    pauses.push(Duration::from_millis(30));
    pauses.extend(even(199, Duration::from_millis(12)));
    found(&Plan {
        pauses,
        bursts: vec![(0, 200), (200, 400)],
        matter: 0..400,
        held_up: HELD_UP,
        held_up_at_edges: HELD_UP,
    })
}

pub(super) fn in_noise() -> Result<()> {
    let mut noise = Noise(1);
    let mut pauses: Vec<Duration> = (0..500).map(|_| noise.pause(300.0)).collect();
    pauses.extend(even(500, Duration::from_millis(40)));
    pauses.extend((0..150).map(|_| noise.pause(300.0)));
    found(&Plan {
        pauses,
        bursts: vec![(500, 1000)],
        matter: 500..1000,
        held_up: HELD_UP,
        held_up_at_edges: HELD_UP_IN_NOISE,
    })
}

/// Loads that start, continue and end, and one that started before ctpulse.
pub(super) fn steady() -> Result<()> {
    let mut flows = UdpFlows::new()?;
    for rate in [1_000, 5_000] {
        let plan = Plan {
            pauses: even(rate * 5 / 2, Duration::from_millis(2_500)),
            bursts: Vec::new(),
            // A load that is delayed before it is known as a level is first a burst, then a level.
            matter: 0..rate as usize * 11 / 10,
            held_up: HELD_UP_LOAD,
            held_up_at_edges: HELD_UP_LOAD,
        };
        let mut stream = learned()?;
        let sending = as_planned(&mut flows, &plan)?;
        let span = span(&sending.packets);
        well_after(&mut stream, span[1])?;
        let ended = stream.stop()?;
        for counter in COUNTERS {
            let bursts = ended.bursts(counter)?;
            let false_ones: Vec<_> = bursts.iter().filter(|b| b.overlaps(span)).collect();
            ensure!(false_ones.is_empty(), "{counter}: {false_ones:?}");
        }
    }

    let over = AtomicBool::new(false);
    let (sent, ended) = thread::scope(|scope| -> Result<_> {
        let pause = || (!over.load(Ordering::Relaxed)).then_some(Duration::from_millis(1));
        let pauses = iter::from_fn(pause);
        let load = scope.spawn(|| flows.send_paced(pauses));
        let ended = Stream::start(&[]).and_then(|mut stream| {
            stream.samples(20)?;
            stream.stop()
        });
        over.store(true, Ordering::Relaxed);
        let sent = load.join().map_err(|_| anyhow!("the sender panicked"))??;
        Ok((sent, ended?))
    })?;
    println!("{} packets before, during and after", sent.len());
    for counter in COUNTERS {
        let bursts = ended.bursts(counter)?;
        ensure!(bursts.is_empty(), "{counter}: {bursts:?}");
    }
    Ok(())
}

/// Sends the bursts of a plan, and requires that they are found, and nothing else.
fn found(plan: &Plan) -> Result<()> {
    let mut stream = learned()?;
    let sending = as_planned(&mut UdpFlows::new()?, plan)?;
    let last = sending.packets.last().context("nothing was sent")?[1];
    well_after(&mut stream, last)?;
    let ended = stream.stop()?;
    ended.no_mismatch()?;
    for counter in COUNTERS {
        let all = ended.bursts(counter)?;
        let elsewhere = |burst: &&ReportedBurst| {
            let mut sent = sending.in_vain.iter().chain([&sending.packets]);
            !sent.any(|packets| burst.overlaps(span(packets)))
        };
        let false_ones: Vec<&ReportedBurst> = all.iter().filter(elsewhere).collect();
        ensure!(false_ones.is_empty(), "{counter}: {false_ones:?}");
        let found: Vec<&ReportedBurst> = all
            .iter()
            .filter(|burst| burst.overlaps(span(&sending.packets)))
            .collect();
        ensure!(
            found.len() == plan.bursts.len(),
            "{counter}: {} bursts instead of {}: {found:?}",
            found.len(),
            plan.bursts.len()
        );
        for (burst, &(first, end)) in found.into_iter().zip(&plan.bursts) {
            burst
                .is(&sending.packets, first..end)
                .with_context(|| format!("{counter}: {burst:?}"))?;
        }
    }
    Ok(())
}

/// A ctpulse that has learned the usual rate.
fn learned() -> Result<Stream> {
    let mut stream = Stream::start(&[])?;
    stream.samples(10)?;
    Ok(stream)
}

/// Waits until every burst up to then is either found or not.
fn well_after(stream: &mut Stream, last: Timestamp) -> Result<()> {
    stream.wait_for_sample("sample well after the last packet", |sample| {
        let time = sample["time"].as_str().and_then(|time| time.parse().ok());
        time.is_some_and(|time: Timestamp| time.as_millisecond() > last.as_millisecond() + 300)
    })?;
    Ok(())
}

/// Sends until none of the relevant packets was delayed.
fn as_planned(flows: &mut UdpFlows, plan: &Plan) -> Result<Sending> {
    let mut in_vain = Vec::new();
    for attempt in 1..=ATTEMPTS {
        let packets = flows.send_paced(plan.pauses.iter().copied())?;
        let late = |i: usize| {
            let pause = packets[i][0].duration_since(packets[i - 1][1]);
            let inner = plan.matter.start + EDGE..plan.matter.end - EDGE;
            let limit = if inner.contains(&i) {
                plan.held_up
            } else {
                plan.held_up_at_edges
            };
            Duration::try_from(pause).unwrap_or_default() > plan.pauses[i] + limit
        };
        let held_up = plan.matter.clone().skip(1).filter(|&i| late(i)).count();
        if held_up == 0 {
            println!(
                "{} packets in {:?}, as planned at attempt {attempt}",
                packets.len(),
                span(&packets)[1].duration_since(span(&packets)[0])
            );
            return Ok(Sending { packets, in_vain });
        }
        println!("attempt {attempt}: {held_up} packets were held up");
        in_vain.push(packets);
        // A pause, so that the next burst is separate, and bursts do not become usual.
        thread::sleep(Duration::from_millis(1500));
    }
    bail!("the sender was held up in each of {ATTEMPTS} attempts")
}

/// Packets at equal distances.
fn even(packets: u32, time: Duration) -> Vec<Duration> {
    vec![time / packets; packets as usize]
}

/// Independent events.
struct Noise(u64);

impl Noise {
    /// The pause before the next event, at a rate per second.
    fn pause(&mut self, rate: f64) -> Duration {
        // Knuth's MMIX generator, whose upper bits are good enough.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let uniform = ((self.0 >> 33) as f64 + 1.0) / f64::from(1_u32 << 31);
        Duration::from_secs_f64(-uniform.ln() / rate)
    }
}

/// From before the first packet to after the last.
fn span(packets: &[SentAt]) -> SentAt {
    let edge = |packet: Option<&SentAt>, i: usize| packet.map_or(Timestamp::UNIX_EPOCH, |p| p[i]);
    [edge(packets.first(), 0), edge(packets.last(), 1)]
}

impl ReportedBurst {
    /// Requires that it has the times of these packets, and contains all that were sent in it.
    fn is(&self, packets: &[SentAt], expected: std::ops::Range<usize>) -> Result<()> {
        let inside = &packets[expected];
        let (first, last) = inside.first().zip(inside.last()).context("no packets")?;
        let off = [outside(self.start, *first), outside(self.end, *last)];
        println!(
            "placed {} us from its start and {} us from its end",
            off[0], off[1]
        );
        ensure!(
            off.iter().all(|off| off.abs() <= TOLERANCE_US),
            "off by {off:?} us"
        );
        // The sender's clock cannot tell whether packets at its edges are in it.
        let near = SignedDuration::from_micros(200);
        let overlapping = |near: SignedDuration| {
            let burst = ReportedBurst {
                start: self.start - near,
                end: self.end + near,
                ..*self
            };
            packets
                .iter()
                .filter(|packet| burst.overlaps(**packet))
                .count() as u64
        };
        let (least, most) = (overlapping(-near), overlapping(near));
        println!("{} counted, {least}..{most} sent", self.count);
        ensure!((least..=most).contains(&self.count), "not {least}..{most}");
        ensure!(self.count >= inside.len() as u64, "less than were sent");
        Ok(())
    }
}

/// The distance of a time from a span, in microseconds: negative before it.
fn outside(moment: Timestamp, [from, to]: SentAt) -> i64 {
    let moment = moment.as_microsecond();
    moment - moment.clamp(from.as_microsecond(), to.as_microsecond())
}
