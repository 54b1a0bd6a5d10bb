//! Matrices, column by column.
//!
//! | | |
//! |---|---|
//! | M · v | c₀·v.x + c₁·v.y + …, columns c, from the first to the last |
//! | v · M | dot(v, c) of each column |
//! | M · N | M · c of each column of N |
//! | M + N, M − N, M · s | column by column |

use super::function::{Class, Rewriter, Shape, Value};
use naga::{BinaryOperator as Op, Expression, Handle, Scalar, TypeInner, VectorSize};

impl Rewriter<'_, '_, '_> {
    pub(super) fn matrix(
        &mut self,
        op: Op,
        left: Handle<Expression>,
        right: Handle<Expression>,
    ) -> Result<Value, String> {
        let (a, b) = (self.get(left)?, self.get(right)?);
        match (size(self.inner(left)), size(self.inner(right)), op) {
            (Some((columns, rows)), Some(_), Op::Add | Op::Subtract) => {
                let (a, b) = (self.columns(a, columns, rows), self.columns(b, columns, rows));
                let sums = a.into_iter().zip(b).map(|(a, b)| self.arithmetic(op, a, b)).collect();
                Ok(self.matrix_of(rows, sums))
            }
            (Some((inner, rows)), Some((columns, _)), Op::Multiply) => {
                let a = self.columns(a, inner, rows);
                let b = self.columns(b, columns, inner);
                let products = b.into_iter().map(|column| self.matrix_times(&a, column)).collect();
                Ok(self.matrix_of(rows, products))
            }
            (Some((columns, rows)), None, Op::Multiply) => {
                let a = self.columns(a, columns, rows);
                if self.shape_of(b) != Shape::Scalar {
                    return Ok(self.matrix_times(&a, b));
                }
                let products = a.into_iter().map(|column| self.multiply(column, b)).collect();
                Ok(self.matrix_of(rows, products))
            }
            (None, Some((columns, rows)), Op::Multiply) => {
                let b = self.columns(b, columns, rows);
                if self.shape_of(a) != Shape::Scalar {
                    let dots = b.into_iter().map(|column| self.dot(a, column)).collect();
                    return Ok(self.vector(columns, Scalar::F32, dots));
                }
                let products = b.into_iter().map(|column| self.multiply(a, column)).collect();
                Ok(self.matrix_of(rows, products))
            }
            _ => Err("an operator that matrices do not have".to_owned()),
        }
    }

    fn matrix_times(&mut self, columns: &[Value], vector: Value) -> Value {
        let first = self.component(vector, 0);
        let mut sum = self.multiply(columns[0], first);
        for (index, column) in (1..).zip(&columns[1..]) {
            let factor = self.component(vector, index);
            let product = self.multiply(*column, factor);
            sum = self.add(sum, product);
        }
        sum
    }

    pub(super) fn columns(&mut self, matrix: Value, columns: VectorSize, rows: VectorSize) -> Vec<Value> {
        if let Expression::Compose { ref components, .. } = self.new.expressions[matrix] {
            return components.clone();
        }
        let class = self.class(matrix);
        let column = |index| Expression::AccessIndex { base: matrix, index };
        (0..columns as u32).map(|index| self.emit(column(index), Shape::Vector(rows), class)).collect()
    }

    pub(super) fn matrix_of(&mut self, rows: VectorSize, columns: Vec<Value>) -> Value {
        let count = match columns.len() {
            2 => VectorSize::Bi,
            3 => VectorSize::Tri,
            _ => VectorSize::Quad,
        };
        let ty = self.lower.plain(TypeInner::Matrix { columns: count, rows, scalar: Scalar::F32 });
        self.compose(ty, columns)
    }

    pub(super) fn transpose(&mut self, matrix: Value, columns: VectorSize, rows: VectorSize) -> Value {
        let old = self.columns(matrix, columns, rows);
        let mut new = Vec::with_capacity(rows as usize);
        for row in 0..rows as u32 {
            let parts = old.iter().map(|column| self.component(*column, row)).collect();
            new.push(self.vector(columns, Scalar::F32, parts));
        }
        self.matrix_of(columns, new)
    }

    /// Along the first column: m₀₀·minor − m₀₁·minor + …, minors in the same way.
    pub(super) fn determinant(&mut self, matrix: Value, size: VectorSize) -> Value {
        let columns = self.columns(matrix, size, size);
        let rows: Vec<u32> = (0..size as u32).collect();
        self.minor(&columns, &rows)
    }

    fn minor(&mut self, columns: &[Value], rows: &[u32]) -> Value {
        let (first, rest) = (columns[0], &columns[1..]);
        if rest.is_empty() {
            return self.component(first, rows[0]);
        }
        let mut sum: Option<Value> = None;
        for (index, row) in rows.iter().enumerate() {
            let others: Vec<u32> = rows.iter().copied().filter(|other| other != row).collect();
            let factor = self.component(first, *row);
            let minor = self.minor(rest, &others);
            let product = self.multiply(factor, minor);
            sum = Some(match sum {
                None => product,
                Some(sum) if index % 2 == 1 => self.subtract(sum, product),
                Some(sum) => self.add(sum, product),
            });
        }
        sum.unwrap_or(first)
    }

    /// Component by component of the second vector: the first times it.
    pub(super) fn outer(&mut self, a: Value, b: Value) -> Value {
        let (Shape::Vector(rows), Shape::Vector(columns)) = (self.shape_of(a), self.shape_of(b)) else {
            return self.multiply(a, b);
        };
        let mut products = Vec::with_capacity(columns as usize);
        for index in 0..columns as u32 {
            let factor = self.component(b, index);
            products.push(self.multiply(a, factor));
        }
        let class = Class::Opaque;
        let matrix = self.matrix_of(rows, products);
        self.known[matrix.index()].class = class;
        matrix
    }
}

/// Columns and rows of a matrix.
pub(super) fn size(inner: &TypeInner) -> Option<(VectorSize, VectorSize)> {
    match *inner {
        TypeInner::Matrix { columns, rows, .. } => Some((columns, rows)),
        _ => None,
    }
}
