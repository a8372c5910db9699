//! What QEMU says on its standard error: kept in a file, and read for what went wrong.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::thread::{self, JoinHandle};

/// Copies QEMU's standard error to a file; the first line that says that the guest cannot go on is handed to
/// `failed` at once, because QEMU may wait for ever then. Returns the reason for a failure, if QEMU gave one.
pub(super) fn follow(
    from: impl Read + Send + 'static,
    mut to: impl Write + Send + 'static,
    failed: impl Fn(String) + Send + 'static,
) -> JoinHandle<Option<String>> {
    thread::spawn(move || {
        let mut first = None;
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            // The file is for people to look into: nothing depends on it.
            let _ = to.write_all(&line).and_then(|()| to.write_all(b"\n"));
            let line = String::from_utf8_lossy(&line);
            if stops(&line) {
                failed(message(&line).to_owned());
            }
            if first.is_none() && !message(&line).is_empty() && !is_warning(&line) {
                first = Some(message(&line).to_owned());
            }
        }
        first
    })
}

/// Whether QEMU has stopped the guest for good, without an end of its own: the processor's registers follow.
fn stops(line: &str) -> bool {
    [
        "KVM internal error",
        "KVM: entry failed",
        "KVM: unknown exit",
        "error: kvm run failed",
    ]
    .iter()
    .any(|start| line.starts_with(start))
}

fn is_warning(line: &str) -> bool {
    message(line).starts_with("warning: ")
}

/// A line without the name of the program.
fn message(line: &str) -> &str {
    match line.split_once(": ") {
        Some((program, message)) if program.starts_with("qemu-system-") => message.trim(),
        _ => line.trim(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn followed(text: &'static str) -> (Option<String>, Vec<String>) {
        let (sender, inbox) = mpsc::channel();
        let reason = follow(text.as_bytes(), std::io::sink(), move |reason| {
            let _ = sender.send(reason);
        });
        (reason.join().unwrap(), inbox.iter().collect())
    }

    #[test]
    fn a_guest_that_kvm_gives_up_is_noticed_while_qemu_waits() {
        let text = "qemu-system-x86_64: warning: host doesn't support requested feature\n\
            KVM internal error. Suberror: 1\n\
            emulation failure\nEAX=00000000 EBX=00000000 ECX=00000000 EDX=000306c1\n";
        let reason = "KVM internal error. Suberror: 1";
        assert_eq!(
            followed(text),
            (Some(reason.to_owned()), vec![reason.to_owned()])
        );
    }

    #[test]
    fn other_reasons_are_for_when_qemu_has_ended() {
        let text = "qemu-system-x86_64: error: failed to set MSR 0x10a to 0x69\n\
            qemu-system-x86_64: ../../target/i386/kvm/kvm.c:3183: kvm_buf_set_msrs: Assertion failed.\n";
        assert_eq!(
            followed(text),
            (
                Some("error: failed to set MSR 0x10a to 0x69".to_owned()),
                vec![]
            )
        );
        assert_eq!(followed("qemu-system-x86_64: warning: w\n"), (None, vec![]));
    }
}
