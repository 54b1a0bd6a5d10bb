//! Compiles WGSL, runs it in wasmtime, and reads buffers back.

#![allow(dead_code, reason = "each test uses a part")]

use fizz_reference::{Program, Watch, compile};
use fizz_shader::meter::{METER_GROUP, METER_WORDS, MeterOptions, Metered, slice_bytes};
use std::cell::UnsafeCell;
use std::sync::Arc;
use wasmtime::{Config, Engine, Instance, Linker, MemoryType, Module, SharedMemory, Store, TypedFunc};

/// Where tests put things.
const ARGS: u32 = 1024;
const BUFFERS: u32 = 1 << 16;

pub(crate) fn engine() -> Engine {
    let mut config = Config::new();
    config.wasm_threads(true).shared_memory(true);
    Engine::new(&config).expect("an engine")
}

/// A buffer's binding in group 0, and its contents.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) binding: u32,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) fn words(binding: u32, words: &[u32]) -> Bound {
    Bound { binding, bytes: words.iter().flat_map(|word| word.to_le_bytes()).collect() }
}

pub(crate) fn floats(binding: u32, floats: &[f32]) -> Bound {
    words(binding, &floats.iter().map(|value| value.to_bits()).collect::<Vec<_>>())
}

impl Bound {
    pub(crate) fn words(&self) -> Vec<u32> {
        self.bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
    }
}

/// A program in an engine, with memory around its buffers that is looked after.
pub(crate) struct Machine {
    pub(crate) program: Program,
    memory: SharedMemory,
    store: Store<()>,
    run: TypedFunc<(i32, i32, i32, i32, i32, i32), ()>,
    scratch: u32,
    watch: Option<Arc<Watch>>,
}

/// What stands between buffers.
const GUARD: u8 = 0xa5;

pub(crate) fn metered(wgsl: &str) -> Metered {
    let limits = fizz_shader::ShaderLimits::default();
    let shader = fizz_shader::check(wgsl, "test", &limits).unwrap_or_else(|error| panic!("{error}\n{wgsl}"));
    let entry = shader.entry_points[0].name.clone();
    shader.meter(&entry, "test", &[], MeterOptions::default()).expect("it can be metered").1
}

pub(crate) fn program(wgsl: &str) -> Program {
    let metered = metered(wgsl);
    let entry = metered.module.entry_points[0].name.clone();
    compile(&metered.module, &entry).unwrap_or_else(|error| panic!("{error}\n{wgsl}"))
}

impl Machine {
    pub(crate) fn new(engine: &Engine, program: Program, pages: u32) -> Machine {
        Machine::with_watch(engine, program, pages, None)
    }

    pub(crate) fn with_watch(
        engine: &Engine,
        program: Program,
        pages: u32,
        watch: Option<Arc<Watch>>,
    ) -> Machine {
        let module = Module::new(engine, &program.wasm).expect("a valid module");
        let memory = SharedMemory::new(engine, MemoryType::shared(pages, 65536)).expect("memory");
        let mut store = Store::new(engine, ());
        let mut linker = Linker::new(engine);
        linker.define(&store, "fizz", "memory", memory.clone()).expect("a name");
        if let Some(watch) = &watch {
            let told = watch.clone();
            let touch = move |site: u32, a: u32, b: u32, c: u32, d: u32, first: u32| {
                told.touch(site, [a, b, c, d], first);
            };
            linker.func_wrap("fizz", "touch", touch).expect("a name");
            let told = watch.clone();
            let barrier = move |memories: u32| told.barrier(memories);
            linker.func_wrap("fizz", "barrier", barrier).expect("a name");
        }
        let instance: Instance = linker.instantiate(&mut store, &module).expect("an instance");
        let run = instance.get_typed_func(&mut store, "run").expect("run");
        Machine { program, memory, store, run, scratch: 0, watch }
    }

    fn data(&self) -> &[UnsafeCell<u8>] {
        self.memory.data()
    }

    pub(crate) fn write(&self, at: u32, bytes: &[u8]) {
        let cells = &self.data()[at as usize..][..bytes.len()];
        for (cell, byte) in cells.iter().zip(bytes) {
            // SAFETY: nothing runs in this memory meanwhile.
            unsafe { *cell.get() = *byte };
        }
    }

    pub(crate) fn read(&self, at: u32, len: usize) -> Vec<u8> {
        // SAFETY: nothing runs in this memory meanwhile.
        self.data()[at as usize..][..len].iter().map(|cell| unsafe { *cell.get() }).collect()
    }

    /// Lays out the buffers with guards between, and writes the arguments. Gives the addresses.
    pub(crate) fn bind(&mut self, groups: [u32; 3], buffers: &[Bound]) -> Vec<u32> {
        let mut at = BUFFERS;
        let mut addresses = Vec::new();
        let mut args: Vec<u32> = groups.to_vec();
        args.push(0);
        let slice = slice_bytes([0; 3], 1, groups);
        args.extend(slice.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)));
        for binding in &self.program.bindings {
            let bytes =
                match buffers.iter().find(|bound| binding.group == 0 && bound.binding == binding.binding) {
                    Some(bound) => bound.bytes.clone(),
                    None => {
                        assert_eq!(binding.group, METER_GROUP, "binding {binding:?} is not given");
                        vec![0; METER_WORDS as usize * 4]
                    }
                };
            self.write(at, &[GUARD; 256]);
            at += 256;
            addresses.push(at);
            args.extend([at, bytes.len() as u32]);
            self.write(at, &bytes);
            at += bytes.len() as u32;
            self.write(at, &[GUARD; 256]);
            at = (at + 256).next_multiple_of(256);
        }
        self.scratch = at.next_multiple_of(64) + 256;
        self.write(self.scratch - 256, &[GUARD; 256]);
        // As another program might have left it.
        self.write(self.scratch, &vec![0xff; self.program.scratch_bytes as usize]);
        self.write(self.scratch + self.program.scratch_bytes, &[GUARD; 256]);
        self.write(0, &[0; 64]);
        self.write(64, &vec![GUARD; ARGS as usize - 64]);
        let bytes: Vec<u8> = args.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.write(ARGS, &bytes);
        self.write(ARGS + bytes.len() as u32, &[GUARD; 256]);
        addresses
    }

    pub(crate) fn call(&mut self, groups: [u32; 3]) {
        if let Some(watch) = &self.watch {
            watch.dispatch();
            for group in (0..groups.iter().product()).map(|number: u32| {
                [number % groups[0], number / groups[0] % groups[1], number / groups[0] / groups[1]]
            }) {
                watch.workgroup(group);
                let [x, y, z] = group.map(|place| place as i32);
                let arguments = (ARGS as i32, self.scratch as i32, x, y, z, 1);
                self.run.call(&mut self.store, arguments).expect("no trap");
            }
            return;
        }
        let count = groups.iter().product::<u32>();
        let arguments = (ARGS as i32, self.scratch as i32, 0, 0, 0, count as i32);
        self.run.call(&mut self.store, arguments).expect("no trap");
    }

    /// Looks at everything that must not change.
    pub(crate) fn check_guards(&self, buffers: &[Bound], addresses: &[u32]) {
        assert_eq!(self.read(0, 64), [0; 64], "the zeros were written to");
        assert!(
            self.read(64, ARGS as usize - 64).iter().all(|byte| *byte == GUARD),
            "what is below the arguments"
        );
        for (binding, address) in self.program.bindings.iter().zip(addresses) {
            let bound = buffers.iter().find(|bound| binding.group == 0 && bound.binding == binding.binding);
            let len = bound.map_or(METER_WORDS as usize * 4, |bound| bound.bytes.len());
            assert_eq!(self.read(address - 256, 256), [GUARD; 256], "in front of {binding:?}");
            assert_eq!(self.read(address + len as u32, 256), [GUARD; 256], "behind {binding:?}");
        }
        assert_eq!(self.read(self.scratch - 256, 256), [GUARD; 256], "in front of scratch");
        let end = self.scratch + self.program.scratch_bytes;
        assert_eq!(self.read(end, 256), [GUARD; 256], "behind scratch");
    }

    pub(crate) fn run(&mut self, groups: [u32; 3], buffers: &[Bound]) -> (Vec<Bound>, Vec<u8>) {
        let addresses = self.bind(groups, buffers);
        self.call(groups);
        self.check_guards(buffers, &addresses);
        let mut after = buffers.to_vec();
        let mut meter = Vec::new();
        for (binding, address) in self.program.bindings.iter().zip(&addresses) {
            if binding.group == METER_GROUP {
                meter = self.read(*address, METER_WORDS as usize * 4);
            } else if let Some(bound) = after.iter_mut().find(|bound| bound.binding == binding.binding) {
                bound.bytes = self.read(*address, bound.bytes.len());
            }
        }
        (after, meter)
    }
}

/// Runs a shader on `groups` workgroups; gives the buffers afterwards.
pub(crate) fn run(wgsl: &str, groups: [u32; 3], buffers: &[Bound]) -> Vec<Bound> {
    let bytes: usize = buffers.iter().map(|bound| bound.bytes.len() + 1024).sum();
    let program = program(wgsl);
    let pages = (bytes + program.scratch_bytes as usize + (METER_WORDS as usize * 4) + (1 << 20)) >> 16;
    Machine::new(&engine(), program, pages as u32 + 1).run(groups, buffers).0
}
