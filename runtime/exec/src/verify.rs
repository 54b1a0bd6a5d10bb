//! Running a receipt's task again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use fizz_attest::{Blob, CheckedReceipt, GpuUse, Outcome, OutputManifest, ResultDifference};

use crate::blobs::Blobs;
use crate::executor::{Executed, Executor, OutputName};

/// What a second run says of a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It gives the same result, bit for bit.
    Same,
    /// It gives another result under the same profile.
    Different(Vec<Difference>),
    /// It says nothing.
    Inconclusive(Inconclusive),
}

/// One thing in which the claim and the second run differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The outcome: claimed, found.
    Outcome(Outcome, Outcome),
    /// The CPU gas: claimed, found.
    Gas(u64, u64),
    /// The GPU gas: claimed, found.
    GpuGas(u64, u64),
    /// The first output that differs.
    Output {
        /// Which output.
        name: OutputName,
        /// What differs about it.
        how: OutputDifference,
    },
    /// Only the chunk chain.
    Chunks,
}

/// How an output differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputDifference {
    /// Claimed, but the second run has no such file.
    OnlyClaimed,
    /// The second run has it, the claim has not.
    OnlyFound,
    /// From this byte on: claimed and found value; `None` where a side has ended.
    Byte {
        /// Offset of the first differing byte.
        offset: u64,
        /// The claimed value.
        claimed: Option<u8>,
        /// The value found.
        found: Option<u8>,
    },
    /// The hashes differ; the claimed bytes are not at hand.
    Content {
        /// Claimed size and hash.
        claimed: Blob,
        /// Size and hash found.
        found: Blob,
    },
}

/// Why a second run says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inconclusive {
    /// This machine computes under another profile; the text names the first difference.
    Profile(String),
    /// The second run could not be made.
    NotRun(String),
}

/// Gives the claimed bytes of an output, where they are at hand, to find the first differing byte.
pub trait Claimed {
    /// The bytes of an output by its name and hash.
    fn read(&self, name: &OutputName, blob: &Blob) -> Option<Vec<u8>>;
}

/// No claimed bytes are at hand.
#[derive(Clone, Copy, Debug)]
pub struct NoClaims;

impl Claimed for NoClaims {
    fn read(&self, _: &OutputName, _: &Blob) -> Option<Vec<u8>> {
        None
    }
}

/// Runs the receipt's task again and compares.
///
/// The guest finds a GPU exactly if it found one the first time, whatever this machine has; under any other profile
/// than the receipt's, nothing is run.
pub fn verify(
    checked: &CheckedReceipt,
    executor: &Executor,
    blobs: &dyn Blobs,
    claimed: &dyn Claimed,
) -> Verdict {
    let CheckedReceipt { receipt, job, manifest, .. } = checked;
    let gpu = receipt.profile.gpu.is_some();
    if gpu && job.gpu == GpuUse::Off {
        // The claim cannot be true: such a guest finds no GPU anywhere.
        return Verdict::Different(vec![Difference::Chunks]);
    }
    let class = gpu.then_some(job.gpu_class);
    if let Some(difference) = receipt.profile.difference(&executor.profile(class)) {
        return Verdict::Inconclusive(Inconclusive::Profile(difference));
    }
    let executed = match executor.execute(job, receipt.result.task, blobs, gpu, None) {
        Ok(executed) => executed,
        Err(error) => return Verdict::Inconclusive(Inconclusive::NotRun(describe(&error))),
    };
    let found = executed.result(receipt.result.job, receipt.result.task);
    if found == receipt.result {
        return Verdict::Same;
    }
    let differences = receipt.result.differences(&found).into_iter().map(|difference| match difference {
        ResultDifference::Outcome(a, b) => Difference::Outcome(a, b),
        ResultDifference::Gas(a, b) => Difference::Gas(a, b),
        ResultDifference::GpuGas(a, b) => Difference::GpuGas(a, b),
        ResultDifference::Chunks => Difference::Chunks,
        ResultDifference::Outputs => first_output_difference(manifest, &executed, claimed),
    });
    Verdict::Different(differences.collect())
}

fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

fn first_output_difference(
    manifest: &OutputManifest,
    executed: &Executed,
    claimed: &dyn Claimed,
) -> Difference {
    let found = executed.manifest();
    let files = |manifest: &OutputManifest| -> BTreeMap<String, Blob> {
        manifest.files.iter().map(|entry| (entry.path.clone(), entry.blob)).collect()
    };
    let (there, here) = (files(manifest), files(&found));
    let paths: BTreeSet<&String> = there.keys().chain(here.keys()).collect();
    let streams = [
        (OutputName::Stdout, Some(manifest.stdout), Some(found.stdout)),
        (OutputName::Stderr, Some(manifest.stderr), Some(found.stderr)),
    ];
    let files = paths
        .into_iter()
        .map(|path| (OutputName::File(path.clone()), there.get(path).copied(), here.get(path).copied()));
    for (name, there, here) in streams.into_iter().chain(files) {
        let how = match (there, here) {
            (Some(a), Some(b)) if a != b => content_difference(&name, &a, &b, executed, claimed),
            (Some(_), None) => OutputDifference::OnlyClaimed,
            (None, Some(_)) => OutputDifference::OnlyFound,
            _ => continue,
        };
        return Difference::Output { name, how };
    }
    Difference::Chunks
}

fn content_difference(
    name: &OutputName,
    claimed_blob: &Blob,
    found_blob: &Blob,
    executed: &Executed,
    claimed: &dyn Claimed,
) -> OutputDifference {
    let content = OutputDifference::Content { claimed: *claimed_blob, found: *found_blob };
    let (Some(there), Some(here)) = (claimed.read(name, claimed_blob), executed.output(name)) else {
        return content;
    };
    // Bytes that are not what the receipt names prove nothing.
    if Blob::of(&there) != *claimed_blob {
        return content;
    }
    let common = there.iter().zip(here).take_while(|(a, b)| a == b).count();
    OutputDifference::Byte {
        offset: common as u64,
        claimed: there.get(common).copied(),
        found: here.get(common).copied(),
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Outcome(claimed, found) => write!(f, "outcome: {claimed} claimed, {found} found"),
            Difference::Gas(claimed, found) => write!(f, "gas: {claimed} claimed, {found} found"),
            Difference::GpuGas(claimed, found) => write!(f, "GPU gas: {claimed} claimed, {found} found"),
            Difference::Chunks => f.write_str("the chain of chunks"),
            Difference::Output { name, how } => match how {
                OutputDifference::OnlyClaimed => write!(f, "{name}: claimed, but not found"),
                OutputDifference::OnlyFound => write!(f, "{name}: found, but not claimed"),
                OutputDifference::Byte { offset, claimed, found } => {
                    let show = |byte: &Option<u8>| match byte {
                        Some(byte) => format!("{byte:#04x}"),
                        None => "the end".to_owned(),
                    };
                    let (claimed, found) = (show(claimed), show(found));
                    write!(f, "{name}: from byte {offset} on ({claimed} claimed, {found} found)")
                }
                OutputDifference::Content { claimed, found } => write!(
                    f,
                    "{name}: {} bytes with hash {} claimed, {} bytes with hash {} found",
                    claimed.size,
                    claimed.content.short(),
                    found.size,
                    found.content.short()
                ),
            },
        }
    }
}

impl fmt::Display for Inconclusive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Inconclusive::Profile(difference) => write!(f, "another profile ({difference})"),
            Inconclusive::NotRun(reason) => write!(f, "the task could not be run again ({reason})"),
        }
    }
}
