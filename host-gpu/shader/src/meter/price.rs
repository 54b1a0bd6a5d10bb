//! What an operation on numbers costs beside a sum: about the operations that it is on a device without one of its own, where its bits must be the same
//! everywhere. It is counted on the source, so that it is the same on all devices, however they compute it.
//!
//! Units for a scalar; a vector has as many for each component, unless it says otherwise.
//!
//! | | units |
//! |---|---|
//! | `/` of floats | 24 |
//! | `%` of floats | 32 |
//! | `/`, `%` of integers | 8 |
//! | `sqrt` | 24 |
//! | `inverseSqrt` | 32 |
//! | `exp`, `exp2` | 24 |
//! | `log`, `log2` | 28 |
//! | `sin`, `cos` | 64 |
//! | `tan` | 112 |
//! | `asin`, `acos` | 64 |
//! | `atan`, `atan2` | 64 |
//! | `sinh`, `cosh`, `tanh`, `asinh`, `acosh`, `atanh` | 80 |
//! | `pow` | 128 |
//! | `min`, `max` of floats | 4 |
//! | `clamp`, `saturate` of floats, `sign`, `modf`, `fract`, float to integer | 8 |
//! | `frexp`, `ldexp`, `quantizeToF16` | 16 |
//! | `fma`, `step` | 2 |
//! | `mix` | 4 |
//! | `smoothstep` | 40 |
//! | `dot` | 2 for each component |
//! | `length`, `distance` | 2 for each component, and 24 |
//! | `normalize` | 3 for each component, and 32 |
//! | `cross` | 9 |
//! | `reflect`, `faceForward` | 5 for each component |
//! | `refract` | 6 for each component, and 32 |
//! | `determinant` | 3, 14 or 60 |
//! | products of matrices | 2 for each product of two numbers |
//! | packing, unpacking of floats | 16, 32 for each component |
//! | a texel read or written | 8 |
//! | of normalized numbers | 24 read, 56 written |
//! | of halves | 104 read, 40 written |
//! | everything else | 1, or 1 for each 16 bytes |

use crate::measure;
use naga::{
    BinaryOperator as Op, Expression, Function, Handle, MathFunction as F, Module, ScalarKind, StorageFormat,
    TypeInner,
};

/// The units of an expression that comes to `of`, whose operands' types `inner` gives; 0 where it is no operation on numbers.
pub(super) fn price<'t>(
    expression: &Expression,
    of: &TypeInner,
    inner: impl Fn(Handle<Expression>) -> Option<&'t TypeInner>,
) -> u64 {
    let float = |handle| inner(handle).and_then(TypeInner::scalar_kind) == Some(ScalarKind::Float);
    match *expression {
        Expression::Binary { op: Op::Divide | Op::Modulo, left, .. } if !float(left) => 8 * components(of),
        Expression::Binary { op: Op::Divide, .. } => 24 * components(of),
        Expression::Binary { op: Op::Modulo, .. } => 32 * components(of),
        Expression::Binary { op: Op::Multiply, left, right } => match (inner(left), inner(right)) {
            (Some(left), Some(right)) => product(left, right),
            _ => 0,
        },
        Expression::As { expr, kind: ScalarKind::Sint | ScalarKind::Uint, .. } if float(expr) => {
            8 * components(of)
        }
        Expression::Math { fun, arg, .. } => {
            let of_arg = inner(arg).map_or(1, components);
            function(fun, float(arg), components(of).min(16), of_arg)
        }
        _ => 0,
    }
}

/// The units of reading and of writing a texel of the texture that an expression names: its place is checked and computed, its format converted.
pub(super) fn texel(module: &Module, function: &Function, image: Handle<Expression>) -> [u64; 2] {
    match measure::texture(module, function, image) {
        Some((StorageFormat::Rgba8Unorm | StorageFormat::Rgba8Snorm, _)) => [24, 56],
        Some((StorageFormat::Rgba16Float, _)) => [104, 40],
        Some(_) => [8, 8],
        // Not offered.
        None => [104, 56],
    }
}

/// Of a product in which a matrix is.
fn product(left: &TypeInner, right: &TypeInner) -> u64 {
    match (left, right) {
        (TypeInner::Matrix { rows, .. }, TypeInner::Matrix { .. }) => 2 * *rows as u64 * components(right),
        (TypeInner::Matrix { .. }, _) => 2 * components(left),
        (_, TypeInner::Matrix { .. }) => 2 * components(right),
        _ => 0,
    }
}

/// Numbers of a value; 1 for what is none.
fn components(inner: &TypeInner) -> u64 {
    match *inner {
        TypeInner::Vector { size, .. } => size as u64,
        TypeInner::Matrix { columns, rows, .. } => columns as u64 * rows as u64,
        _ => 1,
    }
}

fn function(fun: F, float: bool, components: u64, of_arg: u64) -> u64 {
    match fun {
        F::Sqrt | F::Exp | F::Exp2 => 24 * components,
        F::InverseSqrt => 32 * components,
        F::Log | F::Log2 => 28 * components,
        F::Sin | F::Cos | F::Asin | F::Acos | F::Atan | F::Atan2 => 64 * components,
        F::Tan => 112 * components,
        F::Sinh | F::Cosh | F::Tanh | F::Asinh | F::Acosh | F::Atanh => 80 * components,
        F::Pow => 128 * components,
        F::Min | F::Max if float => 4 * components,
        F::Clamp if float => 8 * components,
        F::Saturate | F::Fract => 8 * components,
        F::Sign if float => 8 * components,
        // They come to a struct.
        F::Modf => 8 * of_arg,
        F::Frexp => 16 * of_arg,
        F::Ldexp | F::QuantizeToF16 => 16 * components,
        F::Fma | F::Step => 2 * components,
        F::Mix => 4 * components,
        F::SmoothStep => 40 * components,
        F::Dot => 2 * of_arg,
        F::Length | F::Distance => 2 * of_arg + 24,
        F::Normalize => 3 * of_arg + 32,
        F::Cross => 9,
        F::Reflect | F::FaceForward => 5 * of_arg,
        F::Refract => 6 * of_arg + 32,
        F::Determinant => match of_arg {
            4 => 3,
            9 => 14,
            _ => 60,
        },
        F::Pack4x8snorm | F::Pack4x8unorm => 64,
        F::Pack2x16snorm | F::Pack2x16unorm | F::Pack2x16float => 32,
        F::Unpack4x8snorm | F::Unpack4x8unorm => 128,
        F::Unpack2x16snorm | F::Unpack2x16unorm | F::Unpack2x16float => 64,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::{price, texel};
    use naga::front::Typifier;
    use naga::proc::ResolveContext;

    /// The most that an expression of a function costs.
    fn most(body: &str) -> u64 {
        let text = format!("fn f(x: f32, v: vec3<f32>, m: mat2x4<f32>, u: u32) -> f32 {{ {body} }}");
        let module = naga::front::wgsl::parse_str(&text).expect("WGSL");
        let (_, function) = module.functions.iter().next().expect("a function");
        let context = ResolveContext::with_locals(&module, &function.local_variables, &function.arguments);
        let mut types = Typifier::new();
        let prices = function.expressions.iter().map(|(handle, expression)| {
            types.grow(handle, &function.expressions, &context).expect("a type");
            let inner = |handle: naga::Handle<_>| Some(types[handle].inner_with(&module.types));
            price(expression, types[handle].inner_with(&module.types), inner)
        });
        prices.max().unwrap_or(0)
    }

    #[test]
    fn prices_are_those_of_the_table() {
        for (body, units) in [
            ("return x + x;", 0),
            ("return x * x;", 0),
            ("return x / 2.0;", 24),
            ("return (v / x).x;", 72),
            ("return f32(u / 3u);", 8),
            ("return f32(u32(x));", 8),
            ("return pow(v, v).x;", 384),
            ("return length(v);", 30),
            ("return normalize(v).x;", 41),
            ("return (m * vec2(x)).x;", 16),
            ("return (transpose(m) * m)[0].x;", 32),
            ("return determinant(transpose(m) * m);", 32),
            ("return frexp(v).fract.x;", 48),
            ("return f32(max(u, 3u));", 0),
            ("return unpack4x8snorm(u).x;", 128),
        ] {
            assert_eq!(most(body), units, "{body}");
        }
    }

    #[test]
    fn texels_cost_what_their_format_does() {
        let units = |format: &str, of_argument: bool| {
            let text = format!(
                "@group(0) @binding(0) var named: texture_storage_2d<{format}, write>;
                fn f(given: texture_storage_2d<{format}, write>) {{
                    textureStore({}, vec2u(), vec4());
                }}",
                if of_argument { "given" } else { "named" }
            );
            let module = naga::front::wgsl::parse_str(&text).expect("WGSL");
            let (_, function) = module.functions.iter().next().expect("a function");
            let found = function.body.iter().find_map(|statement| match statement {
                naga::Statement::ImageStore { image, .. } => Some(texel(&module, function, *image)),
                _ => None,
            });
            found.expect("a store")
        };
        for of_argument in [false, true] {
            assert_eq!(units("r32float", of_argument), [8, 8]);
            assert_eq!(units("rgba16uint", of_argument), [8, 8]);
            assert_eq!(units("rgba8unorm", of_argument), [24, 56]);
            assert_eq!(units("rgba16float", of_argument), [104, 40]);
        }
    }
}
