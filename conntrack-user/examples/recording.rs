//! What was worth a look in a recording: alerts, bursts, and what the fullest moment was.
//!
//! ```sh
//! cargo +1.98.0 run -p conntrack-user --example recording tests/fixtures/recordings/incident-6.12.ctp
//! ```

#![expect(
    clippy::disallowed_macros,
    reason = "a program of its own, which prints as it likes"
)]

use std::{env, error::Error};

use conntrack_user::{
    record::Record,
    recording::{Ending, Recording, RecordingError},
};

fn main() -> Result<(), Box<dyn Error>> {
    let file = env::args_os()
        .nth(1)
        .ok_or("usage: recording FILE, made by `ctpulse record FILE`")?;
    let mut recording = Recording::open(file)?;
    let mut fullest: Option<(f64, String)> = None;
    for record in &mut recording {
        match record {
            Ok(Record::Hello(hello)) => println!("{}, Linux {}", hello.hostname, hello.kernel),
            Ok(Record::Sample(sample)) => {
                let fuller = sample.utilization.filter(|now| {
                    let before = fullest.as_ref();
                    before.is_none_or(|(before, _)| now > before)
                });
                if let Some(utilization) = fuller {
                    fullest = Some((utilization, sample.time.to_string()));
                }
            }
            Ok(Record::Alert(alert)) => {
                println!(
                    "{} {}: {} {}",
                    alert.time, alert.instance, alert.name, alert.status
                );
            }
            Ok(Record::Burst(burst)) => println!(
                "{} {}: {} {} in {} ms",
                burst.end, burst.instance, burst.count, burst.counter, burst.duration_ms
            ),
            Ok(_) => {}
            // What follows the damage can still be read.
            Err(error @ RecordingError::Damage { .. }) => eprintln!("{error}"),
            Err(error) => return Err(error.into()),
        }
    }
    if let Some((utilization, time)) = fullest {
        println!("fullest: {utilization:.1} % at {time}");
    }
    if recording.ending() != Ending::Complete {
        println!("it ends without a summary");
    }
    Ok(())
}
