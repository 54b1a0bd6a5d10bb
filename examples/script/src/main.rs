//! Runs a JavaScript program, by QuickJS.
//!
//! In: the path of the program and its arguments. The program sees `args`, `print(…)`, `readFile(path)` and
//! `writeFile(path, text)` besides the language itself. Out: what it prints, and the files it writes; exit code 1 when
//! it throws. QuickJS is written in C: this is also an example of C in a job.

#![forbid(unsafe_code)]

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

use rquickjs::prelude::Rest;
use rquickjs::{CatchResultExt, Coerced, Context, Ctx, Exception, Function, Runtime};

/// Stack of the interpreter, in bytes. It must fit the stack that the linker gives a module, 1 MiB.
const STACK: usize = 512 << 10;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((path, arguments)) = arguments.split_first() else {
        eprintln!("usage: script PROGRAM.js [ARGUMENT]...");
        return ExitCode::from(2);
    };
    let result = fs::read_to_string(path)
        .map_err(|error| format!("{path}: {error}"))
        .and_then(|program| run(path, &program, arguments.to_vec()));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {}", message.trim_end());
            ExitCode::FAILURE
        }
    }
}

fn run(path: &str, program: &str, arguments: Vec<String>) -> Result<(), String> {
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    runtime.set_max_stack_size(STACK);
    let context = Context::full(&runtime).map_err(|error| error.to_string())?;
    context.with(|context| {
        add_globals(&context, arguments).map_err(|error| error.to_string())?;
        let mut options = rquickjs::context::EvalOptions::default();
        options.filename = Some(path.to_owned());
        context
            .eval_with_options::<(), _>(program, options)
            .catch(&context)
            .map_err(|error| error.to_string())
    })?;
    // What promises left to do.
    while runtime.is_job_pending() {
        runtime.execute_pending_job().map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn add_globals(context: &Ctx<'_>, arguments: Vec<String>) -> rquickjs::Result<()> {
    let globals = context.globals();
    globals.set("args", arguments)?;
    globals.set("print", Function::new(context.clone(), print)?)?;
    globals.set("readFile", Function::new(context.clone(), read_file)?)?;
    globals.set("writeFile", Function::new(context.clone(), write_file)?)?;
    Ok(())
}

/// Prints its arguments as text on a line.
fn print(context: Ctx<'_>, words: Rest<Coerced<String>>) -> rquickjs::Result<()> {
    let words: Vec<String> = words.0.into_iter().map(|word| word.0).collect();
    writeln!(io::stdout(), "{}", words.join(" "))
        .map_err(|error| Exception::throw_message(&context, &error.to_string()))
}

fn read_file(context: Ctx<'_>, path: String) -> rquickjs::Result<String> {
    fs::read_to_string(&path).map_err(|error| Exception::throw_message(&context, &format!("{path}: {error}")))
}

fn write_file(context: Ctx<'_>, path: String, text: String) -> rquickjs::Result<()> {
    fs::write(&path, text).map_err(|error| Exception::throw_message(&context, &format!("{path}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::run;

    #[test]
    fn a_program_that_throws_fails_with_its_words() {
        assert_eq!(
            run("p.js", "if (args[0] !== 'a' || 2n ** 70n % 7n !== 2n) throw 'wrong';", vec!["a".into()]),
            Ok(())
        );
        let error = run("p.js", "function f() { throw new Error('on purpose'); } f();", vec![]).unwrap_err();
        assert!(error.contains("on purpose") && error.contains("p.js"), "{error}");
        let error = run("p.js", "readFile('/no/such/file')", vec![]).unwrap_err();
        assert!(error.contains("/no/such/file"), "{error}");
    }
}
