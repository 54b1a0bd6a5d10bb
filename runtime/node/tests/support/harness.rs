//! A test harness that is also a worker program.
//!
//! Nodes start workers, and a worker speaks frames over its standard output. The standard harness prints there
//! before a test runs, so these programs have their own `main`. It takes a filter, `--exact` and `--list`, as the
//! standard one does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// A test that takes longer than this has hung.
const LONG: Duration = Duration::from_secs(60);

/// A name and a test.
pub type Test = (&'static str, fn());

/// Runs tests one after the other, or a worker.
pub fn main(tests: &[Test]) -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == super::worker::ROLE) {
        super::worker::run(&args[1..]);
        return ExitCode::SUCCESS;
    }
    if args.iter().any(|arg| arg == "--list") {
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let exact = args.iter().any(|arg| arg == "--exact");
    let filters: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let wanted = |name: &str| {
        filters.is_empty()
            || filters
                .iter()
                .any(|filter| if exact { name == *filter } else { name.contains(filter.as_str()) })
    };
    let mut failed = Vec::new();
    for (name, test) in tests.iter().filter(|(name, _)| wanted(name)) {
        let start = Instant::now();
        let passed = catch_unwind(AssertUnwindSafe(test)).is_ok();
        let word = if passed { "ok" } else { "FAILED" };
        println!("test {name} ... {word} ({} ms)", start.elapsed().as_millis());
        if !passed {
            failed.push(*name);
        }
    }
    match failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => {
            println!("failed: {}", failed.join(", "));
            ExitCode::FAILURE
        }
    }
}

/// Runs an asynchronous test on a runtime of its own.
pub fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let ended = runtime.block_on(async { tokio::time::timeout(LONG, test).await });
    runtime.shutdown_timeout(Duration::from_secs(1));
    assert!(ended.is_ok(), "the test hangs");
}

/// Names tests by their functions.
#[macro_export]
macro_rules! tests {
    ($($module:ident :: { $($name:ident),* $(,)? }),* $(,)?) => {
        &[$($((
            concat!(stringify!($module), "::", stringify!($name)),
            (|| $crate::support::harness::block_on($module::$name())) as fn(),
        )),*),*]
    };
}
