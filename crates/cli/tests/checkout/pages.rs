//! The page of `docs/` that the program prints, too.

use std::path::Path;

const PRINTED: &str = include_str!("../../simulator.md");

/// The text is the package's: a file outside of it could not be built into the program. Set `TASKWARD_REWRITE_GOLDEN=1`
/// to have it copied.
#[test]
fn the_page_of_the_simulator_in_docs_is_the_one_that_the_program_prints() {
    let copy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/simulator.md");
    if std::env::var_os("TASKWARD_REWRITE_GOLDEN").is_some() {
        std::fs::write(&copy, PRINTED).expect("written");
    }
    let found = std::fs::read_to_string(&copy).expect("read");
    assert!(
        found == PRINTED,
        "docs/simulator.md is not crates/cli/simulator.md"
    );
}
