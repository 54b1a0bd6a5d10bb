//! The vectors in `tests/vectors/receipt-files.json`: bytes of receipt files and what a verifier must say of them.
//! They are the interface for other verifiers. `FIZZ_BLESS=1` writes them anew after a deliberate change of format.

use crate::fixture::fixture;
use fizz_attest::*;
use serde::{Deserialize, Serialize};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/receipt-files.json");

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Vector {
    name: String,
    /// `ok RESULT_DIGEST`, or the error's text.
    verdict: String,
    hex: String,
}

fn verdict(bytes: &[u8]) -> String {
    let file = match ReceiptFile::from_canonical(bytes) {
        Ok(file) => file,
        Err(error) => return error.to_string(),
    };
    match file.check() {
        Ok(checked) => format!("ok {}", checked.receipt.result.digest()),
        Err(error) => error.to_string(),
    }
}

/// Every vector with the words its verdict must hold.
fn make() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let fixture = fixture();
    let file = fixture.file();
    let valid = file.to_canonical();
    let with = |change: &dyn Fn(&mut ReceiptFile)| {
        let mut changed = file.clone();
        change(&mut changed);
        changed.to_canonical()
    };
    let find = |part: &[u8]| {
        valid.windows(part.len()).position(|window| window == part).expect("part of the vector")
    };

    // `v: 1` of the receipt file's job as the two-byte integer 18 01 instead of 01.
    let mut long_integer = file.job.clone();
    let at = long_integer.windows(3).position(|w| w == b"\x61v\x01").expect("version field") + 2;
    long_integer.splice(at..=at, [0x18, 0x01]);
    // The same envelope, its first two map entries swapped.
    let mut unsorted = valid.clone();
    let (job_at, lease_at) = (find(b"\x63job"), find(b"\x65lease"));
    let job_entry: Vec<u8> = unsorted.drain(job_at..lease_at).collect();
    unsorted.extend(job_entry);

    vec![
        ("valid", "ok ", valid.clone()),
        ("trailing byte", "", [valid.as_slice(), &[0]].concat()),
        ("truncated", "", valid[..valid.len() - 1].to_vec()),
        ("empty", "", vec![]),
        ("unsorted map", "", unsorted),
        ("long integer in the job", "job", with(&|f| f.job = long_integer.clone())),
        ("flipped bit in the receipt", "does not verify", with(&|f| f.receipt.payload[200] ^= 1)),
        ("flipped bit in the signature", "does not verify", with(&|f| f.receipt.signatures[0].sig[10] ^= 1)),
        ("high s in the signature", "does not verify", with(&|f| f.receipt.signatures[0].sig[63] |= 0xe0)),
        ("flipped bit in the lease", "lease", with(&|f| f.lease.payload[100] ^= 1)),
        ("flipped bit in the manifest", "", with(&|f| *f.manifest.last_mut().expect("bytes") ^= 1)),
        ("receipt signed by another key", "signed by key", {
            let other = SecretKey::from_bytes(&[5; 32]);
            with(&|f| f.receipt = Envelope::sign(&fixture.receipt, &other))
        }),
        ("lease signed by another key", "signed by key", {
            let other = SecretKey::from_bytes(&[5; 32]);
            with(&|f| f.lease = Envelope::sign(&fixture.lease, &other))
        }),
        ("wrong domain: a lease in the receipt's place", "holds", {
            with(&|f| f.receipt = Envelope::sign(&fixture.lease, &fixture.node))
        }),
        ("wrong domain: type renamed without signing", "does not verify", {
            let mut lease = Envelope::sign(&fixture.lease, &fixture.node);
            lease.payload_type = "application/vnd.fizz.receipt.v1+dag-cbor".into();
            with(&|f| f.receipt = lease.clone())
        }),
        ("wrong domain: signature over the bare payload", "does not verify", {
            let sig = fixture.node.sign(&file.receipt.payload).to_vec();
            with(&|f| f.receipt.signatures[0].sig = sig.clone())
        }),
        ("two signatures", "2 signatures", {
            with(&|f| f.receipt.signatures.push(file.receipt.signatures[0].clone()))
        }),
        ("result of another job", "job digest differs", {
            let mut receipt = fixture.receipt.clone();
            receipt.result.job = Digest([8; 32]);
            with(&|f| f.receipt = Envelope::sign(&receipt, &fixture.node))
        }),
        ("profile that the result does not name", "profile digest differs", {
            let mut receipt = fixture.receipt.clone();
            receipt.profile.wasi = 9;
            with(&|f| f.receipt = Envelope::sign(&receipt, &fixture.node))
        }),
        ("task that is not in the lease", "task differs", {
            let mut receipt = fixture.receipt.clone();
            receipt.result.task = 2;
            with(&|f| f.receipt = Envelope::sign(&receipt, &fixture.node))
        }),
        ("output path that leaves the folder", "cannot be an output path", {
            let mut manifest = fixture.manifest.clone();
            manifest.files[0].path = "../tile.ppm".into();
            with(&|f| f.manifest = manifest.to_canonical())
        }),
    ]
}

#[test]
fn verdicts_are_as_recorded() {
    let made: Vec<Vector> = make()
        .into_iter()
        .map(|(name, words, bytes)| {
            let verdict = verdict(&bytes);
            assert!(verdict.contains(words), "{name}: `{verdict}` lacks `{words}`");
            assert_eq!(name == "valid", verdict.starts_with("ok "), "{name}: {verdict}");
            Vector { name: name.into(), verdict, hex: hex::encode(bytes) }
        })
        .collect();
    if std::env::var_os("FIZZ_BLESS").is_some() {
        std::fs::write(PATH, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
    }
    let recorded: Vec<Vector> = serde_json::from_str(&std::fs::read_to_string(PATH).unwrap()).unwrap();
    assert_eq!(made, recorded);
    for vector in &recorded {
        assert_eq!(verdict(&hex::decode(&vector.hex).unwrap()), vector.verdict, "{}", vector.name);
    }
}

/// No single flipped bit of a valid file may pass.
#[test]
fn every_flipped_bit_is_refused() {
    let file = fixture().file();
    let valid = file.to_canonical();
    for bit in 0..valid.len() * 8 {
        let mut bytes = valid.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(!verdict(&bytes).starts_with("ok "), "bit {bit} can be flipped unnoticed");
    }
}
