//! Exact building blocks for jobs on the GPU.
//!
//! Each block is a shader of the exact class: it gives the same bits on every GPU that a node may have, and on none. What it computes is written down
//! to the order of the operations, so that anybody can compute the bits again, without this crate.
//!
//! In: a [`wgpu::Device`], and buffers. Out: a [`Call`], which is recorded in a compute pass as often as it is wanted.
//!
//! ```no_run
//! # fn main() -> Result<(), fizz_kernels::Misfit> {
//! # let (device, queue): (wgpu::Device, wgpu::Queue) = todo!();
//! # let (a, b, c): (wgpu::Buffer, wgpu::Buffer, wgpu::Buffer) = todo!();
//! use fizz_kernels::{Matmul, Product};
//!
//! let matmul = Matmul::new(&device);
//! let shape = Product { rows: 100, columns: 30, inner: 500 };
//! let whole = |buffer| wgpu::Buffer::as_entire_buffer_binding(buffer);
//! let call = matmul.call(&device, shape, whole(&a), whole(&b), whole(&c))?;
//!
//! let mut encoder = device.create_command_encoder(&Default::default());
//! call.record(&mut encoder.begin_compute_pass(&Default::default()));
//! queue.submit([encoder.finish()]);
//! # Ok(())
//! # }
//! ```
//!
//! # What is exact
//! In the sandbox, jobs are of the exact class unless they ask for `fast`; there these words hold on every device. `+`, `−` and `×` of `f32` are rounded to nearest, ties
//! to even, each by itself: nothing is fused or reordered. Subnormal numbers are kept. Division and square roots are correctly rounded. A NaN that is
//! stored is `0x7fc00000`. Outside of the sandbox, the same shaders run through wgpu as it is, and a driver may fuse or reorder.
//!
//! # Blocks
//! | block | what it gives | operations |
//! |---|---|---|
//! | [`Matmul`] | product of two matrices of `f32` | 2 · rows · columns · inner |
//! | [`MatmulInt8`] | product of two matrices of signed bytes, as `i32`, or scaled to `f32` | the same, four bytes at a time |
//! | [`Softmax`] | softmax of each row | one `exp` and one division an element |
//! | [`LayerNorm`] | each row with mean 0 and variance 1, scaled and shifted | a division and a root a row |
//! | [`Reduce`] | sum, greatest or least of many numbers | one an element |
//! | [`Argmax`] | where the greatest of many numbers stands | one an element |
//!
//! The order of operations of each block stands at the top of its shader. The shaders are public, for who binds them by hand; one entry point `main`,
//! unless they say otherwise.
#![forbid(unsafe_code)]

mod call;
mod matmul;
mod reduce;
mod rows;

pub use call::{Call, Misfit};
pub use matmul::{Matmul, MatmulInt8, Product};
pub use reduce::{Argmax, Operation, Reduce};
pub use rows::{LayerNorm, Rows, Softmax};

/// The shaders of the blocks.
pub mod wgsl {
    /// Of [`Matmul`](crate::Matmul).
    pub const MATMUL: &str = include_str!("wgsl/matmul.wgsl");
    /// Of [`MatmulInt8`](crate::MatmulInt8), to `i32`.
    pub const MATMUL_INT8: &str =
        concat!(include_str!("wgsl/matmul_int8.wgsl"), include_str!("wgsl/put_i32.wgsl"));
    /// Of [`MatmulInt8`](crate::MatmulInt8), scaled to `f32`.
    pub const MATMUL_INT8_SCALED: &str =
        concat!(include_str!("wgsl/matmul_int8.wgsl"), include_str!("wgsl/put_scaled.wgsl"));
    /// Of [`Softmax`](crate::Softmax).
    pub const SOFTMAX: &str = include_str!("wgsl/softmax.wgsl");
    /// Of [`LayerNorm`](crate::LayerNorm).
    pub const LAYER_NORM: &str = include_str!("wgsl/layer_norm.wgsl");
    /// Of [`Reduce`](crate::Reduce), a round of sums.
    pub const SUM: &str = concat!(include_str!("wgsl/reduce.wgsl"), include_str!("wgsl/sum.wgsl"));
    /// Of [`Reduce`](crate::Reduce), a round of maxima.
    pub const MAX: &str = concat!(include_str!("wgsl/reduce.wgsl"), include_str!("wgsl/max.wgsl"));
    /// Of [`Reduce`](crate::Reduce), a round of minima.
    pub const MIN: &str = concat!(include_str!("wgsl/reduce.wgsl"), include_str!("wgsl/min.wgsl"));
    /// Of [`Argmax`](crate::Argmax): entry points `first` for the first round, `next` for those behind it.
    pub const ARGMAX: &str = include_str!("wgsl/argmax.wgsl");
}
