//! Tasks stopped between two chunks, as files that come from anybody.

use std::sync::LazyLock;

use fizz_attest::{Boundary, Digest};
use fizz_exec::Checkpoint;
use fizz_sandbox::{Engine, ModuleLimits, Program, Progress, Snapshot, Steps, TaskSpec};

use crate::memory;

const MAGIC: &[u8] = b"fizzcp\x00\x02";
/// A guest whose memory stays empty, so that its states are small.
const GUEST: &str = r#"(module
    (memory (export "memory") 1)
    (global $steps (mut i32) (i32.const 9))
    (func (export "_start"))
    (func (export "fizz_step") (result i32)
        (global.set $steps (i32.sub (global.get $steps) (i32.const 1)))
        (global.get $steps)))"#;

/// The guest's state after three chunks, and where they ended.
static STATE: LazyLock<(Vec<Boundary>, Vec<u8>)> = LazyLock::new(|| {
    let wasm = wat::parse_str(GUEST).expect("a module");
    let engine = Engine::new().expect("an engine");
    let program = Program::compile(&engine, &wasm, &ModuleLimits::default()).expect("a good module");
    let task = TaskSpec { chunk_gas: 1, ..TaskSpec::new("small") };
    let mut steps = Steps::start(&program, task, None).expect("no fault");
    let chunk = |_| match steps.next_chunk().expect("no fault") {
        Progress::Chunk(boundary) => boundary,
        Progress::Ended(report) => panic!("it ended: {}", report.outcome),
    };
    let boundaries = (0..3).map(chunk).collect();
    (boundaries, steps.snapshot().expect("no fault").expect("a state").encode())
});

/// A checkpoint of that guest, as a seed.
pub fn stopped() -> Vec<u8> {
    let (boundaries, snapshot) = &*STATE;
    write(boundaries.len() as u32, boundaries, snapshot)
}

fn write(count: u32, boundaries: &[Boundary], snapshot: &[u8]) -> Vec<u8> {
    let mut bytes = [MAGIC, &[7; 32], &count.to_le_bytes()].concat();
    for Boundary { state, gas, gpu_gas } in boundaries {
        bytes.extend([&state.0[..], &gas.to_le_bytes(), &gpu_gas.to_le_bytes()].concat());
    }
    bytes.extend(snapshot);
    bytes
}

/// Bytes that may be a checkpoint; and as a list of changes to the chunks of a good one, which must be refused unless
/// the chunks lead to its state all the same.
///
/// - What decodes encodes to the same bytes, ends in its own state, and its gas never falls.
/// - No bytes take much more memory than there are of them.
pub fn checkpoint(data: &[u8]) {
    decode(data);
    let (mut boundaries, snapshot) = STATE.clone();
    for change in data.chunks_exact(4).take(16) {
        let [kind, at, value, by] = [0, 1, 2, 3].map(|byte| usize::from(change[byte]));
        let at = at % boundaries.len().max(1);
        match (kind % 6, boundaries.get_mut(at)) {
            (0, Some(boundary)) => boundary.gas = boundary.gas.wrapping_add((value as u64) << (by % 64)),
            (1, Some(boundary)) => boundary.gpu_gas ^= (value as u64) << (by % 64),
            (2, Some(boundary)) => boundary.state.0[value % 32] ^= by as u8,
            (3, Some(_)) => drop(boundaries.remove(at)),
            (4, _) => boundaries
                .insert(at, Boundary { state: Digest([value as u8; 32]), gas: by as u64, gpu_gas: 0 }),
            _ => boundaries.truncate(at + 1),
        }
    }
    let count = boundaries.len() as u32;
    let changed = decode(&write(count, &boundaries, &snapshot));
    let here = Snapshot::decode(&snapshot).expect("a snapshot").boundary();
    let rises = boundaries.is_sorted_by_key(|boundary| boundary.gas)
        && boundaries.is_sorted_by_key(|boundary| boundary.gpu_gas);
    assert_eq!(changed, count == 3 && rises && boundaries.last() == Some(&here));
    // A count that is not that of the list.
    let wrong = count ^ 1 << data.first().map_or(0, |byte| byte % 32);
    assert!(!decode(&write(wrong, &boundaries, &snapshot)));
}

/// Whether the bytes are a checkpoint.
fn decode(bytes: &[u8]) -> bool {
    let decoded = memory::within(memory::for_input(bytes.len()), || Checkpoint::decode(bytes));
    let Ok(checkpoint) = decoded else { return false };
    assert_eq!(checkpoint.encode(), bytes);
    let last = checkpoint.boundaries().last().expect("a chunk before it");
    assert_eq!((last.state, last.gas), (checkpoint.state(), checkpoint.gas()));
    assert!(checkpoint.boundaries().is_sorted_by_key(|boundary| boundary.gas));
    true
}
