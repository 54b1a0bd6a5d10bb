//! Workers of all kinds, each a start of this program with another role.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use fizz_exec::{Executor, Form, OwnCompiler};
use fizz_node::worker::{
    Description, Event, Finished, GpuDescription, Instruction, Order, OutputFile, WorkerCommand, work,
    work_asking,
};
use fizz_wire::frame;

/// The first argument of a worker.
pub const ROLE: &str = "--worker";

/// A command that starts this program as a worker.
pub fn command(role: &str, more: &[&str]) -> WorkerCommand {
    let program = std::env::current_exe().unwrap();
    let args = [ROLE, role].iter().chain(more).map(OsString::from).collect();
    WorkerCommand { program, args }
}

/// A worker that does what it should.
pub fn honest() -> WorkerCommand {
    command("honest", &[])
}

/// Holds up workers: each says on a connection that it has an order, and goes on when it gets a byte.
pub struct Gate(TcpListener);

impl Gate {
    pub fn new() -> Gate {
        Gate(TcpListener::bind(("127.0.0.1", 0)).unwrap())
    }

    /// A worker that stops here before each order.
    pub fn worker(&self) -> WorkerCommand {
        command("gated", &[&self.0.local_addr().unwrap().to_string()])
    }

    /// Waits until a worker has an order.
    pub async fn reached(&self) -> Held {
        let gate = self.0.try_clone().unwrap();
        tokio::task::spawn_blocking(move || Held(gate.accept().unwrap().0)).await.unwrap()
    }

    /// Whether a worker waits that nobody has seen yet.
    pub fn is_reached(&self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        self.0.accept().is_ok()
    }
}

/// A worker that waits.
pub struct Held(TcpStream);

impl Held {
    pub fn go(mut self) {
        self.0.write_all(&[1]).unwrap();
    }
}

/// A promise that this program keeps: its compilers and workers are itself.
pub fn own() -> OwnCompiler {
    // SAFETY: every compiler that the tests start is this program, and those roles that lie send no machine code; the
    // folders are temporary ones of this user.
    unsafe { OwnCompiler::promise() }
}

/// Runs as a worker.
pub fn run(args: &[String]) {
    let executor = Executor::new(None).unwrap();
    let description = Description {
        profile: executor.profile(None),
        exact: None,
        fast: None,
        engine: executor.engine_info(None),
    };
    match args[0].as_str() {
        "compiler" => {
            count_start(&args[1..]);
            fizz_exec::code::compile_here(io::stdin(), io::stdout()).unwrap();
        }
        "stuck-compiler" => {
            count_start(&args[1..]);
            wait_for_the_end();
        }
        "dying-compiler" => {
            count_start(&args[1..]);
            eprintln!("no room");
            std::process::exit(7)
        }
        "compiler-with-a-child" => {
            start_who_outlives(&args[1]);
            if args[2] == "waits" {
                wait_for_the_end();
            }
        }
        "outlives" => {
            while Path::new(&args[1]).exists() {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
        "asking" => work_asking(executor, io::stdin(), io::stdout(), own()).unwrap(),
        "asks-twice" => serve(description, |_| {
            tell(&wants(false));
            let answer = next_frame(&mut io::stdin()).unwrap();
            assert!(matches!(frame::decode(&answer).unwrap(), Instruction::Code(Ok(_))));
            wants(false)
        }),
        "asks-for-ever" => serve(description, |_| {
            for anew in std::iter::once(false).chain(std::iter::repeat(true)) {
                tell(&wants(anew));
                if next_frame(&mut io::stdin()).is_none() {
                    break;
                }
            }
            rejected()
        }),
        "dies-waiting" => serve(description, |_| {
            tell(&wants(false));
            std::process::exit(1)
        }),
        "speaks-waiting" => serve(description, |_| {
            tell(&wants(false));
            tell(&Event::Progress(1));
            wait_for_the_end();
            std::process::exit(0)
        }),
        "honest" => work(&executor, io::stdin(), io::stdout()).unwrap(),
        "gated" => {
            let input = Gated { address: args[1].parse().unwrap(), left: Vec::new() };
            work(&executor, input, io::stdout()).unwrap();
        }
        "silent" => wait_for_the_end(),
        "rubbish" => {
            io::stdout().write_all(b"Segmentation fault (core dumped)\n").unwrap();
            wait_for_the_end();
        }
        "huge" => {
            io::stdout().write_all(&[0xff; 64]).unwrap();
            io::stdout().flush().unwrap();
            wait_for_the_end();
        }
        "impatient" => {
            tell(&Event::Started);
            wait_for_the_end();
        }
        // Another profile from its second start on.
        "changes" => {
            let second = !std::fs::exists(&args[1]).unwrap();
            std::fs::write(&args[1], "").unwrap();
            let mut description = description;
            description.profile.wasi += u32::from(!second);
            serve(description, |_| rejected());
        }
        // Its GPU is there at the first start only.
        "loses-its-gpu" => {
            let first = !std::fs::exists(&args[1]).unwrap();
            std::fs::write(&args[1], "").unwrap();
            let Description { profile, engine, .. } = description.clone();
            let exact = first.then_some(GpuDescription { profile, engine, hardware: true });
            serve(Description { exact, ..description }, |_| rejected());
        }
        "dies" => serve(description, |_| std::process::exit(1)),
        "cut" => serve(description, |_| {
            let frame = frame::encode(&rejected()).unwrap();
            io::stdout().write_all(&frame[..frame.len() - 1]).unwrap();
            io::stdout().flush().unwrap();
            std::process::exit(0)
        }),
        "hangs" => serve(description, |_| {
            wait_for_the_end();
            std::process::exit(0)
        }),
        "claims" => serve(description, |order| claim(&args[1], Path::new(&order.outputs))),
        "early" => {
            tell(&Event::Ready(Box::new(description)));
            tell(&rejected());
            wait_for_the_end();
        }
        role => panic!("no role {role}"),
    }
}

fn wants(anew: bool) -> Event {
    Event::WantsCode { form: Form::Fast, anew }
}

/// Starts a process that is in no group that is killed, and holds this one's pipes as long as the file is there.
#[expect(clippy::zombie_processes, reason = "it is to outlive this process")]
fn start_who_outlives(file: &str) {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut child, 0);
    child.args([ROLE, "outlives", file]).spawn().unwrap();
}

/// Leaves a mark of this start in a folder, where one is named.
fn count_start(folder: &[String]) {
    if let [folder] = folder {
        std::fs::write(Path::new(folder).join(std::process::id().to_string()), "").unwrap();
    }
}

fn rejected() -> Event {
    Event::Rejected("just so".into())
}

/// Says that it finished, with one thing wrong.
fn claim(what: &str, outputs: &Path) -> Event {
    let names = ["stdout", "stderr", "0"];
    for name in names {
        std::fs::write(outputs.join(name), b"bytes").unwrap();
    }
    let [stdout, stderr, name] = names.map(str::to_owned);
    let mut finished = Finished {
        outcome: fizz_attest::Outcome::Completed { exit_code: 0 },
        gas: 1,
        gpu_gas: 0,
        gpu: false,
        boundaries: Vec::new(),
        stdout,
        stderr,
        files: vec![OutputFile { path: "file".into(), name }],
    };
    match what {
        "nothing-wrong" => {}
        "a-path-out" => finished.files[0].name = "../../node.redb".into(),
        "an-absolute-path" => finished.stdout = "/etc/hostname".into(),
        "a-name-twice" => finished.stderr = finished.stdout.clone(),
        "a-missing-file" => std::fs::remove_file(outputs.join("0")).unwrap(),
        "a-folder" => {
            std::fs::remove_file(outputs.join("0")).unwrap();
            std::fs::create_dir(outputs.join("0")).unwrap();
        }
        "a-bad-output-path" => finished.files[0].path = "../file".into(),
        "too-much-gas" => finished.gas = u64::MAX,
        "gas-that-goes-back" => {
            let boundary = |gas| fizz_attest::Boundary { state: Default::default(), gas, gpu_gas: 0 };
            finished.boundaries = vec![boundary(1), boundary(0)];
        }
        "a-gpu" => finished.gpu = true,
        #[cfg(unix)]
        "a-link" => {
            std::fs::remove_file(outputs.join("0")).unwrap();
            std::os::unix::fs::symlink("../../node.redb", outputs.join("0")).unwrap();
        }
        what => panic!("no claim {what}"),
    }
    Event::Finished(Box::new(finished))
}

/// Answers each order with an event.
fn serve(description: Description, mut answer: impl FnMut(&Order) -> Event) {
    tell(&Event::Ready(Box::new(description)));
    let mut stdin = io::stdin();
    while let Some(bytes) = next_frame(&mut stdin) {
        let Instruction::Order(order) = frame::decode(&bytes).unwrap() else { panic!("nothing was asked") };
        tell(&Event::Started);
        // Whatever this is, it may be one that a worker cannot send by itself.
        tell_unchecked(&answer(&order));
    }
}

fn tell(event: &Event) {
    io::stdout().write_all(&frame::encode(event).unwrap()).unwrap();
    io::stdout().flush().unwrap();
}

/// Sends an event that this side would refuse to send.
fn tell_unchecked(event: &Event) {
    let checked = frame::encode(event);
    let frame = checked.unwrap_or_else(|_| {
        let Event::Finished(finished) = event else { panic!("only finished events are checked") };
        // The same with plain names of the same lengths, which are then written over.
        let mut plain = (**finished).clone();
        let mut names = Vec::new();
        let fields = [&mut plain.stdout, &mut plain.stderr];
        let fields = fields.into_iter().chain(plain.files.iter_mut().map(|file| &mut file.name));
        for (fill, name) in ('a'..='z').zip(fields) {
            let stand_in = fill.to_string().repeat(name.len().max(20));
            names.push((stand_in.clone(), std::mem::replace(name, stand_in)));
        }
        let mut frame = frame::encode(&Event::Finished(Box::new(plain))).unwrap();
        for (stand_in, name) in names {
            // A length of one byte stands before each text.
            let at = frame.windows(stand_in.len()).position(|part| part == stand_in.as_bytes()).unwrap();
            frame.splice(at - 1..at + stand_in.len(), [&[name.len() as u8], name.as_bytes()].concat());
        }
        let length = (frame.len() - frame::HEADER_BYTES) as u32;
        frame[..frame::HEADER_BYTES].copy_from_slice(&length.to_le_bytes());
        frame
    });
    io::stdout().write_all(&frame).unwrap();
    io::stdout().flush().unwrap();
}

/// Until the node is gone; so no test leaves a process behind.
fn wait_for_the_end() {
    let mut sink = [0; 256];
    while matches!(io::stdin().read(&mut sink), Ok(1..)) {}
}

fn next_frame(input: &mut impl Read) -> Option<Vec<u8>> {
    let mut bytes = vec![0; frame::HEADER_BYTES];
    input.read_exact(&mut bytes).ok()?;
    let length = u32::from_le_bytes(bytes[..4].try_into().unwrap());
    input.take(length.into()).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Standard input, each frame of which waits at a gate.
struct Gated {
    address: SocketAddr,
    left: Vec<u8>,
}

impl Read for Gated {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.left.is_empty() {
            let Some(frame) = next_frame(&mut io::stdin()) else { return Ok(0) };
            let mut gate = TcpStream::connect(self.address)?;
            // A test that has ended lets everybody go on.
            let _ = gate.read(&mut [0]);
            self.left = frame;
        }
        let count = out.len().min(self.left.len());
        out[..count].copy_from_slice(&self.left[..count]);
        self.left.drain(..count);
        Ok(count)
    }
}

/// A file that a worker of the role `changes` remembers by.
pub fn memory(folder: &Path) -> PathBuf {
    folder.join("started")
}
