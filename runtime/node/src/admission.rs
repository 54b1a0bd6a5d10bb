//! What work a node takes: a decision on bytes, without clock or I/O.

use fizz_attest::{Canonical, Envelope, GpuUse, Job, Lease, PublicKey};
use fizz_wire::{Refusal, RefusalCode};

/// The longest that a requester may have its outputs kept, in seconds.
const MAX_KEEP_SECONDS: u64 = 30 * 24 * 3600;

/// What a node takes at most.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The node's key, for which leases must be made.
    pub node: PublicKey,
    /// The network of the leases.
    pub network: String,
    /// Gas of one task.
    pub max_gas: u64,
    /// Linear memory of one task, in bytes.
    pub max_memory_bytes: u64,
    /// Bytes of one task's outputs.
    pub max_output_bytes: u64,
    /// Bytes of blobs in the store.
    pub max_store_bytes: u64,
    /// Whether there is a GPU.
    pub gpu: bool,
}

/// An offer that was taken.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The lease.
    pub lease: Lease,
    /// Its envelope.
    pub envelope: Envelope,
    /// Its job.
    pub job: Job,
    /// When the lease's data may go, in seconds since 1970.
    pub keep_until: u64,
}

impl Admission {
    /// Decides on an offer of `peer` at `now` (seconds since 1970), with `stored` bytes in the store.
    ///
    /// # Errors
    /// A refusal that names what is wrong.
    pub fn admit(
        &self,
        peer: PublicKey,
        lease: &[u8],
        job: &[u8],
        now: u64,
        stored: u64,
    ) -> Result<Admitted, Refusal> {
        let bad_lease = |error: &dyn std::fmt::Display| refuse(RefusalCode::BadLease, error);
        let envelope = Envelope::from_canonical(lease).map_err(|error| bad_lease(&error))?;
        let lease: Lease = envelope.open(&peer).map_err(|error| bad_lease(&error))?;
        let job_bytes = job;
        let job = Job::decode(job_bytes).map_err(|error| refuse(RefusalCode::BadJob, &error))?;
        if lease.v != 1 {
            return Err(bad_lease(&format_args!("lease format version {} is not known", lease.v)));
        }
        if lease.requester != peer || lease.node != self.node {
            return Err(bad_lease(&"the lease is between others"));
        }
        if lease.network != self.network {
            return Err(bad_lease(&format_args!("this node works in the network `{}`", self.network)));
        }
        if lease.job != job.digest() {
            return Err(refuse(RefusalCode::BadJob, &"the lease is for another job"));
        }
        let rising = lease.tasks.windows(2).all(|pair| pair[0] < pair[1]);
        if lease.tasks.is_empty()
            || !rising
            || lease.tasks.iter().any(|task| *task as usize >= job.tasks.len())
        {
            return Err(bad_lease(&"the tasks of a lease are rising indices of the job's tasks"));
        }
        if lease.expires <= now {
            return Err(refuse(RefusalCode::Expired, &"the lease is over; is the requester's clock right?"));
        }
        let keep_until = lease.expires.checked_add(lease.keep_seconds);
        let Some(keep_until) = keep_until.filter(|until| *until <= now.saturating_add(MAX_KEEP_SECONDS))
        else {
            return Err(refuse(RefusalCode::TooLarge, &"this node keeps nothing for more than 30 days"));
        };
        self.check_limits(&lease, &job, stored)?;
        if job.gpu == GpuUse::Hardware && !self.gpu {
            return Err(refuse(RefusalCode::NoGpu, &"the job wants a GPU and this node has none"));
        }
        Ok(Admitted { lease, envelope, job, keep_until })
    }

    fn check_limits(&self, lease: &Lease, job: &Job, stored: u64) -> Result<(), Refusal> {
        let limits = &job.limits;
        for (what, wanted, most) in [
            ("gas", limits.gas, self.max_gas),
            ("memory bytes", limits.memory_bytes, self.max_memory_bytes),
            ("output bytes", limits.output_bytes, self.max_output_bytes),
        ] {
            if wanted > most {
                let text = format!("the job's limit of {wanted} {what} is over this node's {most}");
                return Err(refuse(RefusalCode::TooLarge, &text));
            }
        }
        let blobs = job.blobs(lease.tasks.iter().copied());
        let bytes = blobs.iter().try_fold(stored, |sum, blob| sum.checked_add(blob.size));
        if bytes.is_none_or(|bytes| bytes > self.max_store_bytes) {
            return Err(refuse(RefusalCode::TooLarge, &"the inputs do not fit into this node's store"));
        }
        Ok(())
    }
}

fn refuse(code: RefusalCode, message: &dyn std::fmt::Display) -> Refusal {
    Refusal::new(code, &message.to_string())
}
