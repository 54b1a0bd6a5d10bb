//! The seeds in `seeds/`: where they come from, and that every oracle takes them, whole and broken, on any toolchain.
//! `FIZZ_BLESS=1` writes them anew after a deliberate change of a format.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fizz_attest::{
    Blob, Canonical, Digest, EngineInfo, GpuProfile, HostFault, Job, Outcome, Profile, Receipt, ReceiptFile,
};
use fizz_fuzz::TARGETS;
use fizz_gpu_abi::{Commands, Encoder, op};
use fizz_wire::{NodeInfo, RefusalCode, Reply, Request, StatusReport, frame};

fn folder(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(of)
}

/// Every seed by target and name.
type Seeds = BTreeMap<(&'static str, String), Vec<u8>>;

#[derive(Default)]
struct Maker(Seeds);

impl Maker {
    fn add(&mut self, target: &'static str, name: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        let name = name.into();
        let old = self.0.insert((target, name.clone()), bytes.into());
        assert!(old.is_none(), "two seeds {target}/{name}");
    }
}

/// The valid receipt file of the vectors.
fn valid() -> ReceiptFile {
    let text = std::fs::read_to_string(folder("../attest/tests/vectors/receipt-files.json")).unwrap();
    let vectors: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let vector = vectors.iter().find(|vector| vector["name"] == "valid").unwrap();
    ReceiptFile::from_canonical(&hex::decode(vector["hex"].as_str().unwrap()).unwrap()).unwrap()
}

fn make() -> Seeds {
    let mut seeds = Maker::default();
    let file = valid();
    papers(&mut seeds, &file);
    frames(&mut seeds, &file);
    streams(&mut seeds);
    processes(&mut seeds);
    shaders(&mut seeds);
    let mut choices = [0; 300];
    blake3::Hasher::new().update(b"wgsl").finalize_xof().fill(&mut choices);
    seeds.add("wgsl", "choices", choices);
    modules(&mut seeds);
    // Plans: case, start, edits, pieces; the rest is read as it comes.
    seeds.add("blob", "whole", [9, 0, 0, 0, 1, 0, 64, 1, 200, 0, 0, 1, 255, 255, 0, 0]);
    seeds.add("blob", "flip", [8, 1, 1, 0, 7, 0, 0, 0, 3, 0, 1, 1, 44, 1, 0, 1, 0, 64, 0, 0]);
    // Calls: open a file, write to it, list a folder, wait, make a link.
    let calls =
        [31, 3, 0, 10, 1, 0, 0, 0, 0, 26, 4, 0, 9, 21, 3, 2, 13, 0, 4, 37, 0, 3, 2, 5, 35, 4, 3, 13, 8, 4];
    seeds.add("guest", "files", calls);
    // Make and open a file, write twice, seek, read, make a folder and a link, move, list, stat, remove, close.
    let calls = [
        [0, 0, 0, 1, 1, 3],
        [9, 0, 9, 0, 0, 0],
        [9, 0, 5, 3, 0, 0],
        [12, 0, 0, 0, 0, 0],
        [7, 0, 20, 0, 0, 0],
        [23, 0, 1, 0, 0, 0],
        [30, 0, 5, 4, 0, 0],
        [28, 0, 0, 0, 8, 0],
        [20, 0, 47, 0, 0, 0],
        [20, 0, 47, 2, 0, 0],
        [24, 0, 5, 1, 0, 0],
        [31, 0, 3, 0, 0, 0],
        [5, 0, 0, 0, 0, 0],
    ];
    seeds.add("files", "calls", calls.concat());
    let [snapshot, opening] = fizz_fuzz::stored();
    seeds.add("snapshot", "snapshot", snapshot);
    seeds.add("snapshot", "opening", opening);
    seeds.add("checkpoint", "three-chunks", fizz_fuzz::stopped());
    seeds.add("answer", "code", [&[3, 0, 0, 36][..], &[0; 7], &[7; 32], b"code"].concat());
    seeds.add("answer", "reason", [&[3, 0, 1, 3][..], &[0; 7], b"why, and more"].concat());
    let bytes: Vec<u8> = (0..200u8).map(|n| n.wrapping_mul(167)).collect();
    seeds.add("nan", "scalar", [&[0][..], &bytes].concat());
    seeds.add("nan", "vectors-exceptions", [&[3][..], &bytes].concat());
    seeds.add("exact", "choices", bytes.repeat(3));
    seeds.add("resume", "script", [&[2], fizz_fuzz::SCRIPT].concat());
    seeds.0
}

fn papers(seeds: &mut Maker, file: &ReceiptFile) {
    let receipt = Receipt::from_canonical(&file.receipt.payload).unwrap();
    seeds.add("receipt", "file", file.to_canonical());
    seeds.add("receipt", "envelope", file.lease.to_canonical());
    seeds.add("receipt", "envelope.json", file.receipt.to_json().to_string());
    seeds.add("receipt", "receipt", file.receipt.payload.clone());
    seeds.add("receipt", "lease", file.lease.payload.clone());
    seeds.add("receipt", "manifest", file.manifest.clone());
    seeds.add("receipt", "profile", with_gpu(receipt.profile).to_canonical());
    seeds.add("job", "job", file.job.clone());
    seeds.add("job", "manifest", file.manifest.clone());
    let mut small = Job::decode(&file.job).unwrap();
    (small.args, small.env, small.inputs) = Default::default();
    small.tasks.truncate(1);
    seeds.add("job", "small", small.to_canonical());
    seeds.add("job", "path", "/a/b.c");
}

fn with_gpu(profile: Profile) -> Profile {
    let gpu = GpuProfile {
        class: "fast".into(),
        stream: 1,
        shader: "naga".into(),
        adapter: "adapter".into(),
        driver: "driver".into(),
    };
    Profile { gpu: Some(gpu), ..profile }
}

fn frames(seeds: &mut Maker, file: &ReceiptFile) {
    let (lease, blob) = (Digest([7; 32]), Blob::of(b"bytes"));
    let requests = [
        ("hello", Request::Hello { protocols: vec![1, 2], fizz: "0.1.0".into() }),
        ("offer", Request::Offer { lease: vec![1; 9], job: vec![2; 5] }),
        ("put-blob", Request::PutBlob { lease, blob }),
        ("run", Request::Run { lease, task: 300 }),
        ("get-blob", Request::GetBlob { lease, blob, from: 0 }),
        ("cancel", Request::Cancel { lease }),
    ];
    for (name, request) in requests {
        seeds.add("frame", name, frame::encode(&request).unwrap());
    }
    let profile = Receipt::from_canonical(&file.receipt.payload).unwrap().profile;
    let node = NodeInfo {
        slots: 4,
        profile: profile.to_canonical(),
        gpu_profile: Some(vec![3]),
        max_gas: 1 << 40,
        max_memory_bytes: 1 << 30,
    };
    let replies = [
        ("refused", Reply::refused(RefusalCode::Busy, "later")),
        ("welcome", Reply::Welcome { protocol: 1, fizz: "0.1.0".into(), node }),
        ("accepted", Reply::Accepted { missing: vec![blob, Blob::of(b"")] }),
        ("continue", Reply::Continue { from: 16384 }),
        ("stored", Reply::Stored),
        ("progress", Reply::Progress { gas: 1 << 35 }),
        ("done", Reply::Done { receipt: vec![1; 3], manifest: vec![2; 3] }),
        ("fault", Reply::fault(HostFault::GpuLost, "lost")),
        (
            "status",
            Reply::Status(StatusReport { fizz: "0.1.0".into(), done: 500, ..StatusReport::default() }),
        ),
    ];
    for (name, reply) in replies {
        seeds.add("frame", name, frame::encode(&reply).unwrap());
    }
    // What a worker says is not public as bytes: messages without header, which the target frames by itself.
    let engine = EngineInfo { engine: "e".into(), target: "t".into(), fizz: "f".into(), device: None };
    let ready = (0u8, (profile.clone(), Some(with_gpu(profile)), engine));
    seeds.add("frame", "ready", postcard::to_stdvec(&ready).unwrap());
    let finished = (
        3u8,
        (Outcome::Completed { exit_code: 7 }, 1000u64, 5u64, true, "out", "err", [("a/b", "f0")].as_slice()),
    );
    seeds.add("frame", "finished", postcard::to_stdvec(&finished).unwrap());
    seeds.add("frame", "order", postcard::to_stdvec(&(vec![1u8, 2], 3u32, "blobs", "outputs")).unwrap());
}

/// The hand-written vectors of the command stream.
/// One of each frame, behind each other.
fn processes(seeds: &mut Maker) {
    use fizz_gpu_abi::host::{Device, HostFault, Identity, Limit, Quotas};
    use fizz_gpu_process::frame::{Place, Reply, Request, Span, StopKind, encode_identity};
    let quotas = Quotas {
        class: fizz_gpu_abi::Class::Exact,
        gas: 1 << 40,
        bytes: 1 << 30,
        objects: 4096,
        shaders: 256,
        shader_bytes: 256 << 10,
        stream_bytes: 4 << 20,
        invocations: 1 << 28,
    };
    let shared = Span { place: Place::Shared(1 << 20), len: 64 };
    let requests = [
        Request::Begin(quotas),
        Request::Stage(1 << 32),
        Request::Lend(1 << 32),
        Request::Open { request: Span::inline(16), caps: 164 },
        Request::Submit(shared),
        Request::Write { buffer: 3, offset: 8, data: shared },
        Request::Read { buffer: 3, offset: 0, into: Span { place: Place::Shared(0), len: 4 } },
        Request::Wait(-1),
        Request::Poll,
        Request::TakeError(8192),
        Request::Close,
        Request::End,
    ];
    seeds.add("gpu_process", "requests", requests.map(|request| request.encode()).concat());
    let stopped = |stop| Reply::Stopped { stop, gas: 9, len: 4 };
    let replies = [
        Reply::Ready { len: 60 },
        Reply::Refused { len: 9 },
        Reply::Working,
        Reply::Answer { value: -2, gas: 1 << 33, len: 16 },
        stopped(StopKind::Protocol),
        stopped(StopKind::OutOfGas),
        stopped(StopKind::Limit(Limit::Records)),
        stopped(StopKind::Fault(HostFault::TimedOut)),
    ];
    seeds.add("gpu_process", "replies", replies.map(|reply| reply.encode()).concat());
    let device = |shader: &str, probe: &str| Device {
        shader: shader.into(),
        adapter: "a card".into(),
        driver: "a driver 1.2".into(),
        backend: "vulkan".into(),
        software: false,
        probe: probe.into(),
    };
    let identity = Identity {
        stream: 1,
        fast: Some(device("naga 30", "")),
        exact: Some(device("naga 30, exact 1", "00ff")),
    };
    seeds.add("gpu_process", "identity", encode_identity(&identity));
}

fn streams(seeds: &mut Maker) {
    // Each stream of the vectors, and one with every command where it may stand.
    let text = std::fs::read_to_string(folder("../host-gpu/abi/tests/vectors.txt")).unwrap();
    let mut every = [Vec::new(), Vec::new(), Vec::new()];
    for vector in text.split("\n\n") {
        let mut lines = vector.lines().filter(|line| !line.starts_with('#'));
        let Some(says) = lines.next() else { continue };
        let digits: String = lines.flat_map(|line| line.split(' ')).collect();
        let bytes = hex::decode(digits).unwrap();
        if let Some(says) = says.strip_prefix("stream ") {
            let (count, _) = says.split_once(':').unwrap();
            seeds.add("gpu_stream", format!("stream-{count}"), bytes);
        } else if says.starts_with("command ") {
            let op = u16::from_le_bytes([bytes[0], bytes[1]]);
            let brackets = [op::BEGIN_COMMANDS, op::END_COMMANDS, op::BEGIN_PASS, op::END_PASS];
            if !brackets.contains(&op) && op != op::BEGIN_TIMED_PASS {
                every[usize::from(op >> 8)].extend(bytes);
            }
        }
    }
    let [outside, commands, pass] = every;
    let mut brackets = Encoder::new();
    brackets.begin_commands(6, "every");
    let mut stream = [outside, brackets.take(), commands].concat();
    brackets.begin_timed_pass(22, Some(0), None, "command");
    stream.extend([brackets.take(), pass].concat());
    brackets.end_pass();
    brackets.end_commands();
    stream.extend(brackets.take());
    Commands::check(&stream).unwrap();
    seeds.add("gpu_stream", "every-command", stream);
    let mut record = Vec::new();
    for field in [3u32, 44, 1, 1, 9, 2, 70, 4, 5] {
        record.extend(field.to_le_bytes());
    }
    record.extend(b"shade\0\0\0");
    seeds.add("gpu_stream", "record", record);
}

fn shaders(seeds: &mut Maker) {
    let main = "@compute @workgroup_size(8, 8)\nfn main(@builtin(global_invocation_id) id: vec3u) ";
    let data = "@group(0) @binding(0) var<storage, read_write> data: array<u32>;\n";
    seeds.add("shader", "loop", format!("{data}{main}{{\n  var sum = 0u;\n  for (var i = 0u; i < arrayLength(&data); i++) {{\n    if (i % 3u == 1u) {{ continue; }} else if (i > 99u) {{ break; }}\n    sum += data[i] << (id.x & 7u);\n  }}\n  data[id.x] = select(sum, 1u, sum == 0u);\n}}\n"));
    seeds.add("shader", "overrides", format!("override size: u32 = 4;\n@id(3) override k: f32;\nvar<workgroup> tile: array<vec4f, 64>;\nstruct P {{ a: mat3x3f, @align(16) n: i32, }}\n@group(0) @binding(1) var<uniform> p: P;\n{data}@compute @workgroup_size(size)\nfn main(@builtin(local_invocation_index) i: u32) {{\n  tile[i] = vec4f(p.a * vec3f(k, 1.0, 2.5), f32(p.n));\n  workgroupBarrier();\n  data[i] = pack2x16float(tile[63u - i].xy);\n}}\n"));
    seeds.add("shader", "calls", format!("{data}var<private> depth: i32;\nconst n = 1u << 3u;\nalias A = array<vec2i, n>;\nfn f(p: ptr<function, A>, x: i32) -> i32 {{\n  switch x {{ case 1, 2: {{ return (*p)[x].y; }} case default: {{ depth += 1; return abs(x) - depth; }} }}\n}}\n{main}{{\n  var a = A();\n  while depth < 4 {{ a[1].y = f(&a, bitcast<i32>(data[0])); }}\n  loop {{ if any(a[0] > vec2i(3)) {{ break; }} continuing {{ a[0]++; break if a[0].x == 9; }} }}\n  atomicless(id);\n}}\nfn atomicless(v: vec3u) {{ data[v.y] = dot(v, v) + countOneBits(v.z); }}\n").replace("a[0]++;", "a[0].x++;"));
    seeds.add("shader", "atomics", "struct Q { n: atomic<u32>, m: array<atomic<i32>, 4> }\n@group(1) @binding(2) var<storage, read_write> q: Q;\nvar<workgroup> w: atomic<u32>;\n@compute @workgroup_size(64)\nfn main(@builtin(workgroup_id) g: vec3<u32>) {\n  let old = atomicAdd(&q.n, 1u);\n  let r = atomicCompareExchangeWeak(&w, old, g.x);\n  if r.exchanged { atomicMax(&q.m[old % 4u], i32(exp2(f32(g.y)))); }\n  storageBarrier();\n}\n");
    seeds.add("shader", "textures", format!("@group(0) @binding(1) var a: texture_storage_2d<rgba8unorm, read>;\n@group(0) @binding(2) var b: texture_storage_2d_array<rgba16float, write>;\n@group(0) @binding(3) var c: texture_storage_3d<r32uint, read_write>;\nfn at(t: texture_storage_2d<rgba8unorm, read>, p: vec2u) -> vec4f {{ return textureLoad(t, min(p, textureDimensions(t) - 1u)); }}\n{data}{main}{{\n  if textureLoad(a, vec2u(3, 4)).x > 0.5 {{ storageBarrier(); }}\n  for (var i = 0u; i < textureNumLayers(b); i++) {{ textureStore(b, id.xy, i, at(a, id.xy)); }}\n  textureStore(c, id, vec4u(textureLoad(c, id.zyx).x + data[0]));\n  textureBarrier();\n}}\n"));
    seeds.add("shader", "error", "fn main() { let x = /* no such */ é + 0x1p3f; }");
}

fn modules(seeds: &mut Maker) {
    let shape = "(memory (export \"memory\") 1 4)";
    let texts = [
        (
            "hello",
            format!(
                "(module (import \"wasi_snapshot_preview1\" \"fd_write\" (func $w (param i32 i32 i32 i32) (result i32))) {shape} (data (i32.const 16) \"hi\\n\") (func (export \"_start\") (drop (call $w (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"
            ),
        ),
        (
            "loops",
            format!(
                "(module {shape} (global $g (mut i64) (i64.const 7)) (table 3 funcref) (elem (i32.const 0) $f) (type $t (func (param i32) (result i32))) (func $f (type $t) (block $b (result i32) (loop $l (br_if $b (local.get 0) (i32.eqz (local.get 0))) (local.set 0) (br_table $b $b (i32.const 5) (local.get 0))) (unreachable))) (func (export \"_start\") (local v128) (drop (call_indirect (type $t) (i32.const 9) (i32.const 0))) (memory.fill (i32.const 0) (i32.const 1) (i32.const 64)) (drop (memory.grow (i32.const 1))) (if (i64.eqz (global.get $g)) (then (return)) (else (nop)))))"
            ),
        ),
        (
            "throws",
            format!(
                "(module {shape} (tag $e (param i32)) (func $s (throw $e (i32.const 1))) (func (export \"_start\") (block $h (result i32) (try_table (catch $e $h) (call $s)) (i32.const 0)) drop) (func $tail (return_call $s)) (start $tail))"
            ),
        ),
    ];
    for (name, text) in texts {
        seeds.add("module", name, wat::parse_str(text).unwrap());
    }
    let noise: Vec<u8> = (0..600u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 21) as u8).collect();
    seeds.add("module", "generated", noise.clone());
    for target in ["program", "opinions", "interpreter"] {
        seeds.add(target, "generated", noise.clone());
    }
    session(seeds);
}

/// Calls of a session: a dispatch, a copy, and reading what came of them; a buffer that cannot be, in an error scope.
fn session(seeds: &mut Maker) {
    let (read, dispatch) = ([27, 0, 0, 9], [12, 0, 1, 5, 0, 0, 0, 1, 30, 0, 0, 0, 2, 1, 1, 0]);
    seeds.add("session", "dispatch", [&dispatch[..], &read].concat());
    seeds.add(
        "session",
        "copy",
        [&[26, 0, 0, 7, 11][..], &[12, 0, 1, 0, 0, 1, 0, 0, 3, 0], &[27, 1, 0, 9]].concat(),
    );
    // Texels written, moved by a shader, and copied out again.
    let texels = [
        &[26, 4, 7, 10, 0, 12, 0, 3][..],
        &[10, 5, 0, 0, 0, 0, 0, 0, 0, 0, 100, 4, 0, 0, 200, 200],
        &[5, 0, 0, 1, 1, 30, 1, 0, 0, 2, 1, 1, 0],
        &[10, 5, 0, 0, 1, 0, 0, 0, 0, 0, 100, 4, 0, 0, 200, 0],
        &[0, 27, 4, 0, 10],
    ];
    seeds.add("session", "texels", texels.concat());
    // A timed pass, and what its timestamps are.
    let stamps = [
        &[12, 0, 2, 15, 0, 0, 0, 0, 55, 0][..],
        &[0, 0, 1, 30, 0, 0, 0, 2, 2, 1, 0],
        &[14, 0, 0, 100, 4, 0, 0, 27, 4, 0, 8],
    ];
    seeds.add("session", "stamps", stamps.concat());
    seeds.add("session", "scopes", [23, 0, 1, 0, 16, 2, 24, 0, 30, 0]);
}

#[test]
fn seeds_are_as_made_and_every_oracle_takes_them() {
    let made = make();
    // One test only: the oracles measure the memory of the whole process.
    good_seeds_are_good(&made);
    let root = folder("seeds");
    if std::env::var_os("FIZZ_BLESS").is_some() {
        let _ = std::fs::remove_dir_all(&root);
        for ((target, name), bytes) in &made {
            std::fs::create_dir_all(root.join(target)).unwrap();
            std::fs::write(root.join(target).join(name), bytes).unwrap();
        }
    }
    let mut total = 0;
    for (target, body) in TARGETS {
        let mut found = 0;
        for entry in std::fs::read_dir(root.join(target)).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            assert_eq!(made.get(&(target, name)), Some(&bytes), "{path:?} is stale");
            (found, total) = (found + 1, total + bytes.len());
            body(&bytes);
            broken(&bytes, body);
        }
        assert_eq!(
            found,
            made.keys().filter(|(of, _)| *of == target).count(),
            "seeds of {target} are missing"
        );
        body(b"");
    }
    // Two of them hold a page of 64 KiB, nearly all of it zeros.
    assert!(total < 160 << 10, "{total} bytes of seeds are too many for a repository");
}

/// Seeds of the deep targets get past the first checks.
fn good_seeds_are_good(seeds: &Seeds) {
    let engine = fizz_sandbox::Engine::new().unwrap();
    let mut good = 0;
    for ((target, name), bytes) in seeds {
        if *target == "shader" && name != "error" {
            let text = std::str::from_utf8(bytes).unwrap();
            fizz_shader::check(text, name, &Default::default()).unwrap_or_else(|error| panic!("{error}"));
            good += 1;
        }
        if *target == "module" && name != "generated" {
            fizz_sandbox::Program::compile(&engine, bytes, &Default::default())
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            good += 1;
        }
    }
    assert_eq!(good, 8);
}

/// A seed with single bytes changed, and cut short.
fn broken(bytes: &[u8], body: fn(&[u8])) {
    let step = bytes.len().div_ceil(25).max(1);
    for at in (0..bytes.len()).step_by(step) {
        for by in [1, 0x80, 0xff] {
            let mut changed = bytes.to_vec();
            changed[at] ^= by;
            body(&changed);
        }
        body(&bytes[..at]);
    }
}
