//! The profile: everything that defines a result's bits. Only results of equal profiles are compared.

use serde::{Deserialize, Serialize};

use crate::canonical::Canonical;
use crate::digest::{Digest, Domain};

/// The semantic versions of everything that defines a result.
///
/// Engine version, operating system, instruction set and CPU model are not in it ([`EngineInfo`] records them beside
/// it): they must not change a bit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Version of the instrumentation: of gas, of the stack, and of NaNs.
    pub instrumentation: u32,
    /// BLAKE3 of the cost table.
    pub cost_table: Digest,
    /// Version of the WASI layer and its file system.
    pub wasi: u32,
    /// Version of a task's state between two chunks, and of the bytes that are hashed for it.
    pub state: u32,
    /// The WebAssembly proposals a module may use, sorted, comma-separated.
    pub proposals: String,
    /// Set when the task used the GPU.
    pub gpu: Option<GpuProfile>,
}

/// What defines the bits of a GPU result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GpuProfile {
    /// `exact`: every device gives the same bits, so that none is named. `fast`: the driver decides the bits, so that adapter
    /// and driver are named.
    pub class: String,
    /// Version of the command stream's meaning and of its gas.
    pub stream: u32,
    /// Versions of what shaders pass: front end, meter, prices, and in `exact` the lowering.
    pub shader: String,
    /// Adapter name, as the driver gives it; empty in `exact`.
    pub adapter: String,
    /// Driver name and version, as the driver gives it; empty in `exact`.
    pub driver: String,
}

impl Profile {
    /// The digest that stands in results.
    pub fn digest(&self) -> Digest {
        Digest::of(Domain::Profile, &self.to_canonical())
    }

    /// The first field in which two profiles differ, with both values, in words.
    pub fn difference(&self, other: &Profile) -> Option<String> {
        fn cmp(name: &str, a: impl ToString, b: impl ToString) -> Option<String> {
            let (a, b) = (a.to_string(), b.to_string());
            (a != b).then(|| format!("{name}: {a} there, {b} here"))
        }
        cmp("instrumentation", self.instrumentation, other.instrumentation)
            .or_else(|| cmp("cost table", self.cost_table, other.cost_table))
            .or_else(|| cmp("WASI layer", self.wasi, other.wasi))
            .or_else(|| cmp("state", self.state, other.state))
            .or_else(|| cmp("proposals", &self.proposals, &other.proposals))
            .or_else(|| match (&self.gpu, &other.gpu) {
                (None, None) => None,
                (Some(a), Some(b)) => cmp("GPU class", &a.class, &b.class)
                    .or_else(|| cmp("GPU adapter", &a.adapter, &b.adapter))
                    .or_else(|| cmp("GPU driver", &a.driver, &b.driver))
                    .or_else(|| cmp("GPU command stream", a.stream, b.stream))
                    .or_else(|| cmp("GPU shader front end", &a.shader, &b.shader)),
                (Some(a), None) => Some(format!("GPU: {} there, none here", a.words())),
                (None, Some(b)) => Some(format!("GPU: none there, {} here", b.words())),
            })
    }
}

impl GpuProfile {
    /// What is special about it, in words.
    fn words(&self) -> &str {
        if self.adapter.is_empty() { &self.class } else { &self.adapter }
    }
}

impl Canonical for Profile {
    const TYPE: &'static str = "profile";
}

/// What ran the guest, recorded beside the result so that a bad engine can be revoked. It must not change a bit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineInfo {
    /// Engine name and version, as `wasmtime 48.0.8`.
    pub engine: String,
    /// Target triple or its parts, as `x86_64-linux`.
    pub target: String,
    /// Version of Fizz.
    pub fizz: String,
    /// The device that was the task's GPU, with its driver; none where the guest could find none.
    pub device: Option<String>,
}
