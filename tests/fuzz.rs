//! The checks of the fuzz targets over their corpora: what was once found is never lost.

#[path = "fuzz/checks.rs"]
mod checks;

use std::path::Path;

#[test]
fn what_holds_for_any_bytes_holds_for_the_corpora() {
    let corpora = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/corpus"));
    for (name, check) in checks::ALL {
        let files = crate::util::files(&corpora.join(name));
        assert!(files.len() >= 3, "{name} has {} files", files.len());
        for file in files {
            eprintln!("{}", file.display());
            check(&std::fs::read(&file).expect("a file"));
        }
    }
}
