use std::{fs, os::unix::net::UnixDatagram, time::Instant as TestInstant};

use super::*;

/// Records of a guest, of each type.
fn records() -> Vec<Record> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fixtures/recordings/incident-6.12.ctp");
    let file = crate::recording::open(&path).unwrap();
    let records = crate::recording::Recording::part(&path, file, None, None);
    records.map(Result::unwrap).collect()
}

/// One of those that are written.
fn one_of(records: &[Record]) -> &[Record] {
    let is_written = |record: &&Record| entry(record).is_ok_and(|entry| entry.is_some());
    let record = records.iter().find(is_written);
    std::slice::from_ref(record.unwrap())
}

fn start(target: &EventTarget) -> (EventLog, Arc<AtomicBool>, Diagnostics) {
    let (reopen, diagnostics) = (Arc::<AtomicBool>::default(), Diagnostics::new());
    diagnostics.keep();
    let log = EventLog::start(target, Arc::clone(&reopen), diagnostics.clone()).unwrap();
    (log, reopen, diagnostics)
}

fn wait_until(is: impl Fn() -> bool) {
    let start = TestInstant::now();
    while !is() {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).unwrap_or_default().lines().count()
}

#[test]
fn what_happens_is_in_the_file_as_in_a_stream() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events");
    let records = records();
    let (log, _, diagnostics) = start(&EventTarget::File(path.clone()));
    log.take(&records);
    log.end();
    let text = fs::read_to_string(&path).unwrap();
    let written = text
        .lines()
        .map(|line| serde_json::from_str::<Record>(line).unwrap());
    let expected = records.into_iter().filter(|record| {
        matches!(
            record,
            Record::Event(_) | Record::Burst(_) | Record::Alert(_) | Record::Verdict(_)
        )
    });
    let expected: Vec<Record> = expected.collect();
    assert!(expected.len() > 5, "{}", expected.len());
    assert_eq!(written.collect::<Vec<_>>(), expected);
    assert!(diagnostics.take().is_empty());
}

#[test]
fn a_file_that_is_moved_away_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (path, moved) = (dir.path().join("events"), dir.path().join("events.1"));
    let records = records();
    let record = one_of(&records);
    let (log, reopen, _) = start(&EventTarget::File(path.clone()));
    log.take(record);
    wait_until(|| lines(&path) == 1);
    fs::rename(&path, &moved).unwrap();
    reopen.store(true, Ordering::Relaxed);
    wait_until(|| path.exists());
    log.take(record);
    wait_until(|| lines(&path) == 1);
    // Without being asked to.
    fs::remove_file(&path).unwrap();
    wait_until(|| path.exists());
    log.take(record);
    log.end();
    assert_eq!((lines(&path), lines(&moved)), (1, 1));
}

#[test]
fn what_could_not_be_written_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let listener = UnixDatagram::bind(&path).unwrap();
    let records = records();
    let record = one_of(&records);
    let (log, _, diagnostics) = start(&EventTarget::Journal(path.clone()));
    drop(listener);
    fs::remove_file(&path).unwrap();
    log.take(record);
    let told = |part: &str| diagnostics.take().iter().any(|line| line.contains(part));
    wait_until(|| told("cannot write events to the journal"));
    let listener = UnixDatagram::bind(&path).unwrap();
    listener
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let mut bytes = vec![0; 1 << 16];
    let length = listener.recv(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
    assert!(
        text.contains("CTPULSE_JSON={\"type\":\"dropped\",\"records\":1}\n"),
        "{text}"
    );
    log.take(record);
    let length = listener.recv(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
    assert!(
        text.contains("CTPULSE_TYPE=") && !text.contains("dropped"),
        "{text}"
    );
    log.end();
}

#[test]
fn a_target_that_cannot_be_had_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("missing/file");
    for target in [EventTarget::File(path.clone()), EventTarget::Journal(path)] {
        let log = EventLog::start(&target, Arc::default(), Diagnostics::new());
        let error = log.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("missing/file: No such file"), "{error}");
    }
}
