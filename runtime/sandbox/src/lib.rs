//! Runs one WASI task in one wasmtime instance: instrumentation, WASI, limits.
//!
//! What comes in: a WebAssembly module and a [`TaskSpec`]. What goes out: a [`TaskReport`] that is the same, bit for
//! bit, on every machine with the same [`profile`], or a [`Fault`] of this machine that says nothing of the guest.
//!
//! The order of things: an [`Engine`] is made once. [`Program::compile`] validates the module, injects the counting
//! of gas and stack (`instrument`), and compiles it. [`run`] gives it files, clocks and random bytes that are
//! functions of the task alone (`wasi`, `files`), calls `_start`, and says what the end of it means (`outcome`).
//!
//! Gas is counted at the level of WebAssembly: a table ([`COSTS`]) has the cost of every operator, frame, host call and
//! chunk's end, and the injected code charges it part by part, before the part runs. So where a task runs out of gas is
//! the same place everywhere: the head of a loop, the entry of a function, a host call. A loop whose number of rounds is
//! known at its entry is charged there for all of them: with gas for some of them only, the task ends at the entry.
//!
//! `WASI.md` in this crate's folder says what a guest sees.
//!
//! ```
//! use fizz_sandbox::{Engine, ModuleLimits, Program, TaskSpec, run};
//!
//! let wasm = wat::parse_str(
//!     r#"(module
//!         (import "wasi_snapshot_preview1" "fd_write"
//!             (func $write (param i32 i32 i32 i32) (result i32)))
//!         (memory (export "memory") 1)
//!         (data (i32.const 16) "hello\n")
//!         (data (i32.const 0) "\10\00\00\00\06\00\00\00")
//!         (func (export "_start")
//!             (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#,
//! )?;
//! let engine = Engine::new()?;
//! let program = Program::compile(&engine, &wasm, &ModuleLimits::default())?;
//! let report = run(&program, TaskSpec::new("hello"), None, None)?;
//! assert!(report.outcome.is_success());
//! assert_eq!(report.stdout, b"hello\n");
//! assert!(report.gas > 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A long task is written in steps: then [`Steps`] runs it chunk by chunk, and what is between two chunks can be
//! stored, moved to another process, and taken up there.
//!
//! ```
//! use fizz_sandbox::{Engine, ModuleLimits, Program, Progress, Snapshot, Steps, TaskSpec, run};
//!
//! let wasm = wat::parse_str(
//!     r#"(module
//!         (memory (export "memory") 1)
//!         (func (export "_start"))
//!         (func (export "fizz_step") (result i32)
//!             (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
//!             (i32.lt_u (i32.load (i32.const 0)) (i32.const 5))))"#,
//! )?;
//! let program = Program::compile(&Engine::new()?, &wasm, &ModuleLimits::default())?;
//! // So little gas that each step is a chunk.
//! let task = TaskSpec { chunk_gas: 1, ..TaskSpec::new("five") };
//! let mut steps = Steps::start(&program, task.clone(), None)?;
//! assert!(matches!(steps.next_chunk()?, Progress::Chunk(_)));
//! let stored = steps.snapshot()?.expect("the task has not ended").encode();
//!
//! let mut resumed = Steps::resume(&program, task.clone(), &Snapshot::decode(&stored)?, None)?;
//! let report = loop {
//!     if let Progress::Ended(report) = resumed.next_chunk()? {
//!         break report;
//!     }
//! };
//! let whole = run(&program, task, None, None)?;
//! assert_eq!((&report.outcome, report.gas), (&whole.outcome, whole.gas));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![deny(unsafe_code)]

mod code;
mod engine;
mod features;
mod files;
mod gpu;
mod host;
mod instance;
mod instrument;
mod lend;
mod limiter;
#[doc(hidden)]
pub mod measure;
mod once;
mod outcome;
mod program;
mod run;
mod stack;
mod state;
mod steps;
mod task;
pub mod trace;
mod wasi;

pub use code::{BrokenSeal, CodeKey, CodeSource, Form, MachineCode, OwnCompiler, Seal, Wanted};
pub use engine::{Backend, Engine, EngineError, EngineSettings, Optimization, engine_info, profile};
pub use files::{Files, FilesError};
pub use instrument::{
    COST_TABLE_VERSION, COSTS, CostTable, INSTRUMENTATION_VERSION, ModuleError, ModuleLimits,
};
pub use program::{Program, ProgramError};
pub use run::run;
pub use state::{ResumeError, Snapshot, SnapshotError};
pub use steps::{Opened, Opening, OpeningError, Progress, Steps};
pub use task::{Fault, Observer, TaskReport, TaskSpec};
