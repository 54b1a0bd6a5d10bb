//! A library on top of wgpu: `examples/digits`, a network that burn trains in the sandbox.

use serde_json::Value;

use crate::support::{Ended, Home};

/// `fizz run` on the example, which builds it.
fn digits(home: &Home, options: &[&str]) -> Ended {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/digits");
    home.fizz(["run", folder].into_iter().chain(options.iter().copied()))
}

/// What a run of so many steps left: its losses, what was learned, and what the network made of pictures.
fn learn(home: &Home, steps: &str) -> (String, [Vec<u8>; 3], Value) {
    // It fails by itself where GPU and processor are too far apart.
    let ended = digits(home, &["--out", "out", "--report", "report.json", "--", steps]).expect(0);
    let files = ["losses.csv", "weights.f32", "scores.f32"].map(|name| home.read(&format!("out/{name}")));
    let report: Value = serde_json::from_slice(&home.read("report.json")).unwrap();
    (ended.stdout, files, report)
}

#[test]
#[ignore = "builds burn, which takes minutes"]
fn burn_trains_a_network_as_the_processor_does_and_twice_the_same() {
    let home = Home::new();
    let (said, files, report) = learn(&home, "100");
    assert!(said.starts_with("100 steps: GPU and processor learn the same\n"), "{said}");
    let read: u32 = said.lines().nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((225..=250).contains(&read), "{said}");
    let losses = String::from_utf8_lossy(&files[0]).lines().count();
    assert_eq!((losses, files[1].len(), files[2].len()), (1 + 100, 4 * 4538, 4 * 2500));
    assert!(report["gpu_gas"].as_u64().unwrap() > 0, "{report}");

    let (_, again, report_again) = learn(&home, "100");
    assert!(files == again, "two runs differ");
    for field in ["gas", "gpu_gas", "result_digest"] {
        assert_eq!(report[field], report_again[field], "{field}");
    }
    // A step more is another result: what was compared depends on the training.
    assert!(learn(&home, "101").1[1] != files[1]);

    digits(&home, &["--gpu", "off"]).expect(1).says(&["error: No suitable graphics adapter found"]);
}
