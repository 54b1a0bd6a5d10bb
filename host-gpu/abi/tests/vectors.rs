//! The files in `vectors/`: streams written down by hand, with what a decoder must say.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

use fizz_gpu_abi::{Commands, Encoder};
use std::path::Path;

#[test]
fn every_vector_decodes_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let expected = text.lines().find_map(|line| line.strip_prefix("# expect: ")).unwrap();
        let digits: String =
            text.lines().filter(|line| !line.starts_with('#')).flat_map(|line| line.split(' ')).collect();
        let stream = hex::decode(digits).unwrap();
        let name = path.display();
        let said = match Commands::check(&stream) {
            Ok(count) => format!("ok {count}"),
            Err(error) => format!("error op {:#06x} at {}: {}", error.op, error.offset, error.fault),
        };
        assert_eq!(said, expected, "{name}");
        if said.starts_with("ok") {
            let mut encoder = Encoder::new();
            Commands::new(&stream).for_each(|command| encoder.push(&command.unwrap()).unwrap());
            assert_eq!(encoder.as_bytes(), stream, "{name}");
        }
        seen += 1;
    }
    assert!(seen >= 19, "only {seen} vectors found");
}
