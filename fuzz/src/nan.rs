//! Modules of floats: what the guest sees of NaNs is what an engine shows that makes every one canonical itself.

#[path = "../../runtime/sandbox/src/instrument/nan/tests/oracle.rs"]
mod oracle;

use std::sync::LazyLock;

use fizz_generated::floats::{self, Choices};
use fizz_sandbox::measure;
use oracle::Engines;

static ENGINES: LazyLock<Engines> = LazyLock::new(|| {
    let engine = |canonical| measure::engine(canonical).expect("an engine");
    Engines { ours: engine(false), canonical: engine(true) }
});

/// The first byte says whether there are vectors and exceptions, the others choose the operators and constants: both
/// instrumented forms show the bits that the original shows on the other engine.
pub fn nan(data: &[u8]) {
    let Some((kind, choices)) = data.split_first() else { return };
    let wasm = floats::module(Choices::of(choices), kind & 1 != 0, kind & 2 != 0);
    oracle::check(&ENGINES, &wasm, "a module of floats");
}
