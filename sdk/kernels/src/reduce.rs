//! One number of many.

use crate::call::{Access, Block, Call, Misfit, need, scratch, uniform, whole};
use crate::wgsl;

/// Numbers of which a workgroup makes one.
const CHUNK: u32 = 4096;

/// What a reduction does with two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Adds them.
    Sum,
    /// Takes the greater one: +0 is greater than −0, and a NaN is only taken for want of a number.
    Max,
    /// Takes the lesser one: −0 is less than +0, and a NaN is only taken for want of a number.
    Min,
}

/// Sum, greatest or least of many `f32`.
///
/// Each 4,096 numbers become one, in rounds, until one is left. In a round, invocation i of 256 combines the numbers i, i + 256, …, i + 3840 of its 4,096, one
/// after the other; then halves are combined, 128 with 128, until one is left. What is missing at the end counts as +0 in a sum, and as the first of its
/// 4,096 otherwise. So the order depends on how many numbers there are, and on nothing else.
#[derive(Clone, Debug)]
pub struct Reduce(Block);

impl Reduce {
    /// Compiles the shader.
    pub fn new(device: &wgpu::Device, operation: Operation) -> Self {
        let (label, wgsl) = match operation {
            Operation::Sum => ("sum", wgsl::SUM),
            Operation::Max => ("max", wgsl::MAX),
            Operation::Min => ("min", wgsl::MIN),
        };
        let bindings = [Access::Read, Access::ReadWrite, Access::Uniform];
        Reduce(Block::new(device, label, wgsl, "main", &bindings))
    }

    /// The first number of `y` = what becomes of the first `count` numbers of `x`.
    ///
    /// # Errors
    /// No number, a buffer that is too small, or more numbers than the device takes at once.
    pub fn call(
        &self,
        device: &wgpu::Device,
        count: u32,
        x: wgpu::BufferBinding<'_>,
        y: wgpu::BufferBinding<'_>,
    ) -> Result<Call, Misfit> {
        check(count)?;
        need("x", &x, 1, count)?;
        need("y", &y, 1, 1)?;
        let mut calls = Vec::new();
        let (mut left, mut from) = (count, None);
        loop {
            let groups = left.div_ceil(CHUNK);
            let to = (groups > 1).then(|| scratch(device, groups));
            let words = uniform(device, [left, 0, 0, 0]);
            let buffers = [
                from.as_ref().map_or_else(|| x.clone(), whole),
                to.as_ref().map_or_else(|| y.clone(), whole),
                whole(&words),
            ];
            calls.push(self.0.call(device, &buffers, [groups, 1, 1])?);
            if to.is_none() {
                return Ok(Call::of(calls));
            }
            (left, from) = (groups, to);
        }
    }
}

/// Where the greatest of many `f32` stands: the lowest place of those that hold it. NaN is never the greatest; if there is nothing else, the
/// place is `0xffffffff`.
#[derive(Clone, Debug)]
pub struct Argmax {
    first: Block,
    next: Block,
}

impl Argmax {
    /// Compiles the shaders.
    pub fn new(device: &wgpu::Device) -> Self {
        let bindings = [Access::Read, Access::Read, Access::ReadWrite, Access::ReadWrite, Access::Uniform];
        Argmax {
            first: Block::new(device, "argmax, first", wgsl::ARGMAX, "first", &bindings),
            next: Block::new(device, "argmax, next", wgsl::ARGMAX, "next", &bindings),
        }
    }

    /// The first word of `y`, a `u32` = the place of the greatest of the first `count` numbers of `x`.
    ///
    /// # Errors
    /// No number, a buffer that is too small, or more numbers than the device takes at once.
    pub fn call(
        &self,
        device: &wgpu::Device,
        count: u32,
        x: wgpu::BufferBinding<'_>,
        y: wgpu::BufferBinding<'_>,
    ) -> Result<Call, Misfit> {
        check(count)?;
        need("x", &x, 1, count)?;
        need("y", &y, 1, 1)?;
        let mut calls = Vec::new();
        let (mut left, mut from) = (count, None);
        loop {
            let groups = left.div_ceil(CHUNK);
            let (values, places) = (scratch(device, groups), (groups > 1).then(|| scratch(device, groups)));
            let words = uniform(device, [left, 0, 0, 0]);
            let (block, x, x_place) = match &from {
                // The first round looks at no places.
                None => (&self.first, x.clone(), x.clone()),
                Some((values, places)) => (&self.next, whole(values), whole(places)),
            };
            let y = places.as_ref().map_or_else(|| y.clone(), whole);
            calls.push(block.call(
                device,
                &[x, x_place, whole(&values), y, whole(&words)],
                [groups, 1, 1],
            )?);
            match places {
                None => return Ok(Call::of(calls)),
                Some(places) => (left, from) = (groups, Some((values, places))),
            }
        }
    }
}

fn check(count: u32) -> Result<(), Misfit> {
    match count {
        0 => Err(Misfit::new("nothing to reduce")),
        // Places beyond the end are counted, too.
        count if count > u32::MAX - CHUNK => Err(Misfit::new(format!("{count} numbers are too many"))),
        _ => Ok(()),
    }
}
