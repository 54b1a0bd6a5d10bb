//! Products of matrices.

use crate::call::{Access, Block, Call, Misfit, need, uniform};
use crate::wgsl;

/// The shape of a product: `rows` × `inner` times `inner` × `columns`. A side may be 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Product {
    /// Rows of the left matrix, and of the product.
    pub rows: u32,
    /// Columns of the right matrix, and of the product.
    pub columns: u32,
    /// Columns of the left matrix, and rows of the right one. Of bytes, a multiple of 4.
    pub inner: u32,
}

impl Product {
    fn workgroups(self) -> [u32; 3] {
        [self.columns.div_ceil(64), self.rows.div_ceil(64), 1]
    }

    /// Tiles may reach beyond the matrices, and their places are counted all the same.
    fn check(self) -> Result<(), Misfit> {
        let (rows, columns, inner) =
            (u64::from(self.rows) + 64, u64::from(self.columns) + 64, u64::from(self.inner) + 64);
        if rows * inner > 1 << 32 || inner * columns > 1 << 32 || rows * columns > 1 << 32 {
            return Err(Misfit::new(format!(
                "{} × {} × {}: more elements than a shader can count",
                self.rows, self.inner, self.columns
            )));
        }
        Ok(())
    }
}

/// Product of two matrices of `f32`, both row by row in memory.
///
/// c\[i\]\[j\] begins as +0 and adds the rounded products a\[i\]\[k\] · b\[k\]\[j\] for k = 0, 1, … in this order; each sum is rounded. Sides may be of any size.
#[derive(Clone, Debug)]
pub struct Matmul(Block);

impl Matmul {
    /// Compiles the shader.
    pub fn new(device: &wgpu::Device) -> Self {
        let bindings = [Access::Read, Access::Read, Access::ReadWrite, Access::Uniform];
        Matmul(Block::new(device, "matmul", wgsl::MATMUL, "main", &bindings))
    }

    /// `c` = `a` · `b`.
    ///
    /// # Errors
    /// A buffer that is too small for the shape, or a shape that is too large for the device.
    pub fn call(
        &self,
        device: &wgpu::Device,
        shape: Product,
        a: wgpu::BufferBinding<'_>,
        b: wgpu::BufferBinding<'_>,
        c: wgpu::BufferBinding<'_>,
    ) -> Result<Call, Misfit> {
        shape.check()?;
        need("a", &a, shape.rows, shape.inner)?;
        need("b", &b, shape.inner, shape.columns)?;
        need("c", &c, shape.rows, shape.columns)?;
        let words = uniform(device, [shape.rows, shape.columns, shape.inner, 0]);
        self.0.call(device, &[a, b, c, words.as_entire_buffer_binding()], shape.workgroups())
    }
}

/// Product of two matrices of signed bytes, summed in `i32`: the fast one.
///
/// Four bytes are a word, the first in the lowest byte. The left matrix lies row by row, the right one **column by column**: what is multiplied
/// with each other lies side by side in both. Sums of up to 2¹⁷ − 1 products cannot wrap; longer ones wrap as `i32` does.
#[derive(Clone, Debug)]
pub struct MatmulInt8 {
    sums: Block,
    scaled: Block,
}

impl MatmulInt8 {
    /// Compiles the shaders.
    pub fn new(device: &wgpu::Device) -> Self {
        let bindings =
            [Access::Read, Access::Read, Access::ReadWrite, Access::Uniform, Access::Read, Access::Read];
        MatmulInt8 {
            sums: Block::new(device, "matmul int8", wgsl::MATMUL_INT8, "main", &bindings[..4]),
            scaled: Block::new(device, "matmul int8 scaled", wgsl::MATMUL_INT8_SCALED, "main", &bindings),
        }
    }

    fn check(
        shape: Product,
        a: &wgpu::BufferBinding<'_>,
        b: &wgpu::BufferBinding<'_>,
        c: &wgpu::BufferBinding<'_>,
    ) -> Result<u32, Misfit> {
        if !shape.inner.is_multiple_of(4) {
            return Err(Misfit::new(format!("rows of {} bytes are not of whole words", shape.inner)));
        }
        shape.check()?;
        need("a", a, shape.rows, shape.inner / 4)?;
        need("b", b, shape.columns, shape.inner / 4)?;
        need("c", c, shape.rows, shape.columns)?;
        Ok(shape.inner / 4)
    }

    /// `c` = `a` · `b`, elements of `c` are `i32`.
    ///
    /// # Errors
    /// A buffer that is too small for the shape, an `inner` that is no multiple of 4, or a shape that is too large for the device.
    pub fn call(
        &self,
        device: &wgpu::Device,
        shape: Product,
        a: wgpu::BufferBinding<'_>,
        b: wgpu::BufferBinding<'_>,
        c: wgpu::BufferBinding<'_>,
    ) -> Result<Call, Misfit> {
        let inner = Self::check(shape, &a, &b, &c)?;
        let words = uniform(device, [shape.rows, shape.columns, inner, 0]);
        self.sums.call(device, &[a, b, c, words.as_entire_buffer_binding()], shape.workgroups())
    }

    /// As [`MatmulInt8::call`], elements of `c` are `f32`: the sum rounded to `f32`, times its row's scale, times its column's scale, in this
    /// order, each product rounded.
    ///
    /// # Errors
    /// As there.
    #[expect(clippy::too_many_arguments, reason = "five buffers")]
    pub fn call_scaled(
        &self,
        device: &wgpu::Device,
        shape: Product,
        a: wgpu::BufferBinding<'_>,
        b: wgpu::BufferBinding<'_>,
        c: wgpu::BufferBinding<'_>,
        row_scale: wgpu::BufferBinding<'_>,
        column_scale: wgpu::BufferBinding<'_>,
    ) -> Result<Call, Misfit> {
        let inner = Self::check(shape, &a, &b, &c)?;
        need("row_scale", &row_scale, shape.rows, 1)?;
        need("column_scale", &column_scale, shape.columns, 1)?;
        let words = uniform(device, [shape.rows, shape.columns, inner, 0]);
        let buffers = [a, b, c, words.as_entire_buffer_binding(), row_scale, column_scale];
        self.scaled.call(device, &buffers, shape.workgroups())
    }
}
