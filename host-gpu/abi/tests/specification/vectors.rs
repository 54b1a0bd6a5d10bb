//! Every entry of `vectors.txt`, decoded to what it says and encoded to its bytes again.

use crate::describe;
use fizz_gpu_abi::{Caps, Command, Commands, Encoder, Fault, OpenRequest, PollState, RecordRef, op};
use std::collections::BTreeSet;

/// An entry: its kind, what it says, its bytes.
pub(crate) struct Vector {
    pub(crate) kind: &'static str,
    pub(crate) says: &'static str,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) fn all() -> Vec<Vector> {
    let mut vectors: Vec<Vector> = Vec::new();
    for line in include_str!("../vectors.txt").lines() {
        if let Some(digits) = line.strip_prefix("    ") {
            let bytes = hex::decode(digits.replace(' ', "")).unwrap();
            vectors.last_mut().expect("bytes follow a line").bytes.extend(bytes);
        } else if !line.starts_with('#') && !line.is_empty() {
            let (kind, says) = line.split_once(' ').unwrap();
            vectors.push(Vector { kind, says, bytes: Vec::new() });
        }
    }
    vectors
}

/// The same command where it may stand, and how many commands come before it.
fn in_its_place(command: &[u8]) -> (Vec<u8>, usize) {
    let mut to = Encoder::new();
    let op = u16::from_le_bytes([command[0], command[1]]);
    let depth = match op {
        op::BEGIN_COMMANDS => 0,
        op::END_PASS => 2,
        _ => usize::from(op >= 0x101) + usize::from(op >= 0x201),
    };
    if depth > 0 {
        to.begin_commands(1, "");
    }
    if depth > 1 {
        to.begin_pass("");
    }
    let mut stream = to.take();
    stream.extend_from_slice(command);
    if depth > 1 && op != op::END_PASS || matches!(op, op::BEGIN_PASS | op::BEGIN_TIMED_PASS) {
        to.end_pass();
    }
    if depth > 0 && op != op::END_COMMANDS || op == op::BEGIN_COMMANDS {
        to.end_commands();
    }
    stream.extend_from_slice(to.as_bytes());
    (stream, depth)
}

fn encoded(command: &Command<'_>) -> Vec<u8> {
    let mut to = Encoder::new();
    to.push(command).unwrap();
    to.take()
}

fn check_command(vector: &Vector) {
    let (stream, before) = in_its_place(&vector.bytes);
    assert!(Commands::check(&stream).is_ok(), "{}", vector.says);
    let command = Commands::new(&stream).nth(before).unwrap().unwrap();
    assert_eq!(describe::command(&command), vector.says);
    assert_eq!(encoded(&command), vector.bytes, "{}", vector.says);
}

fn check_stream(vector: &Vector) {
    let commands: Vec<Command<'_>> = Commands::new(&vector.bytes).map(Result::unwrap).collect();
    let (count, _) = vector.says.split_once(':').unwrap();
    assert_eq!(count, commands.len().to_string(), "{}", vector.says);
    assert_eq!(commands.iter().flat_map(encoded).collect::<Vec<u8>>(), vector.bytes, "{}", vector.says);
}

fn check_fault(vector: &Vector) {
    let error = Commands::check(&vector.bytes).expect_err(vector.says);
    let said = format!("{} op={} at={}:", fault_name(error.fault), error.op, error.offset);
    assert!(vector.says.starts_with(&said), "{}: {said}", vector.says);
}

/// The name in the specification's table.
pub(crate) fn fault_name(fault: Fault) -> String {
    format!("{fault:?}").split('(').next().unwrap_or_default().to_owned()
}

#[test]
fn every_vector_is_what_it_says() {
    for vector in all() {
        let (bytes, says) = (&vector.bytes, vector.says);
        match vector.kind {
            "command" => check_command(&vector),
            "stream" => check_stream(&vector),
            "fault" => check_fault(&vector),
            "request" => {
                let request = OpenRequest::from_bytes(bytes).unwrap();
                assert_eq!(describe::request(&request), says);
                assert_eq!(request.to_bytes()[..], bytes[..], "{says}");
            }
            "caps" => {
                let caps = Caps::from_bytes(bytes).unwrap();
                assert_eq!(describe::caps(&caps), says);
                assert_eq!(caps.to_bytes()[..], bytes[..]);
            }
            "poll" => {
                let state = PollState::from_bytes(bytes).unwrap();
                assert_eq!(describe::poll(&state), says);
                assert_eq!(state.to_bytes()[..], bytes[..]);
            }
            "record" => {
                let record = RecordRef::from_bytes(bytes).unwrap();
                assert_eq!(describe::record(&record), says);
                assert_eq!(record.to_bytes(), *bytes, "{says}");
            }
            other => panic!("no vectors are called {other}"),
        }
    }
}

#[test]
fn there_is_a_vector_for_every_command_and_every_fault() {
    let vectors = all();
    let first_words = |kind| -> BTreeSet<&str> {
        let of_kind = vectors.iter().filter(|vector| vector.kind == kind);
        of_kind.map(|vector| vector.says.split(' ').next().unwrap()).collect()
    };
    let commands: BTreeSet<&str> =
        (0..=u16::MAX).map(op::name).filter(|name| *name != "unknown command").collect();
    assert_eq!(first_words("command"), commands);
    let faults = crate::document::faults();
    assert_eq!(first_words("fault"), faults.iter().map(|name| &**name).collect());
}
