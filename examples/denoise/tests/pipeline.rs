//! The whole job, as a person runs it: noise, tiles on whatever device there is, and the picture from them.

use std::path::Path;
use std::process::{Command, Output};

fn denoise(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_denoise"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .expect("denoise starts")
}

/// What a run that must succeed prints.
fn said(folder: &Path, arguments: &[&str]) -> String {
    let output = denoise(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("it prints text")
}

/// The decibels that `denoise compare` prints.
fn psnr(folder: &Path, a: &str, b: &str) -> f64 {
    let line = said(folder, &["compare", a, b]);
    let number = line.trim().strip_prefix("psnr: ").and_then(|rest| rest.strip_suffix(" dB"));
    number.and_then(|number| number.parse().ok()).expect("compare prints decibels")
}

#[test]
fn the_photograph_is_better_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/coffee.png");
    said(folder, &["add-noise", source, "18", "1", "-o", "before.png"]);
    assert!(said(folder, &["info", "before.png"]).ends_with("tiles: 4x3\n"));

    let mut join = vec!["join".to_string(), "before.png".to_string(), "4x3".to_string()];
    for index in 0..12 {
        let tile = format!("tiles/{index}.ppm");
        let text = said(folder, &["tile", "before.png", &index.to_string(), "4x3", &tile]);
        assert!(text.starts_with("path: "), "{text}");
        join.push(tile);
    }
    join.extend(["-o".to_string(), "after.png".to_string()]);
    said(folder, &join.iter().map(String::as_str).collect::<Vec<_>>());

    let (before, after) = (psnr(folder, source, "before.png"), psnr(folder, source, "after.png"));
    assert!(after > before + 7.0, "{before} dB before and {after} dB after");
    // One run over the whole picture without the GPU gives the same bytes: neither tiles nor device show.
    said(folder, &["photo", "--cpu", "before.png", "-o", "whole.png"]);
    assert_eq!(said(folder, &["compare", "after.png", "whole.png"]), "equal\n");
}

#[test]
fn what_makes_no_sense_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/coffee.png");
    std::fs::write(folder.join("torn.png"), &std::fs::read(source).unwrap()[..1000]).unwrap();
    let cases: [(i32, &[&str]); 9] = [
        (2, &[]),
        (2, &["sharpen", source]),
        (2, &["photo", source, "-o"]),
        (2, &["tile", source, "12", "4x3", "out.ppm"]),
        (2, &["tile", source, "0", "0x3", "out.ppm"]),
        (2, &["add-noise", source, "NaN", "1", "-o", "out.png"]),
        (1, &["tile", "missing.png", "0", "4x3", "out.ppm"]),
        (1, &["tile", "torn.png", "0", "4x3", "out.ppm"]),
        (1, &["join", source, "4x3", "torn.png", "-o", "out.png"]),
    ];
    for (code, arguments) in cases {
        let output = denoise(folder, arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(output.stderr.starts_with(b"error: "), "{arguments:?}");
    }
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1);
}
