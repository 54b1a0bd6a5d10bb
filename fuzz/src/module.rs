//! Modules on their way to the engine: examined, refused or instrumented, but not compiled.

use fizz_generated::{Config, Unstructured, settings};
use wasmparser::Validator;

use crate::features::allowed_features;
use crate::instrument::{
    GPU_MODULE, ModuleError, ModuleFacts, ModuleLimits, Variant, WASI_MODULE, examine, rewrite,
};
use crate::memory;

/// Generated modules have these exports, without which every module is refused.
const SHAPE: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;

/// Input that begins like a module is one; other input is what a module is generated from, and then broken by
/// changing a few bytes.
///
/// - No module makes the examination or the rewrite panic or take much more memory than there are bytes.
/// - What is accepted is valid with the proposals that Fizz allows, and so is what is made of it.
/// - Generated modules are accepted, unless they hold exceptions where none may be. Instrumented ones never are: nothing is instrumented twice.
pub fn module(data: &[u8]) {
    if data.starts_with(b"\0asm") {
        let _ = instrumented(data);
        return;
    }
    let mut input = Unstructured::new(data);
    let Ok(changes) = input.arbitrary::<[(u16, u8); 3]>() else { return };
    let Some(mut wasm) = generate(&mut input) else { return };
    match instrumented(&wasm) {
        Ok(()) => {}
        Err(error) if is_of_the_generator(&error) => {}
        Err(error) => panic!("a good module is refused: {error}"),
    }
    for (at, by) in changes {
        let at = usize::from(at) % wasm.len();
        wasm[at] ^= by;
        let _ = instrumented(&wasm);
    }
    wasm.truncate(usize::from(changes[0].0) % wasm.len());
    let _ = instrumented(&wasm);
}

fn generate(input: &mut Unstructured<'_>) -> Option<Vec<u8>> {
    let settings =
        Config { max_instructions: 200, max_tables: 3, max_table_elements: 1000, ..settings(SHAPE) };
    Some(fizz_generated::module(settings, input)?.to_bytes())
}

/// Whether a generated module is rightly refused: the generator keeps exceptions where Fizz allows none, and has some
/// that carry more than may be.
pub(crate) fn is_of_the_generator(error: &impl ToString) -> bool {
    error.to_string().contains("exception")
}

/// Examines a module and makes both forms of it.
fn instrumented(wasm: &[u8]) -> Result<(), ModuleError> {
    let validate = |wasm: &[u8]| Validator::new_with_features(allowed_features()).validate_all(wasm);
    let limits = ModuleLimits::default();
    // The validator has tables of its own, and a refused module is validated once more for each proposal.
    let limit = (2 << 20) + 256 * wasm.len();
    let facts = memory::within(limit, || examine(wasm, &limits, is_served)).inspect_err(|error| {
        assert!(!error.hint().is_empty() && !error.to_string().is_empty());
    })?;
    validate(wasm).expect("an accepted module is valid");
    assert_eq!(facts.functions.len(), facts.function_types.len());
    for variant in [Variant::Fast, Variant::WriteThrough] {
        let made = memory::within(limit, || rewritten(wasm, &facts, variant));
        if let Err(error) = validate(&made) {
            panic!("{variant:?} makes an invalid module: {error}");
        }
        let again = examine(&made, &limits, is_served);
        assert!(matches!(again, Err(ModuleError::ReservedExport(_))), "{again:?}");
    }
    Ok(())
}

fn rewritten(wasm: &[u8], facts: &ModuleFacts, variant: Variant) -> Vec<u8> {
    match rewrite(wasm, facts, variant) {
        Ok(made) => made,
        Err(error) => panic!("an accepted module cannot be instrumented: {error}"),
    }
}

/// Any function of our modules: which names there are is another layer's.
fn is_served(module: &str, _name: &str) -> bool {
    [WASI_MODULE, GPU_MODULE].contains(&module)
}
