//! That two devices agree on a shader.

use crate::made::made;
use crate::{Case, Device, Failure, Pipeline, Reference, Way, compare};
use fizz_shader::ShaderLimits;

/// Words and gas of a run.
type Ran = Result<(Vec<u32>, u64), Failure>;

/// Runs the exact shader that bytes choose on a device and on the reference. Whether it ran: few bytes choose a shader that is refused, or that runs
/// out of gas.
///
/// # Errors
/// The shader, and how the two differ: in what they take, in a word of the result, or in gas.
pub fn agree(device: &Device, reference: &Reference, bytes: &[u8]) -> Result<bool, String> {
    let (wgsl, case) = made(bytes);
    agree_on(device, reference, &wgsl, &case)
}

/// The same of a shader with the entry point `main`, and what it works on.
///
/// # Errors
/// As [`agree`].
pub fn agree_on(device: &Device, reference: &Reference, wgsl: &str, case: &Case) -> Result<bool, String> {
    let Ok(shader) = fizz_shader::check(wgsl, "made", &ShaderLimits::default()) else { return Ok(false) };
    if !shader.classify("main").is_empty() || shader.meter("main", "", &[], Default::default()).is_err() {
        return Ok(false);
    }
    let on_device = || -> Ran {
        let pipeline = Pipeline::new(device, &shader, case, Way::MeteredExact)?;
        let loaded = pipeline.load(device, case)?;
        loaded.run()?;
        Ok((loaded.result()?, loaded.gas()?))
    };
    let verdict = match (on_device(), on_reference(reference, &shader, case)) {
        (Ok((one, gas)), Ok((other, counted))) => {
            let words = compare(&one, &other).map_err(|error| error.to_string());
            words.and_then(|()| if gas == counted { Ok(true) } else { Err(format!("gas {gas}, {counted}")) })
        }
        (Err(Failure::OutOfGas), Err(Failure::OutOfGas)) => Ok(false),
        (one, other) => Err(format!("{:?} and {:?}", one.map(|_| ()), other.map(|_| ()))),
    };
    verdict.map_err(|error| format!("{error}\n{wgsl}"))
}

fn on_reference(reference: &Reference, shader: &fizz_shader::CheckedShader, case: &Case) -> Ran {
    let mut loaded = reference.compile(shader, true)?.load(case)?;
    loaded.run()?;
    Ok((loaded.result(), loaded.gas()?))
}
