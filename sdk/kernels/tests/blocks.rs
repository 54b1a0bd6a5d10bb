//! Every block gives what its documents say, on the device at hand.

#[path = "../examples/blocks/checks.rs"]
mod checks;
#[path = "../examples/blocks/gpu.rs"]
mod gpu;
#[path = "../examples/blocks/oracle.rs"]
mod oracle;

use fizz_kernels::{Matmul, MatmulInt8, Misfit, Operation, Product, Reduce, Rows, Softmax};

fn device() -> Option<gpu::Gpu> {
    match gpu::Gpu::connect() {
        Ok(gpu) => Some(gpu),
        Err(error) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "no adapter: {error}");
            eprintln!("skipped: {error}");
            None
        }
    }
}

#[test]
fn blocks_give_the_bits_that_their_documents_say() {
    let Some(gpu) = device() else { return };
    let checks = checks::all(&gpu);
    assert_eq!(checks.len(), 5 + 2 * 3 + 2 * 3 + 4 * 5);
    for check in checks {
        // Only the software adapter is known to fuse nothing by itself.
        assert!(check.holds(gpu.software), "{}", check.name);
    }
}

/// The reason of a refusal.
fn refusal<T>(result: Result<T, Misfit>) -> String {
    result.err().map(|misfit| misfit.to_string()).unwrap_or_default()
}

#[test]
fn what_does_not_fit_is_refused() {
    let Some(gpu) = device() else { return };
    let buffer = gpu.empty(12);
    let whole = || buffer.as_entire_buffer_binding();
    let device = &gpu.device;
    let product = |rows, columns, inner| {
        let shape = Product { rows, columns, inner };
        refusal(Matmul::new(device).call(device, shape, whole(), whole(), whole()))
    };
    assert_eq!(product(4, 3, 4), "a has 48 bytes; 4 × 4 elements take 64");
    assert_eq!(product(3, 4, 4), "b has 48 bytes; 4 × 4 elements take 64");
    assert_eq!(product(4, 4, 3), "c has 48 bytes; 4 × 4 elements take 64");
    assert_eq!(product(1 << 20, 1, 1 << 20), "1048576 × 1048576 × 1: more elements than a shader can count");
    assert_eq!(
        product(u32::MAX, u32::MAX, 0),
        "4294967295 × 0 × 4294967295: more elements than a shader can count"
    );
    let shape = Product { rows: 1, columns: 1, inner: 6 };
    let bytes = MatmulInt8::new(device).call(device, shape, whole(), whole(), whole());
    assert_eq!(refusal(bytes), "rows of 6 bytes are not of whole words");
    let rows = Softmax::new(device).call(device, Rows { rows: 3, columns: 0 }, whole(), whole());
    assert_eq!(refusal(rows), "empty rows");
    let sum = Reduce::new(device, Operation::Sum);
    assert_eq!(refusal(sum.call(device, 0, whole(), whole())), "nothing to reduce");
    assert_eq!(refusal(sum.call(device, 13, whole(), whole())), "x has 48 bytes; 1 × 13 elements take 52");
    assert_eq!(refusal(sum.call(device, u32::MAX, whole(), whole())), "4294967295 numbers are too many");
}
