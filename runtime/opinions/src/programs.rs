//! Real programs: the examples, with inputs that make them work.

use std::path::Path;

use fizz_examples::{DENOISE, HELLO, KERNELS, LIFE, PHOTO, TOUR, WGPU_COMPUTE};

use crate::corpus::Entry;

pub(crate) fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    for kernel in ["empty", "nbody", "matmul", "sieve", "fib", "blake3", "regex", "deflate"] {
        entries.push(Entry::new(format!("kernels-{kernel}"), KERNELS, &[kernel]));
    }
    entries.push(Entry::new("hello", HELLO, &["/names.txt"]).with_file("/names.txt", "Ada\nGrace\nEdsger\n"));
    // An image codec: the photograph is decoded and looked at.
    entries.push(Entry::new("denoise-info", DENOISE, &["info", "/photo.png"]).with_file("/photo.png", PHOTO));
    // Floats by the million, and the codec the other way round.
    entries.push(
        Entry::new(
            "denoise-add-noise",
            DENOISE,
            &["add-noise", "/photo.png", "18", "1", "-o", "/out/noisy.png"],
        )
        .with_file("/photo.png", PHOTO),
    );
    entries.push(
        Entry::new("denoise-tile", DENOISE, &["tile", "--cpu", "/photo.png", "5", "12x10", "/out/tile.ppm"])
            .with_file("/photo.png", PHOTO)
            .only_full(),
    );
    // A task in steps, whose states are compared too.
    let mut life = Entry::new("life", LIFE, &["128", "128", "200", "7"]).with_folder("/out");
    life.task.chunk_gas = 1_000_000;
    entries.push(life);
    // What the libraries of three languages make of WASI.
    for (name, wasm) in [
        ("rust", TOUR),
        ("c", include_bytes!("../../sandbox/tests/guests/c/program.wasm")),
        ("assemblyscript", include_bytes!("../../sandbox/tests/guests/assemblyscript/program.wasm")),
    ] {
        let mut entry = Entry::new(format!("wasi-{name}"), wasm, &["an argument", "ß"])
            .with_file("/in/text", "brought along\n");
        entry.task.env =
            vec![("LANGUAGE".to_owned(), "Klingon".to_owned()), ("EMPTY".to_owned(), String::new())];
        entry.task.stdin = "first\nsecond\nthird".into();
        entries.push(entry);
    }
    // There is no GPU here: the program must say so in the same words everywhere.
    entries.push(Entry::new("compute-without-gpu", WGPU_COMPUTE, &["collatz"]));
    entries
}

/// Programs in C, in the folder where `examples/c-guests` leaves them.
///
/// # Errors
/// In words, when one of them cannot be read.
pub(crate) fn c_guests(folder: &Path) -> Result<Vec<Entry>, String> {
    let read = |name: &str| {
        let file = folder.join(name).with_extension("wasm");
        std::fs::read(&file).map_err(|error| format!("reading {}: {error}", file.display()))
    };
    let (sql, script) = (read("sql")?, read("script")?);
    let failing = "f(0); function f(x) { if (x > 10000) throw new Error('deep'); f(x + 1); }";
    Ok(vec![
        Entry::new("sql-report", sql.clone(), &["/harbours.csv", "/report.sql"])
            .with_file("/harbours.csv", include_bytes!("../../../examples/sql/harbours.csv"))
            .with_file("/report.sql", include_bytes!("../../../examples/sql/report.sql"))
            .with_folder("/out"),
        Entry::new("sql-mistake", sql, &["select 1; select * from nothing"]),
        Entry::new("script-primes", script.clone(), &["/primes.js"])
            .with_file("/primes.js", include_bytes!("../../../examples/script/primes.js"))
            .with_folder("/out"),
        Entry::new("script-too-deep", script, &["/deep.js"]).with_file("/deep.js", failing),
    ])
}
