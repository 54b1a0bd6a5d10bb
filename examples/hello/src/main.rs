//! A first job: plain Rust, no dependency.
//!
//! In: at most one argument, the path of a text file that says whom to greet, one name per line.
//! Out: the greeting on standard output, and the same text in `/out/greeting.txt`.

#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

/// The word every greeting starts with. Change it, and run the job again.
const GREETING: &str = "Hello";

/// Where the greeting is left. What a job writes under `/out` is its result.
const RESULT: &str = "/out/greeting.txt";

fn main() -> ExitCode {
    let names_file = env::args().nth(1);
    match run(names_file.as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(names_file: Option<&str>) -> Result<(), String> {
    let names = match names_file {
        Some(path) => fs::read_to_string(path).map_err(|e| format!("reading {path}: {e}"))?,
        None => String::new(),
    };
    let text = greet(&names);
    print!("{text}");
    write(RESULT, &text).map_err(|e| format!("writing {RESULT}: {e}"))
}

/// One line per name, in the order given. With no name, the world is greeted.
fn greet(names: &str) -> String {
    let mut text = String::new();
    for name in names.lines().map(str::trim).filter(|name| !name.is_empty()) {
        text += &format!("{GREETING}, {name}!\n");
    }
    if text.is_empty() {
        text = format!("{GREETING}, world!\n");
    }
    text
}

fn write(path: &str, text: &str) -> io::Result<()> {
    if let Some(folder) = Path::new(path).parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}

#[cfg(test)]
mod tests {
    use super::greet;

    #[test]
    fn greets_the_world_when_nobody_is_named() {
        assert_eq!(greet(""), "Hello, world!\n");
        assert_eq!(greet("\n  \n"), "Hello, world!\n");
    }

    #[test]
    fn greets_each_name_in_order() {
        assert_eq!(greet("Grace\n\n Ada \n"), "Hello, Grace!\nHello, Ada!\n");
    }
}
