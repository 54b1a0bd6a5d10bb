//! What looking for races costs: kernels through sessions on the reference device with one thread, and on the same with all touches watched. Prints times and
//! ratios.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on says so by panicking")]

#[path = "../tests/common/mod.rs"]
mod common;

use common::{Guest, QUOTAS};
use fizz_gpu::{Hardware, Quotas, RaceCheck, Races};
use fizz_gpu_abi::{BindGroupEntry, Class, WHOLE};
use std::sync::Arc;
use std::time::{Duration, Instant};

const EXACT: Quotas = Quotas { class: Class::Exact, ..QUOTAS };

macro_rules! kernel {
    ($name:literal) => {
        include_str!(concat!("../../reference/tests/kernels/", $name, ".wgsl"))
    };
}

/// Name, WGSL, workgroups, and of each buffer its binding and its words.
type Kernel = (&'static str, &'static str, [u32; 3], Vec<(u32, usize)>);

fn main() {
    let engine = || Arc::new(fizz_reference_engine::Wasmtime::new().unwrap());
    let plain = Hardware::reference(engine(), 1).unwrap();
    let check = RaceCheck::default();
    let watched = Hardware::reference_with_race_check(engine(), &check).unwrap();
    let n = 256 * 1024;
    let kernels: [Kernel; 4] = [
        ("matmul 512, 16×16 tiles", kernel!("matmul"), [32, 32, 1], vec![(0, n), (1, n), (2, n)]),
        ("reduction of 1 Mi", kernel!("reduction"), [4096, 1, 1], vec![(0, 1 << 20), (2, 4096)]),
        ("naive matmul 512", kernel!("naive"), [32, 32, 1], vec![(0, n), (1, n), (2, n)]),
        ("Mandelbrot 1024²", kernel!("mandelbrot"), [128, 128, 1], vec![(2, 1 << 20)]),
    ];
    for (name, wgsl, counts, words) in kernels {
        let [one, other] = [&plain, &watched].map(|hardware| run(hardware, wgsl, counts, &words));
        let ratio = other.as_secs_f64() / one.as_secs_f64();
        println!("{name}: {one:.1?} plain, {other:.1?} watched, ratio {ratio:.1}");
    }
    assert_eq!(check.races(), Races::default());
}

/// The least time of three dispatches.
fn run(hardware: &Hardware, wgsl: &str, counts: [u32; 3], buffers: &[(u32, usize)]) -> Duration {
    let mut guest = Guest::with_class(hardware, EXACT, Class::Exact);
    let entry = |(binding, words): &(u32, usize)| {
        let resource = guest.data(&vec![1; *words]);
        BindGroupEntry { binding: *binding, resource, offset: 0, size: WHOLE }
    };
    let entries: Vec<_> = buffers.iter().map(entry).collect();
    let shader = guest.shader(wgsl);
    let pipeline = guest.pipeline(0, shader);
    let layout = guest.auto_layout(pipeline);
    let group = guest.id();
    guest.stream.create_bind_group(group, "group", layout, &entries);
    guest.clean();
    let once = |guest: &mut Guest| {
        let start = Instant::now();
        guest.dispatch(pipeline, group, counts);
        guest.read(entries[0].resource, 0, 1);
        start.elapsed()
    };
    (0..3).map(|_| once(&mut guest)).min().unwrap()
}
