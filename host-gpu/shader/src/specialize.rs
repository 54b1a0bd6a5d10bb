//! Overrides with values, and what depends on them.

use crate::error::{Reason, ShaderError};
use crate::measure::used_bytes;
use crate::{CheckedShader, ShaderLimits, deep};
use naga::AddressSpace;
use std::collections::BTreeSet;

/// An entry point with its pipeline constants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Specialized {
    /// Invocations of a workgroup in x, y and z; none is 0.
    pub workgroup_size: [u32; 3],
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u64,
}

impl Specialized {
    pub(crate) fn new(
        shader: &CheckedShader,
        limits: &ShaderLimits,
        entry: &str,
        label: &str,
        constants: &[(&str, f64)],
    ) -> Result<Self, ShaderError> {
        Specialized::with_module(shader, limits, entry, label, constants, |_| Ok(())).map(|(found, ())| found)
    }

    /// Gives what `use_module` makes of the module of this entry point alone, overrides replaced by their values.
    pub(crate) fn with_module<T: Send>(
        shader: &CheckedShader,
        limits: &ShaderLimits,
        entry: &str,
        label: &str,
        constants: &[(&str, f64)],
        use_module: impl FnOnce(naga::Module) -> Result<T, ShaderError> + Send,
    ) -> Result<(Self, T), ShaderError> {
        let stage = naga::ShaderStage::Compute;
        let refuse = |message| ShaderError::new(Reason::Invalid, label, message);
        if let Some(name) = unknown(&shader.module, constants) {
            return Err(refuse(format!("pipeline-overridable constant '{name}' not found in the shader")));
        }
        let mut values = naga::back::PipelineConstants::default();
        for (name, value) in constants {
            values.insert((*name).to_owned(), *value);
        }
        deep(label, || {
            let resolved = naga::back::pipeline_constants::process_overrides(
                &shader.module,
                &shader.info,
                Some((stage, entry)),
                &values,
            );
            let (module, info) = resolved.map_err(|error| refuse(chain(&error)))?;
            let index =
                module.entry_points.iter().position(|found| found.stage == stage && found.name == entry);
            let index = index.ok_or_else(|| refuse(format!("no compute entry point '{entry}'")))?;
            let found = Specialized {
                workgroup_size: module.entry_points[index].workgroup_size,
                workgroup_bytes: used_bytes(&module, &info, index, AddressSpace::WorkGroup),
            };
            found.within(limits).map_err(refuse)?;
            let mut module = module.into_owned();
            module.entry_points.retain(|found| found.stage == stage && found.name == entry);
            naga::compact::compact(&mut module, naga::compact::KeepUnused::No);
            Ok((found, use_module(module)?))
        })?
    }

    fn within(&self, limits: &ShaderLimits) -> Result<(), String> {
        let [x, y, z] = self.workgroup_size;
        let total = u64::from(x).saturating_mul(u64::from(y)).saturating_mul(u64::from(z));
        let fits = self
            .workgroup_size
            .iter()
            .zip(limits.workgroup_size)
            .all(|(size, most)| (1..=most).contains(size));
        if !fits || total > u64::from(limits.workgroup_invocations) {
            let [a, b, c] = limits.workgroup_size;
            let most = limits.workgroup_invocations;
            return Err(format!(
                "workgroup of {x} × {y} × {z} is outside {a} × {b} × {c} or above {most} in all"
            ));
        }
        if self.workgroup_bytes > limits.workgroup_bytes {
            let (bytes, most) = (self.workgroup_bytes, limits.workgroup_bytes);
            return Err(format!("workgroup variables take {bytes} bytes, more than {most}"));
        }
        Ok(())
    }

    /// Invocations of a workgroup.
    pub fn invocations(&self) -> u64 {
        self.workgroup_size.iter().fold(1, |product, size| product.saturating_mul(u64::from(*size)))
    }
}

/// The first constant that is none of the shader. naga looks through a map in its random order, so that it names any of several;
/// and it takes `01` for the id 1, but then does not use its value.
fn unknown<'c>(module: &naga::Module, constants: &[(&'c str, f64)]) -> Option<&'c str> {
    let name = |o: &naga::Override| o.id.map(|id| id.to_string()).or_else(|| o.name.clone());
    let known: BTreeSet<String> = module.overrides.iter().filter_map(|(_, o)| name(o)).collect();
    constants.iter().map(|(name, _)| *name).find(|name| !known.contains(*name))
}

/// An error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
