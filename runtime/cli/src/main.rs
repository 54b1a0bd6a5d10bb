//! The fizz command: each subcommand is one file in `command`; `exit` is the table of exit codes.
#![deny(unsafe_code)]

mod build;
mod checkpoint;
mod command;
mod compiling;
mod error;
mod exit;
mod gpu;
mod interrupt;
mod job_args;
mod job_file;
mod job_folder;
mod keys;
mod progress;
mod values;

use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use command::{check, demo, doctor, inspect, key, node, receipt, run, submit, verify, version};
use error::Failure;

/// Lets a stranger's computer do your work, and lets you know that it really did it.
#[derive(Parser, Debug)]
#[command(
    name = "fizz",
    arg_required_else_help = true,
    disable_help_subcommand = true,
    args_conflicts_with_subcommands = true
)]
struct Cli {
    /// Prints the version and the commit
    #[arg(short = 'V', long)]
    version: bool,
    /// With --version, prints everything that defines a result: the profile, and engine, target and processor beside it
    #[arg(long, requires = "version")]
    verbose: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand, Debug)]
enum Command {
    Run(run::RunArgs),
    /// Builds a crate into a WASI module and prints its path
    Build {
        /// The crate's folder
        #[arg(default_value = ".", value_name = "DIR")]
        folder: std::path::PathBuf,
    },
    Inspect(inspect::InspectArgs),
    Check(check::CheckArgs),
    Submit(submit::SubmitArgs),
    Verify(verify::VerifyArgs),
    Node(node::NodeArgs),
    #[command(subcommand)]
    Receipt(receipt::ReceiptCommand),
    #[command(subcommand)]
    Key(key::KeyCommand),
    Demo(demo::DemoArgs),
    /// Prints a completion script
    Completions {
        /// For which shell
        shell: Shell,
    },
    #[command(hide = true)]
    Worker(node::WorkerArgs),
    #[command(hide = true)]
    Compiler(compiling::CompilerArgs),
    #[command(hide = true)]
    GpuProcess(gpu::GpuProcessArgs),
    #[command(hide = true)]
    GpuDoctor(doctor::LookArgs),
}

fn main() -> ExitCode {
    quiet_driver();
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| "error,fizz=info".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    let Some(command) = cli.command else {
        println!("{}", if cli.verbose { version::verbose() } else { version::short() });
        return ExitCode::SUCCESS;
    };
    let json = command.wants_json();
    match command.run() {
        Ok(code) => code,
        Err(failure) => {
            failure.print(json);
            failure.exit.into()
        }
    }
}

impl Command {
    fn run(self) -> Result<ExitCode, Failure> {
        match self {
            Command::Run(args) => args.run(),
            Command::Build { folder } => {
                println!("{}", build::build(&folder)?.display());
                Ok(ExitCode::SUCCESS)
            }
            Command::Inspect(args) => args.run(),
            Command::Check(args) => args.run(),
            Command::Submit(args) => args.run(),
            Command::Verify(args) => args.run(),
            Command::Node(args) => args.run(),
            Command::Receipt(command) => command.run(),
            Command::Key(command) => command.run(),
            Command::Demo(args) => args.run(),
            Command::Completions { shell } => {
                clap_complete::generate(shell, &mut Cli::command(), "fizz", &mut std::io::stdout());
                Ok(ExitCode::SUCCESS)
            }
            Command::Worker(args) => args.run(),
            Command::Compiler(args) => args.run(),
            Command::GpuProcess(args) => args.run(),
            Command::GpuDoctor(args) => Ok(args.run()),
        }
    }

    fn wants_json(&self) -> bool {
        match self {
            Command::Inspect(args) => args.json,
            Command::Check(args) => args.json,
            Command::Submit(args) => args.json,
            Command::Verify(args) => args.json,
            Command::Node(args) => args.wants_json(),
            Command::Receipt(receipt::ReceiptCommand::Show { json, .. }) => *json,
            _ => false,
        }
    }
}

/// Turns Mesa's layer for choosing a GPU by window system off: it complains on standard error where there is no
/// window system, and adapters are chosen here anyway. Child processes inherit it.
fn quiet_driver() {
    if std::env::var_os("NODEVICE_SELECT").is_none() {
        // SAFETY: this is the first thing the process does, so that no other thread reads the environment.
        #[expect(unsafe_code, reason = "the variable must be set before the driver is loaded")]
        unsafe {
            std::env::set_var("NODEVICE_SELECT", "1");
        }
    }
}

/// How the user would type this program's name: as it was found, but short where it lies below the current folder.
fn me() -> String {
    let typed = std::env::args().next().unwrap_or_else(|| "fizz".into());
    let current = std::env::current_dir().unwrap_or_default();
    match Path::new(&typed).strip_prefix(&current) {
        Ok(below) => below.display().to_string(),
        Err(_) => typed,
    }
}
