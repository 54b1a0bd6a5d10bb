//! Leases: the paper under which a node works. This is the direct form, between a requester and a node.

use serde::{Deserialize, Serialize};

use crate::canonical::Canonical;
use crate::digest::{Digest, Domain};
use crate::key::PublicKey;

/// A batch of a job's tasks, handed to one node. The requester signs it, receipts name its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// Format version, 1.
    pub v: u32,
    /// The network it is made in; `direct` between two parties that know each other.
    pub network: String,
    /// Who wants the work, and signs this.
    pub requester: PublicKey,
    /// Who does the work, and signs the receipts.
    pub node: PublicKey,
    /// Digest of the job.
    pub job: Digest,
    /// Indices of the job's tasks, rising.
    pub tasks: Vec<u32>,
    /// Gas after which a chunk ends; 0 where each task is one chunk.
    pub chunk_gas: u64,
    /// How the work will be checked.
    pub policy: Policy,
    /// Price of the whole lease in base units of the network; 0 in `direct`.
    pub price: u64,
    /// Digest ([`Domain::Challenge`]) of the secret from which the tasks to re-run are chosen. The secret is used
    /// only after the node has committed.
    pub challenge: Digest,
    /// Seconds since 1970 after which the node need not start a task.
    pub expires: u64,
    /// Seconds for which the node keeps outputs and states after its receipt.
    pub keep_seconds: u64,
    /// Bytes of the largest opening the node must answer with.
    pub opening_bytes: u64,
}

/// How the requester checks the work of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Not at all.
    Trust,
    /// This many tasks of the lease, chosen after all commitments, are run again.
    Sample(u32),
}

impl Lease {
    /// The digest that receipts name.
    pub fn digest(&self) -> Digest {
        Digest::of(Domain::Lease, &self.to_canonical())
    }
}

/// Chooses `count` of the committed tasks of one node to run again.
///
/// The choice follows from the secrets of the leases and from all the committed results, so that neither side can
/// steer it alone. `committed` holds, for each lease with its secret, the tasks and result digests of its receipts.
pub fn choose_sample(committed: &[CommittedLease<'_>], count: usize) -> Vec<u32> {
    let mut seed = blake3::Hasher::new_derive_key(Domain::Sample.context());
    let mut left = Vec::new();
    for CommittedLease { lease, secret, results } in committed {
        seed.update(&lease.digest().0).update(*secret).update(&(results.len() as u64).to_le_bytes());
        for (task, digest) in *results {
            seed.update(&task.to_le_bytes()).update(&digest.0);
            left.push(*task);
        }
    }
    let mut stream = seed.finalize_xof();
    let mut chosen = Vec::new();
    while chosen.len() < count && !left.is_empty() {
        let mut bytes = [0; 16];
        stream.fill(&mut bytes);
        // 128 bits over at most 2^32 candidates: the bias is below 2^-96.
        let index = (u128::from_le_bytes(bytes) % left.len() as u128) as usize;
        chosen.push(left.swap_remove(index));
    }
    chosen.sort_unstable();
    chosen
}

/// A lease, its challenge secret, and what its node committed to: `(task, result digest)`.
#[derive(Clone, Copy, Debug)]
pub struct CommittedLease<'a> {
    /// The lease.
    pub lease: &'a Lease,
    /// The secret whose digest stands in it.
    pub secret: &'a [u8; 32],
    /// The results of its receipts.
    pub results: &'a [(u32, Digest)],
}

impl Canonical for Lease {
    const TYPE: &'static str = "lease";
    const MAX_BYTES: usize = 1 << 20;
}
