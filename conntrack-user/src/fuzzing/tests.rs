use std::{fs, path::Path};

use super::TARGETS;

/// Every input that fuzzing has kept, and every one that once failed.
#[test]
fn each_target_takes_its_corpus() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus");
    for (name, target) in TARGETS {
        let directory = corpora.join(name);
        let entries = fs::read_dir(&directory);
        let entries = entries.unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
        let mut inputs = 0;
        for entry in entries {
            let path = entry.expect("an entry").path();
            let bytes = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            // What panics is named by the panic of the target; this says for which input.
            let taken = std::panic::catch_unwind(|| target(&bytes));
            assert!(taken.is_ok(), "{name} fails for {}", path.display());
            inputs += 1;
        }
        assert!(inputs > 0, "{} is empty", directory.display());
    }
}
