//! Second opinions: runs a corpus of programs in several ways and compares them, and a golden file, to the bit.
//!
//! In: the corpus (`corpus`), whose programs are part of this binary. Each entry is run under every setting of the
//! engine (`opinion`); all must give the same outcome, gas and outputs, and those of the golden file (`golden`). Out:
//! a line for each opinion that differs, on stdout, and exit code 1; figures on stderr.

#![forbid(unsafe_code)]

mod corpus;
mod endings;
mod generated;
mod golden;
mod host_calls;
mod operators;
mod opinion;
mod programs;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use corpus::Entry;
use golden::{Golden, Line};
use opinion::Opinion;

const USAGE: &str = "\
usage: cargo test --release --test opinions -- [OPTION]... [ENTRY]...

    --full            the full corpus, not the small one
    --opinion NAME    only this one and others so named; the first is what the rest are compared with
    --bless           write the golden file (so does FIZZ_BLESS=1); refused where a result has changed and the
                      profile has not
    --golden FILE     compare with this file, or write it, instead of the one in the repository
    --guests FOLDER   besides, the C guests that `examples/c-guests` leaves there; they are in no golden file here,
                      because their bytes depend on the machine's C compiler, so --golden is needed too
    --module FILE [ARGUMENT]...    run this module instead, with everything that follows as its arguments
    ENTRY             only entries whose name starts so
";

/// Does what the arguments say. Options of Rust's own test harness are taken and change nothing, so that this can
/// run among other tests.
pub fn command(arguments: impl Iterator<Item = String>) -> ExitCode {
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(message) => {
            eprint!("error: {message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if options.help {
        print!("{USAGE}");
    }
    if options.help || options.list {
        return ExitCode::SUCCESS;
    }
    match compare(&options) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(differences) => {
            eprintln!("error: {differences} differences");
            ExitCode::FAILURE
        }
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The command line.
#[derive(Default)]
struct Options {
    full: bool,
    bless: bool,
    help: bool,
    /// Rust's test harness would list its tests; there are none here.
    list: bool,
    opinions: Vec<String>,
    /// Beginnings of names; none means all.
    only: Vec<String>,
    /// Instead of the repository's.
    golden: Option<PathBuf>,
    /// Where the C guests lie.
    guests: Option<PathBuf>,
    /// A module's file and its arguments.
    module: Option<(PathBuf, Vec<String>)>,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options { bless: std::env::var_os("FIZZ_BLESS").is_some(), ..Options::default() };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--full" => options.full = true,
                "--bless" => options.bless = true,
                "--opinion" => {
                    let name = arguments.next().ok_or("--opinion wants a name")?;
                    if !opinion::names().any(|known| known == name) {
                        let known: Vec<_> = opinion::names().collect();
                        return Err(format!("no opinion is named {name:?}; there are {}", known.join(", ")));
                    }
                    options.opinions.push(name);
                }
                "--golden" => options.golden = Some(arguments.next().ok_or("--golden wants a file")?.into()),
                "--guests" => {
                    options.guests = Some(arguments.next().ok_or("--guests wants a folder")?.into())
                }
                "--module" => {
                    let file = arguments.next().ok_or("--module wants a file")?;
                    options.module = Some((file.into(), arguments.by_ref().collect()));
                }
                "--help" | "-h" => options.help = true,
                "--list" => options.list = true,
                "--nocapture" | "--no-capture" | "--show-output" | "--exact" | "-q" | "--quiet" => {}
                flag if flag.starts_with("--test-threads") || flag.starts_with("--color") => {}
                flag if flag.starts_with('-') => return Err(format!("unknown option {flag:?}")),
                name => options.only.push(name.to_owned()),
            }
        }
        if options.guests.is_some() && options.golden.is_none() {
            return Err("--guests needs --golden".to_owned());
        }
        if options.opinions.is_empty() {
            options.opinions = opinion::names().map(str::to_owned).collect();
        }
        Ok(options)
    }

    fn entries(&self) -> Result<Vec<Entry>, String> {
        if let Some((file, arguments)) = &self.module {
            let wasm = std::fs::read(file).map_err(|error| format!("reading {}: {error}", file.display()))?;
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            return Ok(vec![Entry::new("module", wasm, &arguments)]);
        }
        let wanted = |entry: &Entry| {
            (self.full || entry.small)
                && (self.only.is_empty() || self.only.iter().any(|start| entry.name.starts_with(start)))
        };
        let mut entries = corpus::all();
        if let Some(folder) = &self.guests {
            entries.extend(programs::c_guests(folder)?);
            entries.sort_by(|a, b| a.name.cmp(&b.name));
        }
        entries.retain(wanted);
        Ok(entries)
    }
}

/// The small and the full corpus have a file each, so that both are read in review as wholes.
fn golden_file(full: bool) -> PathBuf {
    let name = if full { "golden-full.txt" } else { "golden.txt" };
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/")).join(name)
}

/// The profile's digest. It is the same on every machine, for nothing here uses a GPU.
fn profile() -> String {
    fizz_sandbox::profile().digest().to_string()
}

/// Runs everything. The number of differences.
fn compare(options: &Options) -> Result<usize, String> {
    let entries = options.entries()?;
    let opinions = opinion::opinions(&options.opinions).map_err(|error| error.to_string())?;
    let mut differences = 0;
    let mut lines = BTreeMap::new();
    let mut times = vec![Duration::ZERO; opinions.len()];
    for entry in &entries {
        let (line, found) = consult(entry, &opinions, &mut times);
        differences += found;
        if let Some(line) = line {
            lines.insert(entry.name.clone(), line);
        }
    }
    for (opinion, time) in opinions.iter().zip(&times) {
        eprintln!("{:13} {:5} entries in {:7.1} s", opinion.name, entries.len(), time.as_secs_f64());
    }
    if options.module.is_some() {
        for (name, line) in &lines {
            println!("{name}: {}, gas {}, outputs {}", line.seen.outcome, line.seen.gas, line.seen.digest);
        }
        return Ok(differences);
    }
    Ok(differences + against_golden(options, lines)?)
}

/// Runs an entry in every way. What the first way gave, and how many others differ from it.
fn consult(entry: &Entry, opinions: &[Opinion], times: &mut [Duration]) -> (Option<Line>, usize) {
    let mut first: Option<Line> = None;
    let mut differences = 0;
    for (opinion, time) in opinions.iter().zip(times) {
        let start = Instant::now();
        let seen = opinion.of(entry);
        *time += start.elapsed();
        match (seen, &first) {
            (Err(message), _) => {
                differences += 1;
                println!("{}: {}: {message}", entry.name, opinion.name);
            }
            (Ok(seen), None) => first = Some(Line { job: entry.digest(), seen }),
            (Ok(seen), Some(first)) if first.seen == seen => {}
            (Ok(seen), Some(first)) => {
                differences += 1;
                println!("{}: {}: {seen:?}, not {:?}", entry.name, opinion.name, first.seen);
            }
        }
    }
    (first, differences)
}

/// Compares with the golden file, or writes it. The number of differences.
fn against_golden(options: &Options, lines: BTreeMap<String, Line>) -> Result<usize, String> {
    let file = options.golden.clone().unwrap_or_else(|| golden_file(options.full));
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if options.bless && error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(format!("reading {}: {error}", file.display())),
    };
    let mut golden = Golden::parse(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    let profile = profile();
    let mut differences = 0;
    let mut refused = 0;
    let tell = |text: String| {
        if !options.bless {
            println!("{text}");
        }
    };
    if golden.profile != profile {
        differences += 1;
        tell(format!("the golden file is of another profile, {}; this is {profile}", golden.profile));
    }
    for (name, line) in &lines {
        if let Err(mismatch) = golden.check(&profile, name, line) {
            differences += 1;
            refused += usize::from(!mismatch.can_be_blessed());
            if !mismatch.can_be_blessed() {
                println!("{name}: {mismatch}");
            } else {
                tell(format!("{name}: {mismatch}"));
            }
        }
    }
    let whole = options.only.is_empty();
    if whole {
        for name in golden.lines.keys().filter(|name| !lines.contains_key(*name)) {
            differences += 1;
            tell(format!("{name}: in the golden file, but no longer run"));
        }
    }
    if !options.bless {
        if differences > 0 {
            eprintln!("hint: if the profile has changed, or entries have, run this again with --bless");
        }
        return Ok(differences);
    }
    let is_new = golden.lines.is_empty();
    if refused > 0 || (golden.profile != profile && !whole && !is_new) {
        return Err("the golden file is left as it is".to_owned());
    }
    if whole {
        golden.lines.clear();
    }
    golden.profile = profile;
    golden.lines.extend(lines);
    std::fs::write(&file, golden.text()).map_err(|error| format!("writing {}: {error}", file.display()))?;
    Ok(0)
}
