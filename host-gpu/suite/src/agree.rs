//! That devices agree on a shader.

use crate::made::made;
use crate::{Case, Device, Failure, Pipeline, Way, compare};
use fizz_reference::{RaceCheck, Races};
use fizz_shader::{CheckedShader, ShaderLimits};

/// Words and gas of a run.
type Ran = Result<(Vec<u32>, u64), Failure>;

/// Runs the exact shader that bytes choose on two devices. Whether it ran: few bytes choose a shader that is refused, or that runs
/// out of gas.
///
/// # Errors
/// The shader, and how the two differ: in what they take, in a word of the result, or in gas.
pub fn agree(one: &Device, other: &Device, bytes: &[u8]) -> Result<bool, String> {
    let (wgsl, case) = made(bytes);
    agree_on(one, other, &wgsl, &case)
}

/// The same of a shader with the entry point `main`, and what it works on.
///
/// # Errors
/// As [`agree`].
pub fn agree_on(one: &Device, other: &Device, wgsl: &str, case: &Case) -> Result<bool, String> {
    let Some(shader) = exact(wgsl) else { return Ok(false) };
    same(run(one, &shader, case), run(other, &shader, case)).map_err(|error| format!("{error}\n{wgsl}"))
}

/// Runs an exact shader without races, as those of [`made()`] are, on a device, and on the reference with races watched: they agree, and none is found.
/// Whether it ran.
///
/// # Errors
/// The shader, and how the two differ, or the races.
pub fn agree_watched(device: &Device, wgsl: &str, case: &Case) -> Result<bool, String> {
    let Some(shader) = exact(wgsl) else { return Ok(false) };
    let check = RaceCheck::default();
    let watched = Device::watched(&check).map_err(|error| error.to_string())?;
    let ran = same(run(device, &shader, case), run(&watched, &shader, case));
    let silent = ran.and_then(|ran| match check.races() {
        races if races == Races::default() => Ok(ran),
        races => Err(format!("{races:#?}")),
    });
    silent.map_err(|error| format!("{error}\n{wgsl}"))
}

/// The shader, if it passes and is exact.
fn exact(wgsl: &str) -> Option<CheckedShader> {
    let shader = fizz_shader::check(wgsl, "made", &ShaderLimits::default()).ok()?;
    let is_exact = shader.classify("main").is_empty();
    (is_exact && shader.meter("main", "", &[], Default::default()).is_ok()).then_some(shader)
}

/// Runs a shader as sessions of the exact class do.
pub(crate) fn run(device: &Device, shader: &CheckedShader, case: &Case) -> Ran {
    let pipeline = Pipeline::new(device, shader, case, Way::MeteredExact)?;
    let loaded = pipeline.load(device, case)?;
    loaded.run()?;
    Ok((loaded.result()?, loaded.gas()?))
}

fn same(one: Ran, other: Ran) -> Result<bool, String> {
    match (one, other) {
        (Ok((one, gas)), Ok((other, counted))) => {
            compare(&one, &other).map_err(|error| error.to_string())?;
            if gas == counted { Ok(true) } else { Err(format!("gas {gas}, {counted}")) }
        }
        (Err(Failure::OutOfGas), Err(Failure::OutOfGas)) => Ok(false),
        (one, other) => Err(format!("{:?} and {:?}", one.map(|_| ()), other.map(|_| ()))),
    }
}
