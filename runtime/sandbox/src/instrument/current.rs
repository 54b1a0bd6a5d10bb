//! The operator that is looked at: decoded where it stays, for moving operators about takes as long as decoding them.

use wasmparser::{BinaryReaderError, Operator, OperatorsReader, VisitOperator, VisitSimdOperator};

/// The operator that was read last.
#[derive(Debug)]
pub(super) struct Current<'a>(Operator<'a>);

impl<'a> Current<'a> {
    /// Before the first.
    pub(super) fn new() -> Current<'a> {
        Current(Operator::Nop)
    }

    /// Reads the next operator.
    ///
    /// # Errors
    /// When it cannot be decoded.
    pub(super) fn read(
        &mut self,
        reader: &mut OperatorsReader<'a>,
    ) -> Result<&Operator<'a>, BinaryReaderError> {
        reader.visit_operator(self)?;
        Ok(&self.0)
    }
}

macro_rules! put {
    ($( @$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        $(fn $visit(&mut self $($(, $arg: $argty)*)?) {
            self.0 = Operator::$op $({ $($arg),* })?;
        })*
    };
}

impl<'a> VisitOperator<'a> for Current<'a> {
    type Output = ();

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = ()>> {
        Some(self)
    }

    wasmparser::for_each_visit_operator!(put);
}

impl<'a> VisitSimdOperator<'a> for Current<'a> {
    wasmparser::for_each_visit_simd_operator!(put);
}
