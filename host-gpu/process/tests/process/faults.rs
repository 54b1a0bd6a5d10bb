//! Processes that fail.

use super::roles::{LONG, PREFIX, adapter, command};
use super::script::{QUOTAS, dispatch, dispatches, prepare};
use fizz_gpu_abi::host::{HostFault, Session, Sessions, Stop};
use fizz_gpu_abi::{Encoder, status, usage};
use fizz_gpu_process::{GpuProcess, StartError, Transport, Watch};
use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Long to run, and without a loop: nobody waits for it until the guest does.
fn long_shader() -> String {
    let body = "x = (x ^ (x >> 3u)) * 1664525u + 7u;".repeat(300);
    format!(
        "@group(0) @binding(0) var<storage, read_write> data: array<u32>;
        @compute @workgroup_size(256) fn main(@builtin(global_invocation_id) id: vec3u) {{
            var x = data[id.x % 64u]; {body} data[id.x % 64u] = x;
        }}"
    )
}

/// Seconds of work on a software device.
fn begin_long(session: &mut dyn Session) -> Result<(), Stop> {
    prepare(session, &long_shader(), 64)?;
    dispatches(session, 4_000, 8).map(|_| ())
}

/// Processes that this one has started and that have not been reaped, zombies too.
pub fn children() -> Vec<u32> {
    let me = std::process::id().to_string();
    let parent = |id: &u32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1).map(str::to_owned))
    };
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut found: Vec<u32> = ids.filter(|id| parent(id).as_ref() == Some(&me)).collect();
    found.sort_unstable();
    found
}

fn fault(result: Result<impl Sized, Stop>) -> (HostFault, String) {
    match result {
        Err(Stop::HostFault(fault, text)) => (fault, text),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("no fault"),
    }
}

/// Mappings and descriptors of shared memory that this process has.
fn shared_memory() -> usize {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let open = open.filter_map(|entry| fs::read_link(entry.path()).ok());
    let named = |text: &str| text.contains("fizz-gpu");
    maps.lines().filter(|line| named(line)).count() + open.filter(|to| named(&to.to_string_lossy())).count()
}

pub fn nothing_is_left_behind() {
    for role in ["hangs", "aborts"] {
        let gpu = GpuProcess::start(command(role, &[], Transport::Best), LONG).unwrap();
        let session = gpu.session(&QUOTAS).unwrap();
        assert!(shared_memory() > 0);
        drop(session);
        drop(gpu);
        assert_eq!((children(), shared_memory()), (vec![], 0));
    }
}

pub fn killed_in_a_dispatch() {
    if !adapter() {
        return;
    }
    let gpu = GpuProcess::start(command("hardware", &[], Transport::Best), LONG).unwrap();
    let mut session = gpu.session(&QUOTAS).unwrap();
    prepare(&mut *session, &long_shader(), 64).unwrap();
    let id = children()[0].to_string();
    let killer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        assert!(Command::new("kill").args(["-KILL", &id]).status().unwrap().success());
    });
    let begun = Instant::now();
    let (kind, text) = fault(dispatches(&mut *session, 4_000, 100).and_then(|_| session.wait(-1, 0)));
    assert_eq!(kind, HostFault::DeviceLost);
    assert!(text.contains("signal: 9"), "{text}");
    assert!(begun.elapsed() < Duration::from_secs(20));
    killer.join().unwrap();
    // It stays so, with its gas.
    assert!(session.gas() > 0);
    assert_eq!(fault(session.submit(&[])), (kind, text));
    assert_eq!(children(), []);
    let mut next = gpu.session(&QUOTAS).unwrap();
    prepare(&mut *next, &long_shader(), 64).unwrap();
    dispatch(&mut *next, 1).unwrap();
    assert_eq!(next.wait(-1, 0), Ok(0));
}

const SHORT: Watch = Watch { step: Duration::from_millis(400) };
/// Time enough to make a pipeline, and not for the work of [`begin_long`].
const FAIR: Watch = Watch { step: Duration::from_secs(3) };

pub fn a_process_that_hangs_is_ended() {
    for transport in [Transport::Best, Transport::Pipes] {
        let gpu = GpuProcess::start(command("hangs", &[], transport), SHORT).unwrap();
        let mut session = gpu.session(&QUOTAS).unwrap();
        let begun = Instant::now();
        let (kind, text) = fault(session.submit(&[]));
        assert_eq!(kind, HostFault::TimedOut);
        assert!(text.contains("0.4 s"), "{text}");
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert_eq!(children(), []);
        assert_eq!(gpu.session(&QUOTAS).unwrap().wait(-1, 0), Ok(status::NOT_OPEN));
    }
}

pub fn a_process_that_goes_on_is_not_ended() {
    let watch = Watch { step: Duration::from_millis(700) };
    let gpu = GpuProcess::start(command("slow", &[], Transport::Best), watch).unwrap();
    let begun = Instant::now();
    assert_eq!(gpu.session(&QUOTAS).unwrap().submit(&[]), Ok(1));
    assert!(begun.elapsed() > 2 * watch.step);
}

pub fn a_process_that_dies_is_a_fault_each_time() {
    for (role, words) in [("aborts", "signal: 6"), ("exits", "exit status: 0")] {
        let gpu = GpuProcess::start(command(role, &[], Transport::Best), LONG).unwrap();
        for _ in 0..3 {
            let (kind, text) = fault(gpu.session(&QUOTAS).unwrap().submit(&[]));
            assert_eq!(kind, HostFault::DeviceLost);
            assert!(text.contains(words), "{text}");
        }
        drop(gpu);
        assert_eq!(children(), []);
    }
}

pub fn work_left_behind_is_not_the_next_sessions() {
    if !adapter() {
        return;
    }
    let gpu = GpuProcess::start(command("hardware", &[], Transport::Best), FAIR).unwrap();
    let mut session = gpu.session(&QUOTAS).unwrap();
    begin_long(&mut *session).unwrap();
    drop(session);
    let begun = Instant::now();
    let mut next = gpu.session(&QUOTAS).unwrap();
    prepare(&mut *next, &long_shader(), 64).unwrap();
    dispatch(&mut *next, 1).unwrap();
    assert_eq!(next.wait(-1, 0), Ok(0));
    assert!(begun.elapsed() < Duration::from_secs(20));
    drop((next, gpu));
    assert_eq!(children(), []);
}

/// Within the limits of shaders, and long to compile.
fn bomb() -> String {
    let mut body = String::new();
    for index in 0..6000 {
        body.push_str(&format!("x=(x*{index}u)^(y>>(x&7u));y+=d[x%64u];"));
    }
    format!(
        "@group(0) @binding(0) var<storage, read_write> d: array<u32>;
        @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {{
            var x = id.x; var y = id.y; {body} d[x % 64u] = y;
        }}"
    )
}

pub fn a_compile_bomb_is_ended() {
    if !adapter() {
        return;
    }
    let gpu = GpuProcess::start(command("hardware", &[], Transport::Best), SHORT).unwrap();
    let mut session = gpu.session(&QUOTAS).unwrap();
    let begun = Instant::now();
    let (kind, text) = fault(prepare(&mut *session, &bomb(), 64).and_then(|()| dispatch(&mut *session, 1)));
    assert_eq!(kind, HostFault::TimedOut, "{text}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(children(), []);
}

pub fn memory_over_the_ceiling_stays_in_the_process() {
    if !adapter() {
        return;
    }
    let ceiling = (1_u64 << 30).to_string();
    let gpu = GpuProcess::start(command("hardware", &[&ceiling], Transport::Best), LONG).unwrap();
    let mut session = gpu.session(&QUOTAS).unwrap();
    session
        .open(&fizz_gpu_abi::OpenRequest::new(fizz_gpu_abi::Class::Fast).to_bytes(), &mut [0; 999])
        .unwrap();
    let data = vec![1; 32 << 20];
    let filled = (1..=16).try_for_each(|id| {
        let mut to = Encoder::new();
        to.create_buffer(id, usage::COPY_DST, 256 << 20, false, "");
        session.submit(to.as_bytes())?;
        (0..8).try_for_each(|part| session.write(id, part * (32 << 20), &data).map(|_| ()))?;
        session.wait(-1, 0).map(|_| ())
    });
    let (kind, text) = fault(filled);
    assert_ne!(kind, HostFault::TimedOut, "{text}");
    // This process has not grown by what that one wanted, and the next session works.
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let resident: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(resident < 512 << 10, "{resident} kB");
    drop(session);
    let mut next = gpu.session(&QUOTAS).unwrap();
    prepare(&mut *next, &long_shader(), 64).unwrap();
    assert_eq!(next.wait(-1, 0), Ok(0));
}

pub fn a_stop_is_told_at_once() {
    if !adapter() {
        return;
    }
    let hardware = fizz_gpu::Adapters::list().choose(&fizz_gpu::Choice::Auto).unwrap();
    let mut session = hardware.session(&QUOTAS).unwrap();
    begin_long(&mut *session).unwrap();
    let begun = Instant::now();
    let stop = session.submit(&[9]).unwrap_err();
    assert!(matches!(stop, Stop::Protocol(_)), "{stop}");
    let told = begun.elapsed();
    // This waits for the work. If the stop did, how fast the device is would decide whether the watch makes a fault of it.
    drop(session);
    assert!(4 * told < begun.elapsed(), "{told:?}");
}

pub fn work_left_behind_ends() {
    for transport in [Transport::Best, Transport::Pipes] {
        let gpu = GpuProcess::start(command("stays", &[], transport), LONG).unwrap();
        let session = gpu.session(&QUOTAS).unwrap();
        let begun = Instant::now();
        drop(session);
        assert!(begun.elapsed() < Duration::from_secs(10));
        assert_eq!(children(), []);
    }
}

pub fn a_long_answer_leaves_no_memory_behind() {
    use std::os::unix::fs::MetadataExt;
    let gpu = GpuProcess::start(command("reads", &[], Transport::Best), LONG).unwrap();
    let mut session = gpu.session(&QUOTAS).unwrap();
    for len in [200 << 20, 1 << 20, 100 << 20] {
        let mut into = vec![0; len];
        assert_eq!(session.read(1, 0, &mut into), Ok(status::OK));
        assert!(into.iter().all(|byte| *byte == 7));
    }
    let open = fs::read_dir("/proc/self/fd").unwrap().flatten().map(|entry| entry.path());
    let answers: Vec<_> = open
        .filter(|path| fs::read_link(path).is_ok_and(|to| to.to_string_lossy().contains("fizz-gpu-answers")))
        .collect();
    assert_eq!(answers.len(), 1);
    let taken = fs::metadata(&answers[0]).unwrap().blocks() * 512;
    assert!(taken <= 64 << 20, "{taken} bytes");
}

pub fn what_trickles_is_late() {
    let gpu = GpuProcess::start(command("lies", &["trickles"], Transport::Pipes), SHORT).unwrap();
    let mut session = gpu.session(&QUOTAS).unwrap();
    let begun = Instant::now();
    let (kind, text) = fault(session.submit(&[]));
    assert_eq!(kind, HostFault::TimedOut, "{text}");
    assert!(begun.elapsed() < Duration::from_secs(3));
}

pub fn lies_are_noticed() {
    let submits = [
        "a-serial-that-jumps",
        "a-negative-serial",
        "gas-that-falls",
        "gas-over-the-limit",
        "bytes-that-nobody-wants",
        "ready-again",
        "no-frame",
        "half-a-frame",
        "signs-without-end",
        "out-of-gas-that-is-left",
        "a-short-stream-too-long",
        "a-limit-that-was-not-passed",
    ];
    let reads = ["a-long-read", "a-short-read", "no-status", "gas-that-falls", "no-frame"];
    let all = submits.map(|lie| (lie, false)).into_iter().chain(reads.map(|lie| (lie, true)));
    for (lie, read) in all {
        let gpu = GpuProcess::start(command("lies", &[lie], Transport::Pipes), LONG).unwrap();
        let mut session = gpu.session(&QUOTAS).unwrap();
        let result = if read { session.read(1, 0, &mut [0; 8]).map(i64::from) } else { session.submit(&[]) };
        let (kind, text) = fault(result);
        assert_eq!(kind, HostFault::DeviceLost, "{lie}: {text}");
        assert!(session.gas() <= QUOTAS.gas);
        assert_eq!(children(), [], "{lie}");
    }
}

pub fn frames_of_a_mad_worker_end_the_process() {
    use fizz_gpu_process::frame::{Place, Request, Span};
    let shared = Span { place: Place::Shared(1 << 40), len: 8 };
    let begin = Request::Begin(QUOTAS).encode().to_vec();
    let with = |request: Request| [&begin[..], &request.encode()].concat();
    for frames in [
        vec![0xff; 48],
        Request::Poll.encode().to_vec(),
        with(Request::Submit(shared)),
        with(Request::Write { buffer: 1, offset: 0, data: shared }),
        with(Request::Write { buffer: 1, offset: 0, data: Span::inline(usize::MAX) }),
        with(Request::Read { buffer: 1, offset: 0, into: shared }),
        with(Request::Read { buffer: 1, offset: 0, into: Span::inline(usize::MAX) }),
        with(Request::Submit(Span::inline(QUOTAS.stream_bytes as usize + 2))),
        with(Request::Open { request: Span::inline(1 << 20), caps: 0 }),
        with(Request::Lend(1 << 20)),
        with(Request::Stage(u64::MAX)),
    ] {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .arg(format!("{PREFIX}hangs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = process.stdin.take().unwrap();
        stdin.write_all(&frames).unwrap();
        // The input stays open: it ends for what it heard.
        let mut said = Vec::new();
        process.stdout.take().unwrap().read_to_end(&mut said).unwrap();
        assert_eq!(process.wait().unwrap().code(), Some(0), "{frames:?}");
        drop(stdin);
    }
}

pub fn a_process_that_cannot_start_says_why() {
    let start = |role: &str, args: &[&str]| {
        GpuProcess::start(command(role, args, Transport::Pipes), LONG).unwrap_err()
    };
    assert!(matches!(start("refuses", &[]), StartError::Refused(reason) if reason == "there is none"));
    assert!(matches!(start("lies", &["not-ready"]), StartError::Died(_)));
    let mut missing = command("hangs", &[], Transport::Best);
    missing.program = "/nonexistent".into();
    assert!(matches!(GpuProcess::start(missing, LONG), Err(StartError::Spawn(_))));
    assert_eq!(children(), []);
}

pub fn it_ends_with_its_worker() {
    ends_with_its_worker("hangs");
}

/// One that never finds out by itself that its worker is gone.
pub fn a_deaf_one_ends_with_its_worker() {
    if cfg!(target_os = "linux") {
        ends_with_its_worker("deaf");
    }
}

fn ends_with_its_worker(role: &str) {
    let mut worker = Command::new(std::env::current_exe().unwrap())
        .args([&format!("{PREFIX}worker"), role])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 8];
    worker.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    let mine = |id: u32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let rest = stat.rsplit(')').next().unwrap_or_default().to_owned();
        let mut words = rest.split_whitespace();
        // Its state, and its parent.
        (words.next().map(str::to_owned), words.next().map(str::to_owned))
    };
    let ids: Vec<u32> = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    let parent = worker.id().to_string();
    let gpu = ids.into_iter().find(|id| mine(*id).1.as_ref() == Some(&parent)).unwrap();
    // In the middle of the submission that hangs.
    std::thread::sleep(Duration::from_millis(200));
    worker.kill().unwrap();
    worker.wait().unwrap();
    let begun = Instant::now();
    while !matches!(mine(gpu).0.as_deref(), None | Some("Z")) {
        assert!(begun.elapsed() < Duration::from_secs(5), "the GPU's process outlives its worker");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[cfg(target_os = "linux")]
pub fn it_inherits_little() {
    use std::os::fd::{AsFd, AsRawFd};
    let folder = tempfile();
    let secret = fs::File::create(&folder).unwrap();
    // One that a program started from this one would have.
    let kept = secret.as_fd().try_clone_to_owned().unwrap();
    inheritable(kept.as_raw_fd());
    let seen = |start: Result<GpuProcess, StartError>| match start {
        Err(StartError::Refused(said)) => said,
        other => panic!("{other:?}"),
    };
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let plain = Command::new("ls").args(["-l", "/proc/self/fd"]).output().unwrap();
    assert!(String::from_utf8_lossy(&plain.stdout).contains(&name), "this test can fail");
    for transport in [Transport::Best, Transport::Pipes] {
        let said = seen(GpuProcess::start(command("shows", &[], transport), LONG));
        assert!(!said.contains(&name), "{said}");
        assert!(said.contains("PATH") && !said.contains("CARGO"), "{said}");
    }
    drop((secret, kept));
    fs::remove_file(folder).unwrap();
}

#[cfg(target_os = "linux")]
fn tempfile() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("fizz-secret-{}", std::process::id()))
}

/// Has programs that this one starts inherit a descriptor.
#[cfg(target_os = "linux")]
fn inheritable(descriptor: i32) {
    // SAFETY: it changes a flag of a descriptor that is open.
    #[expect(unsafe_code, reason = "the standard library does not do it")]
    unsafe {
        assert_eq!(libc::fcntl(descriptor, libc::F_SETFD, 0), 0);
    }
}
