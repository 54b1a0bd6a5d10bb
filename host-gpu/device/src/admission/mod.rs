//! Which adapters compute exactly: what is not measured is not believed.
//!
//! The probe runs fixed shaders on fixed inputs through a session of the class exact, as a guest would: every operation at the numbers where
//! something changes, sums in the order that stands there, a product of matrices, a reduction, atomics, texels, and a loop longer than some
//! drivers let it be. What comes out is hashed group by group and compared with what the reference device computed
//! (`digests.txt`; a test makes it anew and compares). Some groups are there to fail on a driver that fuses, reorders, flushes or applies the rules of real
//! numbers. An adapter that differs in one of them serves fast sessions only.
//!
//! Before that the device's own square root is tried with all numbers ([`own`]): where it is right for all, shaders use it, and the probe runs with it.

mod groups;
#[cfg(test)]
mod model;
mod own;
mod run;
mod texels;

use crate::device::Hardware;
use crate::exact::{Exact, Target};
pub use own::OwnSqrt;
use std::time::Duration;

/// What the reference device computes: a name and a digest in each line.
const DIGESTS: &str = include_str!("digests.txt");

/// Time in which a device's own square root must be proven, if it is to be used: a GPU needs a small part of it. What would take longer is left soon.
pub const OWN_BUDGET: Duration = Duration::from_secs(1);

impl Hardware {
    /// This device, serving the class exact too, if the probe finds that it computes exactly; with its own square root, if
    /// that can be proven within [`OWN_BUDGET`].
    ///
    /// # Errors
    /// Why it does not, in words.
    pub fn admitted(self) -> Result<Hardware, String> {
        self.admitted_within(OWN_BUDGET)
    }

    /// The same with another time for proving its own square root, which takes all 2^32 numbers. The root has the same bits, proven or not.
    ///
    /// # Errors
    /// As [`admitted`](Self::admitted).
    pub fn admitted_within(self, own_budget: Duration) -> Result<Hardware, String> {
        let hardware = self.unproven()?;
        if !hardware.has_driver() {
            return hardware.probed();
        }
        let own = own::sqrt(&hardware, own_budget)?;
        if own != OwnSqrt::Proven {
            return hardware.with_own_sqrt(own).probed();
        }
        // A compiler may make something else of a root where it stands with others.
        let with = hardware.clone().with_own_sqrt(own).probed();
        with.or_else(|_| hardware.with_own_sqrt(OwnSqrt::Unsteady).probed())
    }

    /// This device, if the probe finds that it computes exactly as it is.
    fn probed(self) -> Result<Hardware, String> {
        let found = run::probe(&self)?;
        if let Some(name) = differing(&found) {
            return Err(format!("it does not compute exactly: the probe differs in {name}"));
        }
        run::loops(&self)?;
        Ok(self.proven(&expected()))
    }

    /// What admission found of the device's own square root; none before, and for the reference device, whose own it is.
    pub fn own_sqrt(&self) -> Option<OwnSqrt> {
        self.exact().and_then(|exact| exact.own_sqrt)
    }

    fn with_own_sqrt(self, own: OwnSqrt) -> Hardware {
        let Some(Exact { target: Target::Vulkan { mut native, modes }, probe, .. }) = self.exact().cloned()
        else {
            return self;
        };
        native.sqrt = own == OwnSqrt::Proven;
        self.with_exact(Exact { target: Target::Vulkan { native, modes }, probe, own_sqrt: Some(own) })
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
        Ok(self.with_exact(Exact { target, probe: "".into(), own_sqrt: None }))
    }

    /// What a device that serves the class exact computes in the probe: a name and a digest in each line.
    ///
    /// # Errors
    /// Why it computes nothing.
    pub fn probe(&self) -> Result<String, String> {
        run::probe(self).map(|found| listed(&found))
    }

    fn proven(self, probe: &str) -> Hardware {
        match self.exact().cloned() {
            Some(exact) => self.with_exact(Exact { probe: probe.into(), ..exact }),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Adapters, Choice};

    #[test]
    fn only_a_proven_root_is_left_to_the_device() {
        let Ok(hardware) = Adapters::list().choose(&Choice::Auto) else {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must have a Vulkan adapter");
            return eprintln!("skipped: no adapter");
        };
        let hardware = hardware.unproven().unwrap();
        let used = |own| match hardware.clone().with_own_sqrt(own).exact().unwrap().target {
            Target::Vulkan { native, .. } => native.sqrt,
            Target::Reference => panic!("not a driver's"),
        };
        assert!(used(OwnSqrt::Proven));
        assert!(!used(OwnSqrt::Unsteady));
        assert!(!used(OwnSqrt::Differs { bits: 1 }));
        assert!(!used(OwnSqrt::Unfinished { numbers: 1 }));
    }
}
