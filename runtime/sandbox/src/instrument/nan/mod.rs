//! Makes the bits of NaNs equal on every machine, at the few places where they can be seen.
//!
//! The sign and the payload of a NaN that arithmetic makes differ between processors. What the guest must see is what
//! the engine's own canonicalising mode gives: every NaN that comes out of arithmetic is the positive quiet NaN with
//! an otherwise empty payload, and every other operator keeps bits as they are. That mode pays at every operator. Here
//! arithmetic is left alone, and a value is made canonical only if its bits are about to be seen: by a store, a
//! reinterpretation, an integer operator on a vector, a call, a return. Made canonical too early or twice, a value is
//! the same; but a value that arithmetic did *not* make, a loaded one say, must keep its bits.
//!
//! 1. [`effect`] says of every operator what it does to the bits of its operands and result.
//! 2. [`walk`] runs through a function with the operand stack and the locals, and notes in a [`graph`] which value
//!    flows where, and which are seen.
//! 3. The [`graph`] decides which values may be fresh from arithmetic, and after which operators they are made
//!    canonical. It is linear in the function's size.
//! 4. [`form`] writes the code for it.

mod class;
mod effect;
mod form;
mod graph;
#[cfg(test)]
mod tests;
mod walk;

pub(super) use effect::{FIXED_GROWTH, growth, makes_nans};
pub(super) use form::{Fixes, Hint, Temporaries};
pub(super) use walk::{Survey, fixes};
