//! Programs of the reference device, run as they are: no `wgpu` between, on as many threads as are asked for.

use crate::{Case, Failure};
use fizz_reference::{Program, RaceCheck, Watch, Watched};
use fizz_shader::CheckedShader;
use fizz_shader::exact::{self, Native};
use fizz_shader::meter::{self, Counts, METER_GROUP, METER_WORDS, MeterOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use wasmtime::{Config, Engine, Linker, MemoryType, Module, OptLevel, SharedMemory, Store, TypedFunc};

/// An engine for programs.
#[derive(Clone)]
pub struct Reference {
    engine: Engine,
    threads: u32,
    check: Option<RaceCheck>,
}

/// A compiled program.
pub struct ReferenceKernel {
    engine: Engine,
    threads: u32,
    program: Program,
    module: Module,
    fixed: u64,
    counts: Counts,
    invocations: u64,
    watch: Option<Arc<Watch>>,
}

/// Where the arguments are.
const ARGUMENTS: u32 = 1024;
/// Where buffers begin.
const BUFFERS: u32 = 1 << 16;
/// Workgroups that a thread takes at a time are this part of its share.
const PARTS: u32 = 8;

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Device(format!("{error:#}"))
}

impl Reference {
    /// An engine whose programs run on so many threads.
    ///
    /// # Errors
    /// The engine cannot be had on this processor.
    pub fn new(threads: u32) -> Result<Self, Failure> {
        let mut config = Config::new();
        config.wasm_threads(true).shared_memory(true).cranelift_opt_level(OptLevel::Speed);
        Ok(Reference { engine: Engine::new(&config).map_err(failed)?, threads: threads.max(1), check: None })
    }

    /// An engine with one thread whose programs are watched for races.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn watched(check: &RaceCheck) -> Result<Self, Failure> {
        Ok(Reference { check: Some(check.clone()), ..Reference::new(1)? })
    }

    /// Compiles a checked shader, metered or not.
    ///
    /// # Errors
    /// The shader is not exact, or cannot be compiled.
    pub fn compile(&self, shader: &CheckedShader, metered: bool) -> Result<ReferenceKernel, Failure> {
        let refused = |error: fizz_shader::ShaderError| Failure::Shader(error.to_string());
        let entry = "main";
        let facts = shader.specialize(entry, "", &[]).map_err(refused)?;
        if let Some(reason) = shader.classify(entry).first() {
            return Err(Failure::Shader(format!("not exact: {}", reason.message)));
        }
        let (module, fixed, counts) = if metered {
            let (_, metered) = shader.meter(entry, "", &[], MeterOptions::default()).map_err(refused)?;
            (metered.module, metered.fixed, metered.counts)
        } else {
            (shader.module.clone(), 0, Counts::Nothing)
        };
        let module = exact::lower(module, &Native::REFERENCE).map_err(Failure::Shader)?;
        let program = match &self.check {
            None => fizz_reference::compile(&module, entry),
            Some(check) => {
                let (source, unwatched_group) = (shader.source(), METER_GROUP);
                let watched = Watched { check, label: "", source, unwatched_group };
                fizz_reference::compile_watched(&module, entry, watched)
            }
        };
        let program = program.map_err(|error| Failure::Shader(error.to_string()))?;
        let module = Module::new(&self.engine, &program.wasm).map_err(failed)?;
        let (engine, threads) = (self.engine.clone(), self.threads);
        Ok(ReferenceKernel {
            engine,
            threads,
            program,
            module,
            fixed,
            counts,
            invocations: facts.invocations(),
            watch: self.check.as_ref().map(|check| Arc::new(Watch::new(check))),
        })
    }
}

impl ReferenceKernel {
    /// Gives it the buffers of a case.
    ///
    /// # Errors
    /// The case is too large for the memory or for the meter.
    pub fn load(&self, case: &Case) -> Result<LoadedReference, Failure> {
        let groups: u64 = case.workgroups.iter().map(|count| u64::from(*count)).product();
        let words = match self.counts {
            Counts::Nothing => 0,
            Counts::Workgroups => groups,
            Counts::Invocations => groups * self.invocations,
        };
        if words >= u64::from(METER_WORDS) {
            return Err(Failure::TooLarge(format!("{words} words of the meter")));
        }
        let mut arguments = case.workgroups.to_vec();
        arguments.push(0);
        let slice = meter::slice_bytes([0; 3], 1, case.workgroups);
        arguments.extend(slice.as_chunks::<4>().0.iter().map(|four| u32::from_le_bytes(*four)));
        let mut at = u64::from(BUFFERS);
        let mut places = Vec::new();
        let (mut result, mut counter) = ((0, 0), 0);
        for binding in &self.program.bindings {
            let length = if binding.group == METER_GROUP {
                counter = at;
                METER_WORDS as usize
            } else {
                let words = &case.slots[binding.binding as usize].words;
                places.push((at, words.as_slice()));
                if binding.binding == case.result().0 {
                    result = (at, words.len());
                }
                words.len()
            };
            let bytes = 4 * length as u64;
            arguments.extend([at, bytes].map(|word| u32::try_from(word).unwrap_or(u32::MAX)));
            at = (at + bytes).next_multiple_of(256);
        }
        let scratch = at;
        let end =
            scratch + u64::from(self.program.scratch_bytes.next_multiple_of(64)) * u64::from(self.threads);
        let pages = u32::try_from(end.div_ceil(1 << 16)).ok().filter(|pages| *pages < 1 << 16);
        let pages = pages.ok_or_else(|| Failure::TooLarge(format!("{end} bytes of memory")))?;
        let memory = SharedMemory::new(&self.engine, MemoryType::shared(pages, 1 << 16)).map_err(failed)?;
        write(&memory, u64::from(ARGUMENTS), &arguments);
        for (at, words) in places {
            write(&memory, at, words);
        }
        let threads = (0..self.threads)
            .map(|_| {
                let mut store = Store::new(&self.engine, ());
                let mut linker = Linker::new(&self.engine);
                linker.define(&store, "fizz", "memory", memory.clone()).map_err(failed)?;
                if let Some(watch) = &self.watch {
                    let told = watch.clone();
                    let touch = move |site: u32, a: u32, b: u32, c: u32, d: u32, first: u32| {
                        told.touch(site, [a, b, c, d], first);
                    };
                    linker.func_wrap("fizz", "touch", touch).map_err(failed)?;
                    let told = watch.clone();
                    let barrier =
                        move |storage: u32, workgroup: u32| told.barrier(storage != 0, workgroup != 0);
                    linker.func_wrap("fizz", "barrier", barrier).map_err(failed)?;
                }
                let instance = linker.instantiate(&mut store, &self.module).map_err(failed)?;
                let run = instance.get_typed_func(&mut store, "run").map_err(failed)?;
                Ok((store, run))
            })
            .collect::<Result<_, Failure>>()?;
        Ok(LoadedReference {
            memory,
            threads,
            scratch: u32::try_from(scratch).expect("below 4 GiB"),
            scratch_bytes: self.program.scratch_bytes.next_multiple_of(64),
            workgroups: case.workgroups,
            result,
            counter,
            words: usize::try_from(words).expect("fewer than the meter has"),
            fixed: self.fixed,
            invocations: self.invocations,
            watch: self.watch.clone(),
        })
    }
}

type Run = TypedFunc<(u32, u32, u32, u32, u32, u32), ()>;

/// A compiled program with its buffers.
pub struct LoadedReference {
    memory: SharedMemory,
    threads: Vec<(Store<()>, Run)>,
    scratch: u32,
    scratch_bytes: u32,
    workgroups: [u32; 3],
    result: (u64, usize),
    counter: u64,
    words: usize,
    fixed: u64,
    invocations: u64,
    watch: Option<Arc<Watch>>,
}

impl LoadedReference {
    /// Runs it once, to its end.
    ///
    /// # Errors
    /// A program trapped.
    pub fn run(&mut self) -> Result<(), Failure> {
        let [x, y, z] = self.workgroups;
        let groups = x * y * z;
        let threads = u32::try_from(self.threads.len()).expect("few threads");
        if let Some(watch) = &self.watch {
            watch.dispatch();
        }
        let part = if self.watch.is_some() {
            1
        } else if threads == 1 {
            groups
        } else {
            (groups / (threads * PARTS)).max(1)
        };
        let next = AtomicU32::new(0);
        let work = |(index, (store, run)): (u32, &mut (Store<()>, Run))| {
            let scratch = self.scratch + index * self.scratch_bytes;
            loop {
                let first = next.fetch_add(part, Ordering::Relaxed);
                if first >= groups {
                    return Ok(());
                }
                let count = part.min(groups - first);
                let at = (first % x, first / x % y, first / (x * y));
                if let Some(watch) = &self.watch {
                    watch.workgroup([at.0, at.1, at.2]);
                }
                run.call(&mut *store, (ARGUMENTS, scratch, at.0, at.1, at.2, count)).map_err(failed)?;
            }
        };
        let mut each = (0..).zip(&mut self.threads);
        let own = each.next().expect("a thread");
        std::thread::scope(|scope| {
            let others: Vec<_> = each.map(|one| scope.spawn(move || work(one))).collect();
            let own = work(own);
            let others = others.into_iter().map(|other| other.join().expect("no panic"));
            others.fold(own, Result::and)
        })
    }

    /// The words of the result.
    pub fn result(&self) -> Vec<u32> {
        read(&self.memory, self.result.0, self.result.1)
    }

    /// The gas of a run; 0 if it is not metered.
    ///
    /// # Errors
    /// An invocation took more than its loops may.
    pub fn gas(&self) -> Result<u64, Failure> {
        let groups: u64 = self.workgroups.iter().map(|count| u64::from(*count)).product();
        let invocations = groups * self.invocations;
        let words = read(&self.memory, self.counter + 4, self.words);
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let sum = meter::sum_words(&bytes).ok_or(Failure::OutOfGas)?;
        Ok(self.fixed * invocations + sum * (invocations / (self.words.max(1) as u64)))
    }
}

#[expect(unsafe_code, reason = "shared memory has no other way in")]
fn write(memory: &SharedMemory, at: u64, words: &[u32]) {
    let at = usize::try_from(at).expect("below 4 GiB");
    let bytes = words.iter().flat_map(|word| word.to_le_bytes());
    for (cell, byte) in memory.data()[at..].iter().zip(bytes) {
        // SAFETY: no program runs in this memory meanwhile.
        unsafe { *cell.get() = byte };
    }
}

#[expect(unsafe_code, reason = "shared memory has no other way in")]
fn read(memory: &SharedMemory, at: u64, words: usize) -> Vec<u32> {
    let at = usize::try_from(at).expect("below 4 GiB");
    let cells = memory.data()[at..][..4 * words].as_chunks::<4>().0;
    // SAFETY: no program runs in this memory meanwhile.
    let word = |four: &[std::cell::UnsafeCell<u8>; 4]| std::array::from_fn(|n| unsafe { *four[n].get() });
    cells.iter().map(|four| u32::from_le_bytes(word(four))).collect()
}
