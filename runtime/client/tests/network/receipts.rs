//! What receipts of real runs are worth.

use std::collections::BTreeMap;
use std::sync::Arc;

use fizz_attest::{
    Blob, Canonical, CheckedReceipt, Envelope, LimitKind, Outcome, OutputManifest, ReceiptFile, SecretKey,
    Task, TaskResult, TrapKind,
};
use fizz_client::{Delivery, write_delivery};
use fizz_exec::{
    Blobs, Claimed, Difference, Executor, Inconclusive, NoClaims, OutputDifference, OutputName, Verdict,
    verify,
};

use crate::jobs::{address, ready};
use crate::support::job::{greetings, guest, job, key};
use crate::support::node::{config, serve};
use crate::support::worker::honest;

pub async fn guests_that_fail_give_valid_receipts() {
    let folder = tempfile::tempdir().unwrap();
    let node = serve(1, config(folder.path(), honest())).await;
    let huge =
        wat::parse_str(r#"(module (memory (export "memory") 2000) (func (export "_start")))"#).unwrap();
    let cases = [
        (guest("(call $exit (i32.const 3))"), Outcome::Completed { exit_code: 3 }),
        (guest("unreachable"), Outcome::Trapped { kind: TrapKind::Unreachable }),
        (
            guest("(drop (i32.div_u (i32.const 1) (i32.load (i32.const 0))))"),
            Outcome::Trapped { kind: TrapKind::IntegerDivisionByZero },
        ),
        (guest("(loop (br 0))"), Outcome::OutOfGas),
        (huge, Outcome::LimitExceeded { kind: LimitKind::Memory }),
    ];
    for (module, outcome) in cases {
        let mut job = job(&module);
        job.limits.gas = 100_000;
        let module: Arc<[u8]> = module.into();
        let (report, _folder) = ready(&job, &[module], vec![address(&node)]).run().await;
        let (_, delivery) = &report.deliveries[&0];
        let result = &delivery.checked.receipt.result;
        assert_eq!(result.outcome, outcome);
        assert_eq!(outcome == Outcome::OutOfGas, result.gas == 100_000, "{outcome}: {}", result.gas);
        assert_eq!(report.passed, [(0, 0)], "{outcome}");
    }
    node.stop().await;
}

pub async fn an_invalid_module_is_refused_by_every_node() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let nodes = [
        serve(1, config(folders[0].path(), honest())).await,
        serve(2, config(folders[1].path(), honest())).await,
    ];
    let whole = guest("");
    let cut: Arc<[u8]> = whole[..whole.len() - 3].into();
    let mut job = job(&cut);
    job.tasks = vec![Task::default(); 2];
    let (report, _folder) = ready(&job, &[cut], nodes.iter().map(address).collect()).run().await;
    assert_eq!((report.missing.as_slice(), report.deliveries.len()), ([0, 1].as_slice(), 0));
    for task in [0, 1] {
        for node in [0, 1] {
            let about = format!("task {task}: the module cannot be run: ");
            let told = |(by, reason): &(usize, String)| *by == node && reason.starts_with(&about);
            assert!(report.reasons.iter().any(told), "{task} {node}: {:?}", report.reasons);
        }
    }
    for node in nodes {
        node.stop().await;
    }
}

/// A delivered task, and what a verifier has.
struct Case {
    file: ReceiptFile,
    delivery: Delivery,
    blobs: BTreeMap<Blob, Vec<u8>>,
    executor: Executor,
    _folder: tempfile::TempDir,
}

impl Case {
    /// A task of `examples/hello`, which leaves a file, done by the node of key 1.
    async fn new() -> Case {
        let folder = tempfile::tempdir().unwrap();
        let node = serve(1, config(folder.path(), honest())).await;
        let (job, blobs) = greetings(2);
        let (report, folder) = ready(&job, &blobs, vec![address(&node)]).run().await;
        node.stop().await;
        let (_, delivery) = report.deliveries[&1].clone();
        let bytes = delivery.file.to_canonical();
        Case {
            file: ReceiptFile::from_canonical(&bytes).unwrap(),
            delivery,
            blobs: blobs.iter().map(|bytes| (Blob::of(bytes), bytes.to_vec())).collect(),
            executor: Executor::new(None).unwrap(),
            _folder: folder,
        }
    }

    /// The receipt with other contents, signed again by the node.
    fn changed(&self, change: impl FnOnce(&mut CheckedReceipt)) -> CheckedReceipt {
        let node: SecretKey = key(1);
        let mut checked = self.file.check().unwrap();
        change(&mut checked);
        let CheckedReceipt { receipt, manifest, .. } = &mut checked;
        let (old, profile) = (receipt.result.clone(), receipt.profile.clone());
        let (outcome, gas) = (old.outcome, old.gas);
        receipt.result =
            TaskResult::of_whole_task(old.job, old.task, outcome, manifest, gas, old.gpu_gas, &profile);
        receipt.manifest_sha256 = manifest.sha256();
        let file = ReceiptFile {
            receipt: Envelope::sign(receipt, &node),
            manifest: manifest.to_canonical(),
            ..self.file.clone()
        };
        file.check().unwrap()
    }

    fn verify(&self, checked: &CheckedReceipt, claimed: &dyn Claimed) -> Verdict {
        verify(checked, &self.executor, &self.blobs as &dyn Blobs, claimed)
    }
}

pub async fn a_receipt_of_the_run_verifies() {
    let case = Case::new().await;
    let checked = case.file.check().unwrap();
    assert_eq!(checked, case.delivery.checked.to_receipt());
    assert_eq!(case.verify(&checked, &NoClaims), Verdict::Same);
    let out = tempfile::tempdir().unwrap();
    write_delivery(&case.delivery, out.path()).unwrap();
    assert_eq!(std::fs::read(out.path().join("greeting.txt")).unwrap(), b"Hello, number 1!\n");
    let without = BTreeMap::<Blob, Vec<u8>>::new();
    let verdict = verify(&checked, &case.executor, &without, &NoClaims);
    assert!(matches!(verdict, Verdict::Inconclusive(Inconclusive::NotRun(_))), "{verdict:?}");
}

/// Claims that an output has these bytes.
struct Claim(Vec<u8>);

impl Claimed for Claim {
    fn read(&self, _: &OutputName, blob: &Blob) -> Option<Vec<u8>> {
        (Blob::of(&self.0) == *blob).then(|| self.0.clone())
    }
}

pub async fn a_changed_output_is_found_with_its_byte() {
    let case = Case::new().await;
    let claim = Claim(b"Hello, NUmber 1!\n".to_vec());
    let file = |manifest: &mut OutputManifest| manifest.files[0].blob = Blob::of(&claim.0);
    let checked = case.changed(|checked| file(&mut checked.manifest));
    let name = OutputName::File("greeting.txt".into());
    let how = OutputDifference::Byte { offset: 7, claimed: Some(b'N'), found: Some(b'n') };
    let difference = Difference::Output { name: name.clone(), how };
    assert_eq!(
        difference.to_string(),
        "output file `greeting.txt`: from byte 7 on (0x4e claimed, 0x6e found)"
    );
    assert_eq!(case.verify(&checked, &claim), Verdict::Different(vec![difference]));
    // Without the claimed bytes, the hashes tell the file.
    let found = Blob::of(b"Hello, number 1!\n");
    let how = OutputDifference::Content { claimed: Blob::of(&claim.0), found };
    assert_eq!(case.verify(&checked, &NoClaims), Verdict::Different(vec![Difference::Output { name, how }]));
    // One file too many, one too few, one shorter; and the gas.
    let extra = case.changed(|checked| {
        let mut more = checked.manifest.files[0].clone();
        more.path = "a".into();
        checked.manifest.files.insert(0, more);
    });
    let only = |path: &str, how| Difference::Output { name: OutputName::File(path.into()), how };
    let verdict = case.verify(&extra, &NoClaims);
    assert_eq!(verdict, Verdict::Different(vec![only("a", OutputDifference::OnlyClaimed)]));
    let fewer = case.changed(|checked| checked.manifest.files.clear());
    let verdict = case.verify(&fewer, &NoClaims);
    assert_eq!(verdict, Verdict::Different(vec![only("greeting.txt", OutputDifference::OnlyFound)]));
    let short = Claim(b"Hello, ".to_vec());
    let cut = case.changed(|checked| checked.manifest.stdout = Blob::of(&short.0));
    let how = OutputDifference::Byte { offset: 7, claimed: None, found: Some(b'n') };
    let difference = Difference::Output { name: OutputName::Stdout, how };
    assert_eq!(case.verify(&cut, &short), Verdict::Different(vec![difference]));
    let gas = case.file.check().unwrap().receipt.result.gas;
    let cheap = case.changed(|checked| checked.receipt.result.gas -= 1);
    assert_eq!(case.verify(&cheap, &NoClaims), Verdict::Different(vec![Difference::Gas(gas - 1, gas)]));
}

pub async fn another_profile_is_inconclusive_and_named() {
    let case = Case::new().await;
    let checked = case.changed(|checked| checked.receipt.profile.wasi += 1);
    let Verdict::Inconclusive(Inconclusive::Profile(difference)) = case.verify(&checked, &NoClaims) else {
        panic!("not inconclusive")
    };
    assert!(difference.starts_with("WASI layer: "), "{difference}");
}
