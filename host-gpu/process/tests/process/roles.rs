//! What this program is when it is started as the GPU's process.

use fizz_gpu::{Adapters, Choice};
use fizz_gpu_abi::host::{Device, Identity, Limit, Quotas, Session, Sessions, Stop};
use fizz_gpu_abi::{PollState, status};
use fizz_gpu_process::frame::{REQUEST_BYTES, Reply, StopKind, encode_identity};
use fizz_gpu_process::{GpuCommand, GpuProcess, Server, Transport, Watch};
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

/// Before the name of a role, as the first argument.
pub const PREFIX: &str = "--role=";
/// Memory of a process that is not to notice its ceiling.
const PLENTY: u64 = 64 << 30;
/// The longest step in tests where it is not to pass.
pub const LONG: Watch = Watch { step: Duration::from_secs(30) };

pub fn command(role: &str, args: &[&str], transport: Transport) -> GpuCommand {
    let program = std::env::current_exe().unwrap();
    let args = std::iter::once(format!("{PREFIX}{role}")).chain(args.iter().map(|arg| (*arg).to_owned()));
    GpuCommand { program, args: args.map(Into::into).collect(), transport }
}

/// Whether this machine has an adapter. Where there is none: fails in CI, else says so.
pub fn adapter() -> bool {
    let found = !Adapters::list().is_empty();
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(found || !ci, "CI must have a GPU adapter (install lavapipe)");
    if !found {
        eprintln!("skipped: no adapter");
    }
    found
}

pub fn play(role: &str, args: &[String]) {
    match role {
        "hardware" => {
            let memory = args.first().map_or(PLENTY, |bytes| bytes.parse().unwrap());
            let server = Server::start(memory).unwrap();
            let hardware = Adapters::list().choose(&Choice::Auto).unwrap();
            let hardware = hardware.with_heartbeat(server.heartbeat()).with_wait_limit(LONG.step);
            // A worker that is gone, or mad.
            let _ = server.serve(&hardware);
        }
        "shows" => {
            // What it was started with, in the place of a reason.
            let mut said: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
            let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
            said.extend(open.filter_map(|entry| {
                Some(std::fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned())
            }));
            Server::start(PLENTY).unwrap().refuse(&said.join(" ")).unwrap();
        }
        "refuses" => Server::start(PLENTY).unwrap().refuse("there is none").unwrap(),
        "lies" => lie(&args[0]),
        "worker" => {
            // Holds a process that hangs, or that is deaf, until this one is killed.
            let deaf = args.first().is_some_and(|arg| arg == "deaf");
            let (role, with, transport): (_, &[&str], _) =
                if deaf { ("lies", &["sleeps"], Transport::Pipes) } else { ("hangs", &[], Transport::Best) };
            let gpu = GpuProcess::start(command(role, with, transport), LONG).unwrap();
            let mut session = gpu.session(&super::script::QUOTAS).unwrap();
            println!("started");
            let _ = session.submit(&[]);
        }
        sick => {
            let server = Server::start(PLENTY).unwrap();
            let beat = server.heartbeat();
            let _ = server.serve(&Sick { how: sick.to_owned(), beat });
        }
    }
}

/// Sessions that are ill in one way: `submit` hangs, goes on slowly, or ends the process, or the session does not go.
struct Sick {
    how: String,
    beat: Arc<dyn Fn() + Send + Sync>,
}

impl Sessions for Sick {
    fn session(&self, _: &Quotas) -> Result<Box<dyn Session>, Stop> {
        Ok(Box::new(SickSession { how: self.how.clone(), beat: self.beat.clone() }))
    }

    fn identity(&self) -> Identity {
        identity()
    }
}

fn identity() -> Identity {
    let device = Device {
        shader: "none".into(),
        adapter: "a sick one".into(),
        driver: "none".into(),
        backend: "none".into(),
        software: true,
        probe: String::new(),
    };
    Identity { stream: 1, fast: Some(device), exact: None }
}

struct SickSession {
    how: String,
    beat: Arc<dyn Fn() + Send + Sync>,
}

impl Drop for SickSession {
    fn drop(&mut self) {
        if self.how == "stays" {
            std::thread::sleep(Duration::from_secs(60));
        }
    }
}

impl Session for SickSession {
    fn submit(&mut self, _: &[u8]) -> Result<i64, Stop> {
        match self.how.as_str() {
            "hangs" => loop {
                std::thread::sleep(Duration::from_secs(60));
            },
            "slow" => {
                for _ in 0..16 {
                    std::thread::sleep(Duration::from_millis(150));
                    (self.beat)();
                }
                Ok(1)
            }
            "aborts" => std::process::abort(),
            "exits" => std::process::exit(0),
            how => panic!("no role {how}"),
        }
    }

    fn open(&mut self, _: &[u8], _: &mut [u8]) -> Result<i32, Stop> {
        Ok(status::NO_GPU)
    }
    fn write(&mut self, _: u32, _: u64, _: &[u8]) -> Result<i32, Stop> {
        Ok(status::NOT_OPEN)
    }
    fn read(&mut self, _: u32, _: u64, into: &mut [u8]) -> Result<i32, Stop> {
        if self.how != "reads" {
            return Ok(status::NOT_OPEN);
        }
        into.fill(7);
        Ok(status::OK)
    }
    fn wait(&mut self, _: i64, _: i64) -> Result<i32, Stop> {
        Ok(status::NOT_OPEN)
    }
    fn poll(&mut self, _: &mut [u8; PollState::SIZE]) -> Result<i64, Stop> {
        Ok(status::NOT_OPEN.into())
    }
    fn take_error(&mut self, _: &mut [u8]) -> Result<i32, Stop> {
        Ok(status::NOT_OPEN)
    }
    fn close(&mut self) -> Result<i32, Stop> {
        Ok(status::NOT_OPEN)
    }
    fn gas(&self) -> u64 {
        0
    }
}

/// Begins as it should, and answers the second request with a lie. Over pipes, which need no server.
fn lie(which: &str) {
    let (mut stdin, mut stdout) = (std::io::stdin(), std::io::stdout());
    let mut say = |reply: Reply, rest: &[u8]| {
        stdout.write_all(&[&reply.encode(), rest].concat()).unwrap();
        stdout.flush().unwrap();
    };
    let identity = encode_identity(&identity());
    if which == "not-ready" {
        say(Reply::Working, &[]);
    } else {
        say(Reply::Ready { len: identity.len() as u64 }, &identity);
    }
    let mut hear = || stdin.read_exact(&mut [0; REQUEST_BYTES]).unwrap();
    hear();
    say(Reply::Answer { value: 0, gas: 10, len: 0 }, &[]);
    hear();
    let answer = |value, gas, len| Reply::Answer { value, gas, len };
    match which {
        "a-serial-that-jumps" | "a-negative-serial" => {
            say(answer(if which == "a-serial-that-jumps" { 2 } else { -77 }, 10, 0), &[]);
        }
        "gas-that-falls" => say(answer(1, 9, 0), &[]),
        "gas-over-the-limit" => say(answer(1, u64::MAX, 0), &[]),
        "bytes-that-nobody-wants" => say(answer(1, 10, 1), &[0]),
        "ready-again" => say(Reply::Ready { len: identity.len() as u64 }, &identity),
        "no-frame" => stdout.write_all(&[0xff; 64]).and_then(|()| stdout.flush()).unwrap(),
        "half-a-frame" => stdout.write_all(&[4, 0]).and_then(|()| stdout.flush()).unwrap(),
        "a-long-read" => say(answer(0, 10, u64::MAX), &[]),
        "a-short-read" => say(answer(0, 10, 4), &[0; 4]),
        "out-of-gas-that-is-left" => say(Reply::Stopped { stop: StopKind::OutOfGas, gas: 10, len: 0 }, &[]),
        "a-short-stream-too-long" => {
            say(Reply::Stopped { stop: StopKind::Limit(Limit::StreamBytes), gas: 10, len: 0 }, &[]);
        }
        "signs-without-end" => {
            for _ in 0..10_000 {
                say(Reply::Working, &[]);
            }
            say(answer(1, 10, 0), &[]);
        }
        "trickles" => {
            for byte in answer(1, 10, 0).encode() {
                std::thread::sleep(Duration::from_millis(150));
                stdout.write_all(&[byte]).and_then(|()| stdout.flush()).unwrap();
            }
        }
        "a-limit-that-was-not-passed" => {
            say(Reply::Stopped { stop: StopKind::Limit(Limit::Objects), gas: 10, len: 0 }, &[]);
        }
        "sleeps" => std::thread::sleep(Duration::from_secs(60)),
        "no-status" => say(answer(i64::MAX, 10, 0), &[]),
        lie => panic!("no lie {lie}"),
    }
    if which != "half-a-frame" {
        // Until the worker has enough of it.
        let _ = stdin.read(&mut [0]);
        std::thread::sleep(Duration::from_secs(5));
    }
}
