//! Host calls with arguments that no honest program makes, as the fuzzer found them.

mod common;

use common::{module, numbers, run_wat};

/// With checked arithmetic the next cookie overflowed.
#[test]
fn listing_a_folder_from_the_last_cookie_gives_nothing() {
    let report = run_wat(&module(
        "(i32.store (i32.const 64) (i32.const 77))
        (call $print_i32
            (call $fd_readdir (i32.const 3) (i32.const 4096) (i32.const 512) (i64.const -1) (i32.const 64)))
        (call $print (i32.const 64) (i32.const 4))",
    ));
    assert!(report.outcome.is_success(), "{:?}", report.outcome);
    assert_eq!(numbers(&report), [0, 0]);
}
