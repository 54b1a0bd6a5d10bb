//! The file system against a model: any calls, made by a guest and by the model, give the same answers and leave the
//! same files.

mod call;
mod guest;
mod model;
mod oracle;
mod tree;

use std::sync::LazyLock;

use fizz_sandbox::{Engine, Program};
use proptest::prelude::*;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| guest::compile(&Engine::new().expect("an engine")));

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn any_calls_do_what_the_model_does(calls in prop::collection::vec(any::<[u8; 6]>(), 0..120)) {
        oracle::compare(&PROGRAM, &calls.concat());
    }
}
