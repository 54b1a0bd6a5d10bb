//! Storage textures: a texel is words in memory, at a place that the view's shape tells.

use super::CompileError;
use super::inline::{Buffer, Frame, Inline, Place};
use super::ir::{At, Bin, Len, Node, Space, Stmt, Term, Ty, Val};
use super::layout::Shape;
use crate::race::Access;
use crate::view::ViewShape;
use naga::{
    Expression, GlobalVariable, Handle, ImageClass, ImageDimension, ImageQuery, Scalar, Span, StorageAccess,
    StorageFormat, TypeInner, VectorSize,
};
use std::rc::Rc;

/// A texture that a shader names.
#[derive(Clone, Copy)]
struct Image {
    dim: ImageDimension,
    arrayed: bool,
    words: u32,
    /// The binding with its shape; its texels are the next one.
    shape: u32,
}

/// One texel.
struct Texel {
    place: Place,
    /// Whether it is one of the texture's.
    within: Val,
    image: Image,
}

/// Words of a texel; none of formats that lowered shaders do not have.
fn words(format: StorageFormat) -> Option<u32> {
    match format {
        StorageFormat::R32Uint => Some(1),
        StorageFormat::Rg32Uint => Some(2),
        StorageFormat::Rgba32Uint => Some(4),
        _ => None,
    }
}

impl<'m> Inline<'m> {
    /// The two bindings of a texture: its shape, and its texels.
    pub(super) fn texture(&self, variable: &GlobalVariable) -> Result<[Buffer; 2], CompileError> {
        let TypeInner::Image { class: ImageClass::Storage { format, access }, .. } =
            self.module.types[variable.ty].inner
        else {
            return Err(CompileError::unsupported(
                "a binding that is neither a buffer nor a storage texture",
            ));
        };
        let words = words(format)
            .ok_or_else(|| CompileError::unsupported(format!("textures of the format {format:?}")))?;
        let binding =
            variable.binding.ok_or_else(|| CompileError::unsupported("a texture without a binding"))?;
        let shape = Buffer { binding: Some(binding), read_only: true, fixed: ViewShape::SIZE, runtime: None };
        let read_only = !access.contains(StorageAccess::STORE);
        Ok([shape, Buffer { binding: None, read_only, fixed: 0, runtime: Some((0, 4 * words)) }])
    }

    fn image(&mut self, frame: &mut Frame<'m>, image: Handle<Expression>) -> Result<Image, CompileError> {
        let place = self.place(frame, image)?;
        let (Space::Buffer(shape), Shape::Type(ty)) = (place.space, place.shape) else {
            return Err(CompileError::unsupported("a texture that is no binding"));
        };
        match self.module.types[ty].inner {
            TypeInner::Image { dim, arrayed, class: ImageClass::Storage { format, .. } } => {
                let words = words(format)
                    .ok_or_else(|| CompileError::unsupported(format!("textures of the format {format:?}")))?;
                Ok(Image { dim, arrayed, words, shape })
            }
            _ => Err(CompileError::unsupported("a texture that is not a storage texture")),
        }
    }

    /// Texels of a row, rows, or slices and layers, for `axis` 0 to 2.
    fn extent(&mut self, image: Image, axis: usize) -> Val {
        let offset = 4 * ViewShape::EXTENT[axis];
        let at = At { space: Space::Buffer(image.shape), offset, ty: Ty::I32, terms: Vec::new() };
        let at = self.ir.at(at);
        self.emit(Node::Load(at))
    }

    fn texel(
        &mut self,
        frame: &mut Frame<'m>,
        image: Handle<Expression>,
        coordinate: Handle<Expression>,
        array_index: Option<Handle<Expression>>,
    ) -> Result<Texel, CompileError> {
        let image = self.image(frame, image)?;
        let mut places = self.flat(frame, coordinate)?.to_vec();
        if let Some(index) = array_index {
            places.extend(self.flat(frame, index)?.iter());
        }
        if places.len() > 3 {
            return Err(CompileError::unsupported("a texel with four coordinates"));
        }
        // The last coordinate counts most.
        let mut texel: Option<(Val, Val)> = None;
        for (axis, place) in places.into_iter().enumerate().rev() {
            let size = self.extent(image, axis);
            let inside = self.bin(Bin::LtU, place, size);
            texel = Some(match texel {
                None => (place, inside),
                Some((index, within)) => {
                    let rows = self.bin(Bin::IMul, index, size);
                    (self.bin(Bin::IAdd, rows, place), self.bin(Bin::BAnd, within, inside))
                }
            });
        }
        let (index, within) = texel.ok_or_else(|| CompileError::unsupported("a texel without a place"))?;
        let texels = image.shape + 1;
        let term = Term { index, stride: 4 * image.words, len: Len::Runtime(texels) };
        let shape = match image.words {
            1 => Shape::Scalar(Scalar::U32),
            2 => Shape::Vector(VectorSize::Bi, Scalar::U32),
            _ => Shape::Vector(VectorSize::Quad, Scalar::U32),
        };
        let place = Place { space: Space::Buffer(texels), shape, offset: 0, terms: vec![term] };
        Ok(Texel { place, within, image })
    }

    /// Tells of a touch of a texel: of its first word, because no access touches fewer than all.
    fn touch_texel(&mut self, texel: &Texel, access: Access, span: Span) -> Result<(), CompileError> {
        let first = Place { shape: Shape::Scalar(Scalar::U32), ..texel.place.clone() };
        self.touch(&first, access, span)
    }

    /// The same, of one that may not be there.
    fn touch_if_within(&mut self, texel: &Texel, access: Access, span: Span) -> Result<(), CompileError> {
        let before = std::mem::take(&mut self.list);
        self.touch_texel(texel, access, span)?;
        let touches = std::mem::replace(&mut self.list, before);
        if !touches.is_empty() {
            self.list.push(Stmt::If(texel.within, touches, Vec::new()));
        }
        Ok(())
    }

    /// The words of a texel; channels that it lacks are 0, 0 and 1.
    pub(super) fn image_load(
        &mut self,
        frame: &mut Frame<'m>,
        (image, coordinate): (Handle<Expression>, Handle<Expression>),
        array_index: Option<Handle<Expression>>,
        span: Span,
    ) -> Result<Rc<[Val]>, CompileError> {
        let texel = self.texel(frame, image, coordinate, array_index)?;
        self.touch_if_within(&texel, Access::Read, span)?;
        let loaded = self.load(&texel.place)?;
        let zero = self.word(0);
        let mut channels: Vec<Val> =
            loaded.iter().map(|word| self.emit(Node::Sel(texel.within, *word, zero))).collect();
        for channel in texel.image.words..4 {
            channels.push(self.word(u32::from(channel == 3)));
        }
        Ok(channels.into())
    }

    pub(super) fn image_store(
        &mut self,
        frame: &mut Frame<'m>,
        (image, coordinate): (Handle<Expression>, Handle<Expression>),
        array_index: Option<Handle<Expression>>,
        value: Handle<Expression>,
        span: Span,
    ) -> Result<(), CompileError> {
        let texel = self.texel(frame, image, coordinate, array_index)?;
        let values = self.flat(frame, value)?;
        let before = std::mem::take(&mut self.list);
        self.touch_texel(&texel, Access::Write, span)?;
        self.store(&texel.place, &values)?;
        let stores = std::mem::replace(&mut self.list, before);
        self.list.push(Stmt::If(texel.within, stores, Vec::new()));
        Ok(())
    }

    pub(super) fn image_query(
        &mut self,
        frame: &mut Frame<'m>,
        image: Handle<Expression>,
        query: ImageQuery,
    ) -> Result<Rc<[Val]>, CompileError> {
        let image = self.image(frame, image)?;
        let axes = match (query, image.dim) {
            (ImageQuery::NumLayers, _) if image.arrayed => 2..3,
            (ImageQuery::Size { level: None }, ImageDimension::D1) => 0..1,
            (ImageQuery::Size { level: None }, ImageDimension::D2) => 0..2,
            (ImageQuery::Size { level: None }, ImageDimension::D3) => 0..3,
            _ => return Err(CompileError::unsupported("this question to a texture")),
        };
        Ok(axes.map(|axis| self.extent(image, axis)).collect())
    }
}
