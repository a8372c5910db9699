use std::{
    fs::{self, File},
    io::ErrorKind,
    net::UdpSocket,
    process::Command,
    sync::mpsc::channel,
    thread,
};

use super::*;
use crate::privileges::needs::NamespaceUse;

/// The name of the test that only a process of its own can be: what it does cannot be taken back.
const FILTERED: &str = "privileges::filter::tests::in_a_process_of_its_own";

#[test]
fn other_calls_are_refused_to_all_threads() {
    let exe = std::env::current_exe().unwrap();
    let child = Command::new(exe)
        .args(["--exact", FILTERED, "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{output}");
    assert!(output.contains("1 passed"), "{output}");
}

#[test]
#[ignore = "filters the system calls of the whole process: run by the test above"]
fn in_a_process_of_its_own() {
    let (go, wait) = channel::<()>();
    let other = thread::spawn(move || {
        wait.recv().unwrap();
        File::create("/dev/null").map(drop).map_err(|e| e.kind())
    });
    leave_only(&Uses {
        namespaces: NamespaceUse::Own,
        ..Uses::default()
    })
    .unwrap();
    let refused = Some(ErrorKind::PermissionDenied);
    let kind = |error: io::Error| error.kind();
    assert_eq!(Command::new("true").spawn().map_err(kind).err(), refused);
    assert_eq!(UdpSocket::bind("127.0.0.1:0").map_err(kind).err(), refused);
    assert_eq!(File::create("/dev/null").map_err(kind).err(), refused);
    go.send(()).unwrap();
    assert_eq!(other.join().unwrap().err(), refused, "a thread from before");
    assert!(
        thread::spawn(|| File::open("/proc/self/status").is_ok())
            .join()
            .unwrap()
    );
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        assert!(
            status.contains("NoNewPrivs:\t1") && status.contains("Seccomp:\t2"),
            "{status}"
        );
    }
}
