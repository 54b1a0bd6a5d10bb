//! Storage textures.
//!
//! A device keeps every texel as 1, 2 or 4 words, in `r32uint`, `rg32uint` or `rgba32uint`, of which none changes a bit. What the shader's format makes of
//! the words is computed here. Loads out of bounds see words that are zero, stores there do nothing.

use super::Lower;
use super::function::{Class, Rewriter, Shape, Value};
use naga::{
    BinaryOperator as Op, Block, Expression, Handle, ImageClass, ImageQuery, MathFunction,
    RelationalFunction, Scalar, ScalarKind, Statement, StorageFormat, Type, TypeInner, VectorSize,
};

/// What the numbers of a format are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Numbers {
    Float,
    Uint,
    Sint,
    Unorm,
    Snorm,
}

/// A format: its channels, the bits of each, and what they are.
#[derive(Clone, Copy)]
struct Format {
    channels: u32,
    bits: u32,
    numbers: Numbers,
}

impl Format {
    /// The formats that shaders may have.
    fn of(format: StorageFormat) -> Result<Format, String> {
        use StorageFormat as F;
        let (channels, bits, numbers) = match format {
            F::R32Uint => (1, 32, Numbers::Uint),
            F::R32Sint => (1, 32, Numbers::Sint),
            F::R32Float => (1, 32, Numbers::Float),
            F::Rg32Uint => (2, 32, Numbers::Uint),
            F::Rg32Sint => (2, 32, Numbers::Sint),
            F::Rg32Float => (2, 32, Numbers::Float),
            F::Rgba32Uint => (4, 32, Numbers::Uint),
            F::Rgba32Sint => (4, 32, Numbers::Sint),
            F::Rgba32Float => (4, 32, Numbers::Float),
            F::Rgba16Uint => (4, 16, Numbers::Uint),
            F::Rgba16Sint => (4, 16, Numbers::Sint),
            F::Rgba16Float => (4, 16, Numbers::Float),
            F::Rgba8Uint => (4, 8, Numbers::Uint),
            F::Rgba8Sint => (4, 8, Numbers::Sint),
            F::Rgba8Unorm => (4, 8, Numbers::Unorm),
            F::Rgba8Snorm => (4, 8, Numbers::Snorm),
            other => return Err(format!("textures of the format {other:?} are not exact")),
        };
        Ok(Format { channels, bits, numbers })
    }

    /// What a device keeps it in.
    fn kept(self) -> StorageFormat {
        match self.channels * self.bits {
            32 => StorageFormat::R32Uint,
            64 => StorageFormat::Rg32Uint,
            _ => StorageFormat::Rgba32Uint,
        }
    }

    fn words(self) -> u32 {
        self.channels * self.bits / 32
    }

    fn kind(self) -> ScalarKind {
        match self.numbers {
            Numbers::Uint => ScalarKind::Uint,
            Numbers::Sint => ScalarKind::Sint,
            _ => ScalarKind::Float,
        }
    }
}

impl Lower<'_> {
    /// The type of a texture as a device has it; other types are themselves.
    pub(super) fn kept_type(&mut self, ty: Handle<Type>) -> Result<Handle<Type>, String> {
        match self.source.types[ty].inner {
            TypeInner::Image { dim, arrayed, class: ImageClass::Storage { format, access } } => {
                let format = Format::of(format)?.kept();
                let class = ImageClass::Storage { format, access };
                Ok(self.plain(TypeInner::Image { dim, arrayed, class }))
            }
            _ => Ok(ty),
        }
    }
}

impl Rewriter<'_, '_, '_> {
    /// Gives a function of the shader the textures that devices have for arguments.
    pub(super) fn keep_textures(&mut self) -> Result<(), String> {
        for argument in &mut self.new.arguments {
            argument.ty = self.lower.kept_type(argument.ty)?;
        }
        Ok(())
    }
}

/// Where a texel is, within bounds, and whether what was asked for was.
struct Texel {
    image: Value,
    coordinate: Value,
    array_index: Option<Value>,
    within: Option<Value>,
}

const ALL: Shape = Shape::Vector(VectorSize::Quad);

impl Rewriter<'_, '_, '_> {
    fn format(&self, image: Handle<Expression>) -> Result<Format, String> {
        match *self.inner(image) {
            TypeInner::Image { class: ImageClass::Storage { format, .. }, .. } => Format::of(format),
            _ => Err("sampled textures are not exact".to_owned()),
        }
    }

    /// A coordinate as unsigned numbers, of which those that were negative are out of bounds.
    fn coordinate(&mut self, handle: Handle<Expression>) -> Result<Value, String> {
        let value = self.get(handle)?;
        Ok(match self.scalar(handle).map(|scalar| scalar.kind) {
            Some(ScalarKind::Sint) => self.bitcast(value, ScalarKind::Uint),
            _ => value,
        })
    }

    fn texel(
        &mut self,
        image: Handle<Expression>,
        coordinate: Handle<Expression>,
        array_index: Option<Handle<Expression>>,
    ) -> Result<Texel, String> {
        let (image, coordinate) = (self.get(image)?, self.coordinate(coordinate)?);
        let array_index = array_index.map(|index| self.coordinate(index)).transpose()?;
        if self.lower.native.bounds {
            return Ok(Texel { image, coordinate, array_index, within: None });
        }
        let shape = self.shape_of(coordinate);
        let size = self.emit(
            Expression::ImageQuery { image, query: ImageQuery::Size { level: None } },
            shape,
            Class::Zero,
        );
        let mut within = self.binary(Op::Less, coordinate, size);
        if shape != Shape::Scalar {
            let all = Expression::Relational { fun: RelationalFunction::All, argument: within };
            within = self.emit(all, Shape::Scalar, Class::Zero);
        }
        let mut layer = None;
        if let Some(index) = array_index {
            let query = Expression::ImageQuery { image, query: ImageQuery::NumLayers };
            let layers = self.emit(query, Shape::Scalar, Class::Zero);
            let inside = self.binary(Op::Less, index, layers);
            within = self.binary(Op::LogicalAnd, within, inside);
            let first = self.word(0);
            layer = Some(self.select(within, index, first));
        }
        let first = self.words(0, shape);
        let coordinate = self.select(within, coordinate, first);
        Ok(Texel { image, coordinate, array_index: layer, within: Some(within) })
    }

    pub(super) fn image_query(
        &mut self,
        handle: Handle<Expression>,
        image: Handle<Expression>,
        query: ImageQuery,
    ) -> Result<Value, String> {
        if !matches!(query, ImageQuery::Size { level: None } | ImageQuery::NumLayers) {
            return Err("this question to a texture is not exact".to_owned());
        }
        let (image, shape) = (self.get(image)?, self.shape(handle));
        Ok(self.emit(Expression::ImageQuery { image, query }, shape, Class::Zero))
    }

    pub(super) fn image_load(
        &mut self,
        image: Handle<Expression>,
        coordinate: Handle<Expression>,
        array_index: Option<Handle<Expression>>,
    ) -> Result<Value, String> {
        let format = self.format(image)?;
        let Texel { image, coordinate, array_index, within } = self.texel(image, coordinate, array_index)?;
        let load = Expression::ImageLoad { image, coordinate, array_index, sample: None, level: None };
        let mut words = self.emit(load, ALL, Class::Opaque);
        if let Some(within) = within {
            // A driver may know that it is out of bounds, and would then know the zero.
            let zero = self.words(0, ALL);
            let zero = self.opaque_word(zero);
            words = self.select(within, words, zero);
        }
        self.decoded(format, words)
    }

    pub(super) fn image_store(
        &mut self,
        image: Handle<Expression>,
        coordinate: Handle<Expression>,
        array_index: Option<Handle<Expression>>,
        value: Handle<Expression>,
    ) -> Result<(), String> {
        let format = self.format(image)?;
        let Texel { image, coordinate, array_index, within } = self.texel(image, coordinate, array_index)?;
        let value = self.get(value)?;
        let mut words = self.encoded(format, value)?;
        let nothing = self.word(0);
        words.resize(4, nothing);
        let value = self.vector(VectorSize::Quad, Scalar::U32, words);
        let store = Statement::ImageStore { image, coordinate, array_index, value };
        match within {
            None => self.push(store),
            Some(condition) => {
                let mut accept = Block::new();
                accept.push(store, self.span);
                self.push(Statement::If { condition, accept, reject: Block::new() });
            }
        }
        Ok(())
    }

    /// The four numbers that words stand for; channels that a format lacks are 0, 0 and 1.
    fn decoded(&mut self, format: Format, words: Value) -> Result<Value, String> {
        let word = |this: &mut Self, index| this.component(words, index);
        match (format.bits, format.numbers) {
            (8, Numbers::Unorm | Numbers::Snorm) => {
                let name =
                    if format.numbers == Numbers::Unorm { "fizz_from_unorm8" } else { "fizz_from_snorm8" };
                let word = word(self, 0);
                self.unpack(word, ALL, name, 8)
            }
            (8, numbers) => {
                let signed = numbers == Numbers::Sint;
                let fun = if signed { MathFunction::Unpack4xI8 } else { MathFunction::Unpack4xU8 };
                let scalar = if signed { Scalar::I32 } else { Scalar::U32 };
                let ty = self.lower.vector(VectorSize::Quad, scalar);
                let word = word(self, 0);
                Ok(self.unpack_bytes(fun, word, ty))
            }
            (16, numbers) => {
                let mut channels = Vec::with_capacity(4);
                for index in 0..2 {
                    let word = word(self, index);
                    self.halves(numbers, word, &mut channels)?;
                }
                let scalar = Scalar { kind: format.kind(), width: 4 };
                Ok(self.vector(VectorSize::Quad, scalar, channels))
            }
            _ => {
                let kind = format.kind();
                let mut channels = Vec::with_capacity(4);
                for index in 0..format.channels {
                    let word = word(self, index);
                    channels.push(if kind == ScalarKind::Uint { word } else { self.bitcast(word, kind) });
                }
                for index in format.channels..4 {
                    channels.push(self.number(kind, u8::from(index == 3)));
                }
                Ok(self.vector(VectorSize::Quad, Scalar { kind, width: 4 }, channels))
            }
        }
    }

    /// A small number of some kind.
    fn number(&mut self, kind: ScalarKind, number: u8) -> Value {
        match kind {
            ScalarKind::Float => {
                let float = self.float(number.into());
                self.without_zeros(float)
            }
            ScalarKind::Sint => {
                let literal = naga::Literal::I32(number.into());
                self.name(Expression::Literal(literal), Shape::Scalar, Class::Zero)
            }
            _ => self.word(number.into()),
        }
    }

    /// Appends the two numbers of a word.
    fn halves(&mut self, numbers: Numbers, word: Value, channels: &mut Vec<Value>) -> Result<(), String> {
        let (mask, places) = (self.word(0xffff), self.word(16));
        match numbers {
            Numbers::Float => {
                let low = self.binary(Op::And, word, mask);
                let high = self.binary(Op::ShiftRight, word, places);
                for half in [low, high] {
                    let half = self.opaque_word(half);
                    channels.push(self.call("fizz_f16_to_f32", &[half])?);
                }
            }
            Numbers::Sint => {
                let low = self.binary(Op::ShiftLeft, word, places);
                for half in [low, word] {
                    let half = self.bitcast(half, ScalarKind::Sint);
                    channels.push(self.binary(Op::ShiftRight, half, places));
                }
            }
            _ => {
                channels.push(self.binary(Op::And, word, mask));
                channels.push(self.binary(Op::ShiftRight, word, places));
            }
        }
        Ok(())
    }

    /// The words of four numbers: those that do not fit are what fits and is nearest, NaNs are canonical.
    fn encoded(&mut self, format: Format, four: Value) -> Result<Vec<Value>, String> {
        let word = match (format.bits, format.numbers) {
            (8, Numbers::Unorm) => self.pack(four, "fizz_to_unorm8", 8)?,
            (8, Numbers::Snorm) => self.pack(four, "fizz_to_snorm8", 8)?,
            (8, Numbers::Sint) => self.pack_bytes(MathFunction::Pack4xI8Clamp, four),
            (8, _) => self.pack_bytes(MathFunction::Pack4xU8Clamp, four),
            (16, numbers) => {
                let four = if numbers == Numbers::Float { self.opaque(four) } else { four };
                let mut words = Vec::with_capacity(2);
                for first in [0, 2] {
                    let (low, high) =
                        (self.half(numbers, four, first)?, self.half(numbers, four, first + 1)?);
                    let places = self.word(16);
                    let high = self.binary(Op::ShiftLeft, high, places);
                    words.push(self.binary(Op::InclusiveOr, low, high));
                }
                return Ok(words);
            }
            (_, numbers) => {
                let words = match numbers {
                    Numbers::Uint => four,
                    Numbers::Sint => self.bitcast(four, ScalarKind::Uint),
                    _ => self.canonical_bits(four),
                };
                return Ok((0..format.words()).map(|index| self.component(words, index)).collect());
            }
        };
        Ok(vec![word])
    }

    /// The 16 bits of a channel.
    fn half(&mut self, numbers: Numbers, four: Value, index: u32) -> Result<Value, String> {
        let number = self.component(four, index);
        match numbers {
            Numbers::Float => self.call("fizz_f32_to_f16", &[number]),
            Numbers::Sint => {
                let [low, high] = [i32::from(i16::MIN), i32::from(i16::MAX)]
                    .map(|bound| Expression::Literal(naga::Literal::I32(bound)));
                let low = self.name(low, Shape::Scalar, Class::Zero);
                let high = self.name(high, Shape::Scalar, Class::Zero);
                let number = self.native(MathFunction::Max, number, Some(low));
                let number = self.native(MathFunction::Min, number, Some(high));
                let (bits, mask) = (self.bitcast(number, ScalarKind::Uint), self.word(0xffff));
                Ok(self.binary(Op::And, bits, mask))
            }
            _ => {
                let high = self.word(0xffff);
                Ok(self.native(MathFunction::Min, number, Some(high)))
            }
        }
    }
}
