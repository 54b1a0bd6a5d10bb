//! Goes through what WASI serves of Rust's standard library and prints what it sees, line by line.
//!
//! Nothing is checked here: the test compares the lines with `transcript.txt`.

use std::collections::hash_map::RandomState;
use std::fs::{self, File, OpenOptions};
use std::hash::BuildHasher;
use std::io::{self, BufRead, IsTerminal, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

fn main() -> ExitCode {
    match tour() {
        Ok(()) => ExitCode::from(42),
        Err(error) => {
            eprintln!("the tour ended early: {error}");
            ExitCode::FAILURE
        }
    }
}

fn tour() -> io::Result<()> {
    surroundings()?;
    folders()?;
    files()?;
    names()?;
    errors();
    times()?;
    let mut error = io::stderr();
    write!(error, "part ")?;
    error.write_all(b"by part\n")?;
    fs::create_dir_all("/out")?;
    fs::write("/out/left", "what the guest leaves")
}

fn section(name: &str) {
    println!("== {name}");
}

/// What an operation gave, or the kind of its error.
fn show<T: std::fmt::Debug>(what: &str, result: io::Result<T>) {
    match result {
        Ok(value) => println!("{what}: {value:?}"),
        Err(error) => println!("{what}: error {:?}, number {:?}", error.kind(), error.raw_os_error()),
    }
}

fn surroundings() -> io::Result<()> {
    section("arguments, environment, standard input");
    for argument in std::env::args() {
        println!("{argument:?}");
    }
    for (key, value) in std::env::vars() {
        println!("{key}={value}");
    }
    println!("MISSING: {:?}", std::env::var("MISSING"));
    let mut lines = io::stdin().lock().lines();
    println!("first line: {:?}", lines.next().transpose()?);
    println!("other lines: {}", lines.count());
    println!("terminals: {} {}", io::stdin().is_terminal(), io::stdout().is_terminal());
    // Maps are seeded by the job, so that even their order repeats.
    println!("a random number: {:x}", RandomState::new().hash_one(0));
    show("input", fs::read_to_string("/in/text"));
    Ok(())
}

fn listing(folder: &str) -> io::Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let end = if kind.is_dir() { "/" } else { "" };
        names.push(format!("{}{end}", entry.file_name().to_string_lossy()));
    }
    Ok(names.join(" "))
}

fn folders() -> io::Result<()> {
    section("folders");
    fs::create_dir_all("a/b/c")?;
    fs::create_dir("a/b/d")?;
    for name in ["z", "ä", "m"] {
        fs::write(format!("a/b/{name}"), name)?;
    }
    println!("a/b: {}", listing("a/b")?);
    show("a full folder", fs::remove_dir("a/b"));
    for number in 0..300 {
        File::create(format!("a/b/c/{number:03}"))?;
    }
    println!("many: {}", fs::read_dir("a/b/c")?.count());
    fs::remove_dir_all("a/b/c")?;
    println!("a/b: {}", listing("a/b")?);
    fs::rename("a/b", "moved")?;
    println!("root: {}", listing("/")?);
    println!("moved: {}", listing("moved/.././moved")?);
    fs::remove_dir_all("moved")?;
    fs::remove_dir("a")
}

fn files() -> io::Result<()> {
    section("files");
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).open("f")?;
    file.write_all(b"hello, world")?;
    println!("position: {}", file.stream_position()?);
    file.seek(SeekFrom::End(-5))?;
    let mut end = String::new();
    file.read_to_string(&mut end)?;
    println!("the end: {end}");
    file.seek(SeekFrom::Start(20))?;
    file.write_all(b"far")?;
    println!("with a hole: {:?}", String::from_utf8_lossy(&fs::read("f")?));
    file.set_len(5)?;
    file.sync_all()?;
    println!("cut: {:?} of {}", fs::read_to_string("f")?, file.metadata()?.len());
    show("before the start", file.seek(SeekFrom::Current(-100)));
    drop(file);
    let mut appending = OpenOptions::new().append(true).open("f")?;
    appending.write_all(b" again")?;
    println!("appended: {:?}", fs::read_to_string("f")?);
    let mut reading = File::open("f")?;
    show("writing what is open for reading", reading.write(b"x"));
    show("growing what is open for reading", reading.set_len(100));
    show("reading what is open for writing", appending.read(&mut [0; 4]));
    let shared = reading.try_clone();
    show("a second descriptor", shared.map(drop));
    println!("copied: {} bytes", fs::copy("f", "g")?);
    let mut vectors = File::create("v")?;
    let parts = [io::IoSlice::new(b"one"), io::IoSlice::new(b""), io::IoSlice::new(b"two")];
    println!("written from three: {}", vectors.write_vectored(&parts)?);
    let (mut first, mut second) = ([0; 2], [0; 9]);
    let mut into = [io::IoSliceMut::new(&mut first), io::IoSliceMut::new(&mut second)];
    let count = File::open("v")?.read_vectored(&mut into)?;
    println!("read into two: {count} {:?}", String::from_utf8_lossy(&[&first[..], &second[..4]].concat()));
    let big = vec![7_u8; 1 << 20];
    fs::write("big", &big)?;
    println!("a megabyte comes back: {}", fs::read("big")? == big);
    fs::remove_file("big")
}

fn names() -> io::Result<()> {
    section("names");
    fs::hard_link("f", "second")?;
    fs::remove_file("f")?;
    println!("by its second name: {:?}", fs::read_to_string("second")?);
    let held = File::open("second")?;
    fs::remove_file("second")?;
    println!("without a name: {} bytes", held.metadata()?.len());
    show("exists", fs::exists("second"));
    fs::rename("g", "v")?;
    println!("over another: {:?}", fs::read_to_string("v")?);
    let meta = fs::symlink_metadata("v")?;
    println!("file {} folder {} link {}", meta.is_file(), meta.is_dir(), meta.is_symlink());
    println!("root is a folder: {}", Path::new("/").is_dir());
    show("no link", fs::read_link("v").map(|_| ()));
    fs::remove_file("v")
}

fn errors() {
    section("errors");
    show("nothing there", File::open("none").map(drop));
    show("below nothing", File::create("none/x").map(drop));
    show("there already", fs::create_dir("/in"));
    show("new but there", File::create_new("/in/text").map(drop));
    show("a file as a folder", File::open("/in/text/x").map(drop));
    show("a folder as a file", fs::write("/in", "x"));
    show("reading a folder", fs::read("/in"));
    show("removing a folder as a file", fs::remove_file("/in"));
    show("removing a file as a folder", fs::remove_dir("/in/text"));
    show("listing a file", fs::read_dir("/in/text").map(drop));
    show("into itself", fs::rename("/in", "/in/in"));
    show("above the root", File::open("/../../etc/passwd").map(drop));
    show("too long", File::open("n".repeat(256)).map(drop));
    show("with a zero", File::open("a\0b").map(drop));
    show("no network", std::net::TcpStream::connect("127.0.0.1:80").map(drop));
    show("no processes", std::process::Command::new("/in/text").spawn().map(drop));
}

fn times() -> io::Result<()> {
    section("times");
    let start = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(io::Error::other)?;
    println!("seconds since 1970: {}", start.as_secs());
    let before = Instant::now();
    thread::sleep(Duration::from_secs(3600));
    println!("slept: {} s", before.elapsed().as_secs());
    fs::write("dated", "")?;
    let modified = fs::metadata("dated")?.modified()?;
    let since = modified.duration_since(SystemTime::UNIX_EPOCH).map_err(io::Error::other)?;
    println!("dated an hour later: {}", since.as_secs() - start.as_secs());
    let file = OpenOptions::new().write(true).open("dated")?;
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_nanos(1_234_567_891))?;
    let modified = file.metadata()?.modified()?.duration_since(SystemTime::UNIX_EPOCH);
    println!("dated by hand: {:?}", modified.map_err(io::Error::other)?);
    fs::remove_file("dated")
}
