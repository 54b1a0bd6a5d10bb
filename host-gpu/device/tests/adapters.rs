//! Finding adapters, on machines with and without.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod common;

use fizz_gpu::{Adapters, Choice, ChooseError, Sessions};
use std::process::Command;

const CHILD: &str = "FIZZ_TEST_WITHOUT_ADAPTERS";

#[test]
fn a_machine_without_adapters_has_an_empty_list() {
    if std::env::var_os(CHILD).is_some() {
        let adapters = Adapters::list();
        assert!(adapters.is_empty());
        assert_eq!(adapters.summaries().len(), 0);
        let error = adapters.choose(&Choice::Auto).unwrap_err();
        assert_eq!(error, ChooseError::None);
        assert!(error.to_string().contains("install"));
        return;
    }
    if cfg!(not(target_os = "linux")) {
        // Elsewhere the drivers cannot be hidden from one process.
        return;
    }
    // The loader reads these variables, so a process of its own is needed.
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_machine_without_adapters_has_an_empty_list"])
        .env(CHILD, "1")
        .env("VK_DRIVER_FILES", "/nonexistent")
        .env("VK_ICD_FILENAMES", "/nonexistent")
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn adapters_are_chosen_by_name() {
    let Some(hardware) = common::hardware() else { return };
    let adapters = Adapters::list();
    let best = adapters.summaries().next().unwrap().clone();
    assert_eq!(&best, hardware.summary());
    let part = best.name.to_uppercase()[..3].to_owned();
    assert_eq!(adapters.choose(&Choice::Name(part)).unwrap().summary().name, best.name);
    assert_eq!(adapters.choose(&Choice::Index(0)).unwrap().summary(), &best);
    let error = adapters.choose(&Choice::Index(99)).unwrap_err();
    assert!(error.to_string().contains(&format!("0 {}", best.name)), "{error}");
    assert!(best.limits.iter().all(|limit| limit.offered >= limit.promised), "{best:?}");
    hardware.try_open().unwrap();
    let error = adapters.choose(&Choice::Name("no such card".to_owned())).unwrap_err();
    assert!(error.to_string().contains(&best.name), "{error}");
    let identity = hardware.identity();
    assert_eq!((identity.stream, &identity.exact), (1, &None));
    let fast = identity.fast.unwrap();
    assert_eq!((fast.adapter, fast.driver), (best.name, best.driver));
}
