//! What work a node takes: a decision on bytes, without clock or I/O.

use fizz_attest::{Blob, Canonical, Envelope, GpuClass, GpuUse, Job, Lease, PublicKey};
use fizz_wire::message::MAX_MISSING;
use fizz_wire::{Refusal, RefusalCode};

/// The longest that a requester may have its outputs kept, in seconds.
const MAX_KEEP_SECONDS: u64 = 30 * 24 * 3600;

// What a worker keeps in its own memory for a guest, beside linear memory, inputs and outputs.
const MAX_FILES: u64 = 1 << 20;
const MAX_DESCRIPTORS: u64 = 1 << 16;
const MAX_TABLE_ELEMENTS: u64 = 16 << 20;
const MAX_GPU_OBJECTS: u64 = 1 << 16;
const MAX_GPU_SHADERS: u64 = 1 << 14;
const MAX_GPU_SHADER_BYTES: u64 = 16 << 20;
const MAX_GPU_STREAM_BYTES: u64 = 256 << 20;

/// What a node takes at most.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The node's key, for which leases must be made.
    pub node: PublicKey,
    /// The network of the leases.
    pub network: String,
    /// Gas of one task.
    pub max_gas: u64,
    /// Linear memory of one task, in bytes. Its inputs, and its outputs, are held in memory too, and may each be as
    /// large. Whether the module has steps, and so needs twice its memory, is seen when a worker has it.
    pub max_memory_bytes: u64,
    /// Bytes of blobs in the store.
    pub max_store_bytes: u64,
    /// Bytes of a module.
    pub max_module_bytes: u64,
    /// The classes of jobs for which there is a GPU that a driver has.
    pub hardware: Vec<GpuClass>,
    /// GPU memory of one task, in bytes.
    pub max_gpu_bytes: u64,
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
    /// Decides on an offer of `peer` at `now` (seconds since 1970), with `stored` bytes in the store; `has` says which
    /// of the peer's blobs are among them.
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
        has: impl Fn(&Blob) -> bool,
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
        if lease.chunk_gas != 0 || lease.price != 0 {
            let text = "this node works for no price, and in one chunk a task";
            return Err(refuse(RefusalCode::Unsupported, &text));
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
        self.check_limits(&job)?;
        self.check_blobs(&lease, &job, stored, has)?;
        if job.gpu == GpuUse::Hardware && !self.hardware.contains(&job.gpu_class) {
            return Err(refuse(
                RefusalCode::NoGpu,
                &"the job wants a GPU and this node has none of its class",
            ));
        }
        Ok(Admitted { lease, envelope, job, keep_until })
    }

    fn check_limits(&self, job: &Job) -> Result<(), Refusal> {
        let limits = &job.limits;
        let max_output_bytes = self.max_store_bytes.min(self.max_memory_bytes);
        let cpu = [
            ("gas", limits.gas, self.max_gas),
            ("memory bytes", limits.memory_bytes, self.max_memory_bytes),
            ("output bytes", limits.output_bytes, max_output_bytes),
            ("files", limits.files, MAX_FILES),
            ("descriptors", limits.descriptors, MAX_DESCRIPTORS),
            ("table elements", limits.table_elements, MAX_TABLE_ELEMENTS),
        ];
        let gpu = [
            ("bytes of GPU memory", limits.gpu.bytes, self.max_gpu_bytes),
            ("GPU objects", limits.gpu.objects.into(), MAX_GPU_OBJECTS),
            ("GPU shaders", limits.gpu.shaders.into(), MAX_GPU_SHADERS),
            ("bytes of a GPU shader", limits.gpu.shader_bytes.into(), MAX_GPU_SHADER_BYTES),
            ("bytes of a GPU command stream", limits.gpu.stream_bytes.into(), MAX_GPU_STREAM_BYTES),
        ];
        let gpu = gpu.into_iter().filter(|_| job.gpu != GpuUse::Off);
        for (what, wanted, most) in cpu.into_iter().chain(gpu) {
            if wanted > most {
                let text = format!("the job's limit of {wanted} {what} is over this node's {most}");
                return Err(refuse(RefusalCode::TooLarge, &text));
            }
        }
        Ok(())
    }

    fn check_blobs(
        &self,
        lease: &Lease,
        job: &Job,
        stored: u64,
        has: impl Fn(&Blob) -> bool,
    ) -> Result<(), Refusal> {
        let too_large = |text: String| Err(refuse(RefusalCode::TooLarge, &text));
        let module = job.module.blob.size;
        if module > self.max_module_bytes {
            return too_large(format!(
                "the module's {module} bytes are over this node's {}",
                self.max_module_bytes
            ));
        }
        for task in &lease.tasks {
            let stdin = job.tasks.get(*task as usize).and_then(|task| task.stdin);
            let blobs = job.task_inputs(*task).map(|input| input.blob).chain(stdin);
            let bytes = sum(blobs.chain([job.module.blob]));
            if bytes > self.max_memory_bytes {
                let most = self.max_memory_bytes;
                return too_large(format!(
                    "the {bytes} bytes of inputs of task {task} are over this node's {most}"
                ));
            }
        }
        let blobs = job.blobs(lease.tasks.iter().copied());
        if blobs.len() > MAX_MISSING {
            return too_large(format!("{} inputs are over this node's {MAX_MISSING}", blobs.len()));
        }
        if sum(blobs.iter().copied()) > self.max_store_bytes {
            return too_large("the inputs do not fit into this node's store".to_owned());
        }
        let missing = sum(blobs.into_iter().filter(|blob| !has(blob)));
        if stored.saturating_add(missing) > self.max_store_bytes {
            return Err(refuse(RefusalCode::Busy, &"this node's store has no room for the inputs now"));
        }
        Ok(())
    }
}

fn sum(blobs: impl Iterator<Item = Blob>) -> u64 {
    blobs.fold(0, |sum, blob| sum.saturating_add(blob.size))
}

fn refuse(code: RefusalCode, message: &dyn std::fmt::Display) -> Refusal {
    Refusal::new(code, &message.to_string())
}

#[cfg(test)]
mod tests {
    use fizz_attest::{Artifact, CanonicalError, Digest, InputFile, Limits, Policy, SecretKey, Task};

    use super::*;

    const NOW: u64 = 1_000_000;

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_bytes(&[seed; 32])
    }

    fn admission() -> Admission {
        Admission {
            node: key(2).public(),
            network: "direct".into(),
            max_gas: 1_000,
            max_memory_bytes: 1 << 20,
            max_store_bytes: 2 << 20,
            max_module_bytes: 1 << 20,
            hardware: Vec::new(),
            max_gpu_bytes: 1 << 30,
        }
    }

    /// An offer, and who makes it.
    struct Offer {
        lease: Lease,
        job: Job,
        /// Whether the lease names the job as it is.
        fits: bool,
        signer: SecretKey,
        peer: PublicKey,
    }

    fn offer() -> Offer {
        let input = |bytes: &[u8]| InputFile { path: "/in".into(), blob: Blob::of(bytes) };
        let job = Job {
            limits: Limits { gas: 1_000, memory_bytes: 1 << 20, output_bytes: 1 << 20, ..Limits::default() },
            tasks: vec![Task { inputs: vec![input(b"a")], ..Task::default() }; 3],
            ..Job::new("test", Artifact::of(b"module"))
        };
        let lease = Lease {
            v: 1,
            network: "direct".into(),
            requester: key(1).public(),
            node: key(2).public(),
            job: Digest::default(),
            tasks: vec![0, 2],
            chunk_gas: 0,
            policy: Policy::Sample(1),
            price: 0,
            challenge: Digest::default(),
            expires: NOW + 1,
            keep_seconds: MAX_KEEP_SECONDS - 1,
            opening_bytes: 0,
        };
        Offer { lease, job, fits: true, signer: key(1), peer: key(1).public() }
    }

    fn decide_with(
        admission: &Admission,
        stored: u64,
        change: impl Fn(&mut Offer),
    ) -> Result<Admitted, Refusal> {
        let mut offer = offer();
        change(&mut offer);
        if offer.fits {
            offer.lease.job = offer.job.digest();
        }
        let envelope = Envelope::sign(&offer.lease, &offer.signer).to_canonical();
        let has = |blob: &Blob| *blob == Blob::of(b"here");
        admission.admit(offer.peer, &envelope, &offer.job.to_canonical(), NOW, stored, has)
    }

    /// The code with which an offer with this one change is refused.
    fn refused(change: impl Fn(&mut Offer)) -> RefusalCode {
        decide_with(&admission(), 0, change).unwrap_err().code
    }

    #[test]
    fn an_offer_at_all_limits_is_taken() {
        let admitted = decide_with(&admission(), 0, |_| {}).unwrap();
        assert_eq!(admitted.lease.tasks, [0, 2]);
        assert_eq!(admitted.keep_until, NOW + MAX_KEEP_SECONDS);
    }

    #[test]
    fn leases_must_be_between_these_two_and_in_order() {
        use RefusalCode::{BadLease, Expired, TooLarge, Unsupported};
        assert_eq!(refused(|offer| offer.signer = key(3)), BadLease);
        assert_eq!(refused(|offer| offer.peer = key(3).public()), BadLease);
        assert_eq!(refused(|offer| offer.lease.requester = key(3).public()), BadLease);
        assert_eq!(refused(|offer| offer.lease.node = key(3).public()), BadLease);
        assert_eq!(refused(|offer| offer.lease.v = 2), BadLease);
        assert_eq!(refused(|offer| offer.lease.network = "other".into()), BadLease);
        assert_eq!(refused(|offer| offer.lease.tasks = vec![]), BadLease);
        assert_eq!(refused(|offer| offer.lease.tasks = vec![2, 0]), BadLease);
        assert_eq!(refused(|offer| offer.lease.tasks = vec![1, 1]), BadLease);
        assert_eq!(refused(|offer| offer.lease.tasks = vec![3]), BadLease);
        assert_eq!(refused(|offer| offer.lease.chunk_gas = 1), Unsupported);
        assert_eq!(refused(|offer| offer.lease.price = 1), Unsupported);
        assert_eq!(refused(|offer| offer.lease.expires = NOW), Expired);
        assert_eq!(refused(|offer| offer.lease.keep_seconds += 1), TooLarge);
        assert_eq!(refused(|offer| offer.lease.keep_seconds = u64::MAX), TooLarge);
        assert_eq!(refused(|offer| offer.lease.expires = u64::MAX), TooLarge);
    }

    #[test]
    fn jobs_must_be_the_ones_of_their_leases_and_within_limits() {
        use RefusalCode::{BadJob, NoGpu, TooLarge};
        assert_eq!(refused(|offer| offer.fits = false), BadJob);
        assert_eq!(refused(|offer| offer.job.v = 2), BadJob);
        assert_eq!(refused(|offer| offer.job.out = "out".into()), BadJob);
        assert_eq!(refused(|offer| offer.job.limits.gas += 1), TooLarge);
        assert_eq!(refused(|offer| offer.job.limits.memory_bytes += 1), TooLarge);
        assert_eq!(refused(|offer| offer.job.limits.output_bytes += 1), TooLarge);
        assert_eq!(refused(|offer| offer.job.limits.files = MAX_FILES + 1), TooLarge);
        assert_eq!(refused(|offer| offer.job.limits.descriptors = MAX_DESCRIPTORS + 1), TooLarge);
        assert_eq!(refused(|offer| offer.job.limits.table_elements = u64::MAX), TooLarge);
        assert_eq!(refused(|offer| offer.job.gpu = GpuUse::Hardware), NoGpu);
    }

    #[test]
    fn limits_of_the_gpu_count_where_it_is_used() {
        let much = |offer: &mut Offer| offer.job.limits.gpu.bytes = (1 << 30) + 1;
        assert!(decide_with(&admission(), 0, much).is_ok());
        let used = |offer: &mut Offer| {
            much(offer);
            offer.job.gpu = GpuUse::Auto;
        };
        assert_eq!(refused(used), RefusalCode::TooLarge);
        let with_gpu = Admission { hardware: vec![GpuClass::Fast], ..admission() };
        let wants = |class| {
            decide_with(&with_gpu, 0, |offer: &mut Offer| {
                (offer.job.gpu, offer.job.gpu_class) = (GpuUse::Hardware, class);
            })
        };
        assert!(wants(GpuClass::Fast).is_ok());
        assert!(wants(GpuClass::Exact).is_err());
    }

    #[test]
    fn inputs_must_fit() {
        use RefusalCode::{Busy, TooLarge};
        let of_size = |size| Blob { content: Digest([7; 32]), size };
        let sized = |task: usize, size: u64| {
            move |offer: &mut Offer| offer.job.tasks[task].inputs[0].blob = of_size(size)
        };
        let most = (1 << 20) - b"module".len() as u64;
        assert!(decide_with(&admission(), 0, sized(0, most)).is_ok());
        assert_eq!(refused(sized(0, most + 1)), TooLarge);
        assert_eq!(refused(sized(0, u64::MAX)), TooLarge);
        assert_eq!(refused(|offer| offer.job.tasks[0].stdin = Some(of_size(most))), TooLarge);
        assert_eq!(refused(|offer| offer.job.module.blob.size = u64::MAX), TooLarge);
        // A node may take smaller modules only.
        let small = Admission { max_module_bytes: b"module".len() as u64, ..admission() };
        assert!(decide_with(&small, 0, |_| {}).is_ok());
        let smaller = Admission { max_module_bytes: b"module".len() as u64 - 1, ..admission() };
        let refusal = decide_with(&smaller, 0, |_| {}).unwrap_err();
        assert_eq!(refusal.code, TooLarge);
        assert!(refusal.message.contains("the module's 6 bytes"), "{}", refusal.message);
        // Of a task that is not leased, nothing is needed.
        assert!(decide_with(&admission(), 0, sized(1, u64::MAX)).is_ok());
        // Each task fits, all together do not.
        let three = |offer: &mut Offer| {
            offer.lease.tasks = vec![0, 1, 2];
            for (index, task) in offer.job.tasks.iter_mut().enumerate() {
                task.inputs[0].blob = Blob { content: Digest([index as u8; 32]), size: 900 << 10 };
            }
        };
        assert_eq!(refused(three), TooLarge);
        // What is here already takes no room again.
        let busy = decide_with(&admission(), 2 << 20, |_| {}).unwrap_err();
        assert_eq!(busy.code, Busy);
        let here = |offer: &mut Offer| {
            offer.job.module = Artifact::of(b"here");
            offer.job.tasks.iter_mut().for_each(|task| task.inputs.clear());
        };
        assert!(decide_with(&admission(), 2 << 20, here).is_ok());
    }

    #[test]
    fn bytes_that_are_no_papers_are_refused() {
        let (lease, job) = (offer().lease, offer().job.to_canonical());
        let envelope = Envelope::sign(&lease, &key(1)).to_canonical();
        let decide = |lease: &[u8], job: &[u8]| {
            admission().admit(key(1).public(), lease, job, NOW, 0, |_| false).unwrap_err()
        };
        assert_eq!(decide(b"", &job).code, RefusalCode::BadLease);
        assert_eq!(decide(&[&envelope[..], &[0]].concat(), &job).code, RefusalCode::BadLease);
        assert_eq!(decide(&envelope, b"").code, RefusalCode::BadJob);
        let long = decide(&envelope, &vec![0; Job::MAX_BYTES + 1]);
        assert_eq!(long.code, RefusalCode::BadJob);
        let limit = CanonicalError::TooLarge { kind: "job", size: Job::MAX_BYTES + 1, limit: Job::MAX_BYTES };
        assert_eq!(long.message, limit.to_string());
    }
}
