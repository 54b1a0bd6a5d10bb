//! Makes calls on both sides and compares.

use fizz_sandbox::{Files, Program};

use super::call::Call;
use super::guest::{self, Answer, CALLS_MAX};
use super::model::Model;

/// What every run starts with; the model knows it too.
fn start() -> Files {
    let mut files = Files::new();
    files.insert("/in", "0123456789").expect("a good path");
    files.insert("/d/x", "x").expect("a good path");
    files
}

/// Takes six bytes for each call; panics where the guest sees or leaves something else than the model.
pub(crate) fn compare(program: &Program, bytes: &[u8]) {
    let mut model = Model::new();
    let mut calls = Vec::new();
    let mut expected = Vec::new();
    for bytes in bytes.as_chunks::<6>().0.iter().take(CALLS_MAX) {
        let call = Call::from_bytes(*bytes, &model.open_descriptors(), |fd| model.rights(fd));
        expected.push(model.call(call));
        calls.push(call);
    }
    let (report, answers) = guest::make(program, start(), &calls);
    for (number, (answer, expected)) in answers.iter().zip(&expected).enumerate() {
        let wanted = match expected {
            Ok(reply) => {
                let mut wanted = Answer { errno: 0, out: answer.out, into: [0; 64] };
                for (at, bytes) in &reply.out {
                    wanted.out[*at..*at + bytes.len()].copy_from_slice(bytes);
                }
                wanted.into[..reply.into.len()].copy_from_slice(&reply.into);
                wanted
            }
            // What fails leaves no answer.
            Err(errno) => Answer { errno: *errno, out: [0; 64], into: [0; 64] },
        };
        assert_eq!(*answer, wanted, "call {number} of {:#?}", &calls[..=number]);
    }
    let (files, names) = model.left();
    let left: std::collections::BTreeMap<_, _> =
        report.files.regular_files("/").into_iter().map(|(path, bytes)| (path, bytes.to_vec())).collect();
    assert_eq!(left, files, "after {calls:#?}");
    assert_eq!(report.files.len(), names, "after {calls:#?}");
}
