//! Who reads the clocks of the machine.

/// Rows: J1.
#[test]
fn the_wall_clock_is_read_once_for_each_client_and_then_time_is_monotonic() {
    let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut readers = Vec::new();
    for name in ["core", "providers", "client", "hyper", "ureq", "taskward"] {
        let mut folders = vec![crates.join(name).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|it| it == "rs") {
                    let text = std::fs::read_to_string(&path).expect("a source file");
                    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                    let times = code.matches("SystemTime::now").count();
                    readers.extend(std::iter::repeat_n(path, times));
                }
            }
        }
    }
    // The words about a certificate's dates name today's; nothing is decided by them.
    readers.retain(|path| !path.ends_with("client/src/failure.rs"));
    let [reader] = &readers[..] else {
        panic!("one place reads the wall clock: {readers:?}");
    };
    assert!(reader.ends_with("client/src/clock.rs"), "{reader:?}");
    let text = std::fs::read_to_string(reader).expect("a source file");
    let (_, made) = text
        .split_once("fn new(")
        .expect("the clock is made in one place");
    let (made, _) = made.split_once("\n    }\n").expect("it ends");
    assert!(made.contains("SystemTime::now"), "once for each client");
}
