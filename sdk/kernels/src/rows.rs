//! Blocks that treat each row of a matrix by itself.

use crate::call::{Access, Block, Call, Misfit, need, uniform};
use crate::wgsl;

/// Rows of equal length, one after the other. There may be none of them; none is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rows {
    /// How many.
    pub rows: u32,
    /// Elements of each.
    pub columns: u32,
}

/// The most workgroups in a row that WebGPU promises; more rows make a second dimension.
const ROW_OF_GROUPS: u32 = 65535;

impl Rows {
    fn workgroups(self) -> [u32; 3] {
        [self.rows.min(ROW_OF_GROUPS), self.rows.div_ceil(ROW_OF_GROUPS), 1]
    }

    fn check(self, x: &wgpu::BufferBinding<'_>, y: &wgpu::BufferBinding<'_>) -> Result<(), Misfit> {
        if self.columns == 0 {
            return Err(Misfit::new("empty rows"));
        }
        need("x", x, self.rows, self.columns)?;
        need("y", y, self.rows, self.columns)
    }
}

/// Softmax of each row: exp(x\[j\] − m) / Σ exp(x\[i\] − m), where m is the row's greatest element.
///
/// Maximum and sum are taken by 256 invocations, of which i takes the elements i, i + 256, …, one after the other; then halves are
/// combined, 128 with 128, until one is left. How exactly stands at the top of [`wgsl::SOFTMAX`].
#[derive(Clone, Debug)]
pub struct Softmax(Block);

impl Softmax {
    /// Compiles the shader.
    pub fn new(device: &wgpu::Device) -> Self {
        let bindings = [Access::Read, Access::ReadWrite, Access::Uniform];
        Softmax(Block::new(device, "softmax", wgsl::SOFTMAX, "main", &bindings))
    }

    /// Each row of `y` = softmax of the same row of `x`.
    ///
    /// # Errors
    /// A buffer that is too small for the shape, or an empty row.
    pub fn call(
        &self,
        device: &wgpu::Device,
        shape: Rows,
        x: wgpu::BufferBinding<'_>,
        y: wgpu::BufferBinding<'_>,
    ) -> Result<Call, Misfit> {
        shape.check(&x, &y)?;
        let words = uniform(device, [shape.rows, shape.columns, 0, 0]);
        self.0.call(device, &[x, y, words.as_entire_buffer_binding()], shape.workgroups())
    }
}

/// Layer norm of each row: ((x\[j\] − mean) · (1 / √(variance + epsilon))) · scale\[j\] + shift\[j\].
///
/// Both sums are taken by 256 invocations, of which i takes the elements i, i + 256, …, one after the other; then halves are added,
/// 128 to 128, until one is left. How exactly stands at the top of [`wgsl::LAYER_NORM`].
#[derive(Clone, Debug)]
pub struct LayerNorm(Block);

impl LayerNorm {
    /// Compiles the shader.
    pub fn new(device: &wgpu::Device) -> Self {
        let bindings = [Access::Read, Access::ReadWrite, Access::Uniform, Access::Read, Access::Read];
        LayerNorm(Block::new(device, "layer norm", wgsl::LAYER_NORM, "main", &bindings))
    }

    /// Each row of `y` = the normed row of `x`. `scale` and `shift` have an element for each column.
    ///
    /// # Errors
    /// A buffer that is too small for the shape, or an empty row.
    #[expect(clippy::too_many_arguments, reason = "four buffers")]
    pub fn call(
        &self,
        device: &wgpu::Device,
        shape: Rows,
        epsilon: f32,
        x: wgpu::BufferBinding<'_>,
        y: wgpu::BufferBinding<'_>,
        scale: wgpu::BufferBinding<'_>,
        shift: wgpu::BufferBinding<'_>,
    ) -> Result<Call, Misfit> {
        shape.check(&x, &y)?;
        need("scale", &scale, 1, shape.columns)?;
        need("shift", &shift, 1, shape.columns)?;
        let words = uniform(device, [shape.rows, shape.columns, epsilon.to_bits(), 0]);
        let buffers = [x, y, words.as_entire_buffer_binding(), scale, shift];
        self.0.call(device, &buffers, shape.workgroups())
    }
}
