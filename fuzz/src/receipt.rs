//! Everything signed: receipt files, envelopes, receipts, leases, manifests, in canonical bytes and in JSON.

use std::fmt::Debug;
use std::sync::LazyLock;

use fizz_attest::{
    Canonical, Digest, Envelope, Job, Lease, OutputManifest, Profile, Receipt, ReceiptError, ReceiptFile,
    SecretKey, TaskResult,
};

use crate::memory;

/// - Whatever the bytes, no decoder panics or takes much more memory than there are bytes.
/// - What decodes encodes to the same bytes.
/// - A receipt file that verifies is the one whose signing keys exist: nobody can make or change one without them.
/// - Papers signed anew by their rightful keys verify exactly if they hold together, and then no longer when any
///   byte of the file is changed.
pub fn receipt(data: &[u8]) {
    for decode in [
        canonical::<ReceiptFile>,
        canonical::<Envelope>,
        canonical::<Receipt>,
        canonical::<Lease>,
        canonical::<OutputManifest>,
        canonical::<Profile>,
        canonical::<TaskResult>,
    ] {
        decode(data);
    }
    if let Ok(manifest) = OutputManifest::decode(data) {
        manifest.root();
        assert_eq!(manifest.blobs().count(), manifest.files.len() + 2);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        json(text);
    }
    if let Ok(envelope) = Envelope::from_canonical(data) {
        open(&envelope);
        from_json_of(&envelope);
    }
    if let Ok(file) = ReceiptFile::from_canonical(data) {
        open(&file.lease);
        open(&file.receipt);
        if memory::within(memory::for_input(data.len()), || file.check()).is_ok() {
            assert_eq!(data, VALID.as_slice(), "a receipt file that nobody signed verifies");
        }
    }
    if let Some(papers) = Papers::from(data) {
        papers.sign_and_check(data);
    }
}

/// The valid file of the vectors, signed with the keys of [`Papers`].
static VALID: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let vectors = include_str!("../../attest/tests/vectors/receipt-files.json");
    let vectors: serde_json::Value = serde_json::from_str(vectors).expect("the vectors are JSON");
    let valid = vectors.as_array().into_iter().flatten().find(|vector| vector["name"] == "valid");
    let digits = valid.and_then(|vector| vector["hex"].as_str()).expect("a valid vector");
    hex::decode(digits).expect("hex digits")
});

fn canonical<T: Canonical + Debug + PartialEq>(data: &[u8]) {
    let decoded = memory::within(memory::for_input(data.len()), || T::from_canonical(data));
    if let Ok(value) = decoded {
        assert_eq!(value.to_canonical(), data, "two encodings of one {}", T::TYPE);
        let _ = format!("{value:?}");
    }
}

/// No envelope of the fuzzer's can be open to another key than one whose secret is public here.
fn open(envelope: &Envelope) {
    let keys = [requester().public(), node().public()];
    let signers = [
        envelope.open_any::<Receipt>().map(|(_, key)| key),
        envelope.open_any::<Lease>().map(|(_, key)| key),
        envelope.open_any::<OutputManifest>().map(|(_, key)| key),
    ];
    for signer in signers.into_iter().flatten() {
        assert!(keys.contains(&signer), "{signer} signed nothing");
        assert!(envelope.signatures.len() == 1);
    }
}

fn json(text: &str) {
    let Ok(envelope) = memory::within(memory::for_input(text.len()), || Envelope::from_json(text)) else {
        return;
    };
    let again = Envelope::from_json(&envelope.to_json().to_string());
    assert_eq!(again.as_ref(), Ok(&envelope), "JSON does not keep an envelope");
    canonical::<Envelope>(&envelope.to_canonical());
    open(&envelope);
}

/// JSON keeps every envelope whose keys are keys: canonical bytes hold any 32 bytes, and `open` refuses the others.
fn from_json_of(envelope: &Envelope) {
    let keys_are_points =
        envelope.signatures.iter().all(|s| s.keyid.to_string().parse::<fizz_attest::PublicKey>().is_ok());
    let again = Envelope::from_json(&envelope.to_json().to_string());
    assert_eq!(again.ok(), keys_are_points.then(|| envelope.clone()));
}

fn requester() -> SecretKey {
    SecretKey::from_bytes(&[1; 32])
}

fn node() -> SecretKey {
    SecretKey::from_bytes(&[2; 32])
}

/// The parts of a receipt file before they are signed.
struct Papers {
    job: Vec<u8>,
    manifest: Vec<u8>,
    lease: Lease,
    receipt: Receipt,
}

impl Papers {
    /// The papers of a receipt file, or those of the valid one with one of them replaced.
    fn from(data: &[u8]) -> Option<Papers> {
        if let Ok(file) = ReceiptFile::from_canonical(data) {
            return Papers::of(&file);
        }
        // Decoding the valid file for every input would take most of the time.
        let valid = || Papers::of(&ReceiptFile::from_canonical(&VALID).ok()?);
        if let Ok(lease) = Lease::from_canonical(data) {
            return Some(Papers { lease, ..valid()? });
        }
        if let Ok(receipt) = Receipt::from_canonical(data) {
            return Some(Papers { receipt, ..valid()? });
        }
        if OutputManifest::from_canonical(data).is_ok() {
            return Some(Papers { manifest: data.to_vec(), ..valid()? });
        }
        Job::from_canonical(data).ok()?;
        Some(Papers { job: data.to_vec(), ..valid()? })
    }

    fn of(file: &ReceiptFile) -> Option<Papers> {
        let lease = Lease::from_canonical(&file.lease.payload).ok()?;
        let receipt = Receipt::from_canonical(&file.receipt.payload).ok()?;
        Some(Papers { job: file.job.clone(), manifest: file.manifest.clone(), lease, receipt })
    }

    /// Makes every digest name its paper, signs, and compares the verdict with one found without signatures.
    fn sign_and_check(mut self, data: &[u8]) {
        let (lease, receipt) = (&mut self.lease, &mut self.receipt);
        (lease.requester, lease.node, receipt.node) =
            (requester().public(), node().public(), node().public());
        let (job, manifest) = (Job::decode(&self.job), OutputManifest::decode(&self.manifest));
        if let Ok(job) = &job {
            (lease.job, receipt.result.job) = (job.digest(), job.digest());
        }
        if let Ok(manifest) = &manifest {
            (receipt.result.outputs, receipt.manifest_sha256) = (manifest.root(), manifest.sha256());
        }
        receipt.lease = lease.digest();
        receipt.result.profile = receipt.profile.digest();

        let file = ReceiptFile {
            receipt: Envelope::sign(receipt, &node()),
            lease: Envelope::sign(lease, &requester()),
            job: self.job,
            manifest: self.manifest,
        };
        let verdict = file.check();
        let (job, manifest) = match (job, manifest) {
            (Err(error), _) => return assert_eq!(verdict, Err(ReceiptError::Job(error))),
            (_, Err(error)) => return assert_eq!(verdict, Err(ReceiptError::Manifest(error))),
            (Ok(job), Ok(manifest)) => (job, manifest),
        };
        let result = &receipt.result;
        let holds = [receipt.v, result.v, lease.v] == [1, 1, 1]
            && lease.tasks.contains(&result.task)
            && u64::from(result.task) < job.tasks.len() as u64
            && result.gas <= job.limits.gas
            && result.gpu_gas <= job.limits.gpu.gas;
        assert_eq!(verdict.is_ok(), holds, "{verdict:?}");
        let Ok(checked) = verdict else { return };
        assert_eq!((&checked.receipt, &checked.lease), (&*receipt, &*lease));
        assert_eq!((checked.job, checked.manifest), (job, manifest));
        changed_files_fail(&file.to_canonical(), data);
    }
}

/// Changes one byte, chosen by the input.
fn changed_files_fail(valid: &[u8], data: &[u8]) {
    let choice = Digest::of_content(data).0;
    let at = u64::from_le_bytes(std::array::from_fn(|i| choice[i])) % valid.len() as u64;
    let mut changed = valid.to_vec();
    changed[at as usize] ^= choice[8].max(1);
    let passes = ReceiptFile::from_canonical(&changed).is_ok_and(|file| file.check().is_ok());
    assert!(!passes, "byte {at} of a receipt file can be changed");
}
