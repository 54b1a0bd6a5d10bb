//! Which adapters compute exactly: what is not measured is not believed.
//!
//! The probe runs fixed shaders on fixed inputs through a session of the class exact, as a guest would: every operation at the numbers where
//! something changes, sums in the order that stands there, a product of matrices, a reduction, atomics, texels, and a loop longer than some
//! drivers let it be. What comes out is hashed group by group and compared with what the reference device computed
//! (`digests.txt`; a test makes it anew and compares). Some groups are there to fail on a driver that fuses, reorders, flushes or applies the rules of real
//! numbers. An adapter that differs in one of them serves fast sessions only.

mod groups;
#[cfg(test)]
mod model;
mod run;
mod texels;

use crate::device::Hardware;
use crate::exact::{Exact, Target};

/// What the reference device computes: a name and a digest in each line.
const DIGESTS: &str = include_str!("digests.txt");

impl Hardware {
    /// This device, serving the class exact too, if the probe finds that it computes exactly.
    ///
    /// # Errors
    /// Why it does not, in words.
    pub fn admitted(self) -> Result<Hardware, String> {
        let hardware = self.unproven()?;
        let found = run::probe(&hardware)?;
        if let Some(name) = differing(&found) {
            return Err(format!("it does not compute exactly: the probe differs in {name}"));
        }
        run::loops(&hardware)?;
        Ok(hardware.proven(&expected()))
    }

    /// The same without a proof: for tests of the probe, and of nothing else.
    ///
    /// # Errors
    /// Why it cannot be told how to compute exactly.
    pub fn unproven(self) -> Result<Hardware, String> {
        if self.is_exact() {
            return Ok(self);
        }
        let target = Target::of(self.adapter())?;
        Ok(self.with_exact(Exact { target, probe: "".into() }))
    }

    /// What a device that serves the class exact computes in the probe: a name and a digest in each line.
    ///
    /// # Errors
    /// Why it computes nothing.
    pub fn probe(&self) -> Result<String, String> {
        run::probe(self).map(|found| listed(&found))
    }

    fn proven(self, probe: &str) -> Hardware {
        match self.exact() {
            Some(Exact { target, .. }) => {
                let exact = Exact { target: *target, probe: probe.into() };
                self.with_exact(exact)
            }
            None => self,
        }
    }
}

/// What the probe gives in all, as hexadecimal digits.
pub(crate) fn expected() -> String {
    run::digest(DIGESTS.as_bytes())
}

/// The first group in which a probe differs from the reference.
fn differing(found: &[run::Found]) -> Option<&str> {
    let expected: Vec<_> = DIGESTS.lines().filter_map(|line| line.rsplit_once(' ')).collect();
    let differs = |(name, digest): &&run::Found| {
        !expected.iter().any(|(known, wanted)| known == name && wanted == digest)
    };
    found.iter().find(differs).map(|(name, _)| *name)
}

/// What a probe found, as [`DIGESTS`] has it.
fn listed(found: &[run::Found]) -> String {
    found.iter().map(|(name, digest)| format!("{name} {digest}\n")).collect()
}
