//! What is run: the examples' kernels, SQL and JavaScript where those guests have been built, or a module of one's own.

use std::fs;
use std::path::{Path, PathBuf};

use fizz_sandbox::{Engine, Files, TaskSpec};

use crate::{Guest, Result};

const KERNELS: [&str; 8] = ["nbody", "matmul", "matmul-simd", "sieve", "blake3", "fib", "regex", "deflate"];

/// A guest that holds C: its name, the files of its example, which it gets as arguments, and arguments behind them.
struct Interpreted {
    name: &'static str,
    files: &'static [&'static str],
    arguments: &'static [&'static str],
}

const INTERPRETED: [Interpreted; 2] = [
    Interpreted { name: "sql", files: &["harbours.csv", "report.sql"], arguments: &[] },
    Interpreted { name: "script", files: &["primes.js"], arguments: &["200000"] },
];

/// A task for one of the guests.
pub(crate) struct Workload {
    pub(crate) name: String,
    pub(crate) guest: usize,
    pub(crate) task: TaskSpec,
}

/// Everything, or what is wanted by name.
pub(crate) fn named(engine: &Engine, wanted: &[String]) -> Result<(Vec<Guest>, Vec<Workload>)> {
    let mut guests = vec![Guest::new(engine, "kernels", fizz_examples::KERNELS)?];
    let mut workloads = Vec::new();
    let known = |name: &String| KERNELS.contains(&&**name) || INTERPRETED.iter().any(|one| one.name == name);
    if let Some(unknown) = wanted.iter().find(|name| !known(name)) {
        return Err(format!("no workload is named `{unknown}`").into());
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wish| wish == name);
    for name in KERNELS.into_iter().filter(|name| is_wanted(name)) {
        let mut task = TaskSpec::new("kernels");
        task.args.push(name.to_owned());
        workloads.push(Workload { name: name.to_owned(), guest: 0, task });
    }
    for Interpreted { name, files, arguments } in INTERPRETED.into_iter().filter(|one| is_wanted(one.name)) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let module = root.join(format!("target/guest/c/wasm32-wasip1/release/{name}.wasm"));
        let Ok(wasm) = fs::read(&module) else {
            let missing = format!("{name} is not built: examples/c-guests builds it, and says what it needs");
            if wanted.is_empty() {
                println!("left out: {missing}");
                continue;
            }
            return Err(missing.into());
        };
        let mut task = TaskSpec::new(name);
        task.files.create_dir("/out")?;
        for file in files {
            let bytes = fs::read(root.join("examples").join(name).join(file))?;
            task.files.insert(&format!("/{file}"), bytes)?;
            task.args.push(format!("/{file}"));
        }
        task.args.extend(arguments.iter().map(|&argument| argument.to_owned()));
        guests.push(Guest::new(engine, name, &wasm)?);
        workloads.push(Workload { name: name.to_owned(), guest: guests.len() - 1, task });
    }
    Ok((guests, workloads))
}

/// A module of one's own with its arguments, and with the files of a folder in its root.
pub(crate) fn own(
    engine: &Engine,
    module: &Path,
    arguments: &[String],
    folder: Option<&Path>,
) -> Result<(Vec<Guest>, Vec<Workload>)> {
    let name = module.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let wasm = fs::read(module).map_err(|error| format!("{}: {error}", module.display()))?;
    let guest = Guest::new(engine, &name, &wasm)?;
    let mut task = TaskSpec::new(name.as_str());
    task.args.extend_from_slice(arguments);
    task.files.create_dir("/out")?;
    if let Some(folder) = folder {
        add(&mut task.files, folder, "")?;
    }
    Ok((vec![guest], vec![Workload { name, guest: 0, task }]))
}

fn add(files: &mut Files, folder: &Path, under: &str) -> Result<()> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).ok_or("a file name is not UTF-8")?;
        let place = format!("{under}/{name}");
        if path.is_dir() {
            add(files, &path, &place)?;
        } else {
            files.insert(&place, fs::read(&path)?)?;
        }
    }
    Ok(())
}
