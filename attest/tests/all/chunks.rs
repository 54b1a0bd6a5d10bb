//! Chains of chunks: that they follow from the job to the result, and that nothing else passes.

use crate::fixture::fixture;
use fizz_attest::*;
use proptest::prelude::*;

/// Boundaries with rising gas, and the result of the fixture with them.
fn chained(steps: &[(u8, u16)]) -> (TaskResult, ChunkChain) {
    let mut gas = 0;
    let boundaries: Vec<Boundary> = steps
        .iter()
        .map(|(state, more)| {
            gas += u64::from(*more);
            Boundary { state: Digest([*state; 32]), gas, gpu_gas: gas / 7 }
        })
        .collect();
    let result = TaskResult { gas: gas + 5, gpu_gas: gas / 7, ..fixture().receipt.result };
    result.with_chunks(&boundaries).expect("rising gas")
}

proptest! {
    #[test]
    fn every_chain_checks_and_every_chunk_is_proven(steps in proptest::collection::vec(any::<(u8, u16)>(), 0..40)) {
        let (result, chain) = chained(&steps);
        prop_assert_eq!(chain.chunks.len(), steps.len() + 1);
        prop_assert_eq!(&ChunkChain::decode(&chain.to_canonical(), &result, 0).unwrap(), &chain);
        for index in 0..chain.chunks.len() as u32 {
            let proof = chain.prove(index).unwrap();
            prop_assert!(proof.holds(&result.chunks));
            prop_assert_eq!(&ChunkProof::from_canonical(&proof.to_canonical()).unwrap(), &proof);
            for change in 0..5 {
                let mut other = proof.clone();
                match change {
                    0 => other.chunk.gas ^= 1,
                    1 => other.chunk.after.0[3] ^= 1,
                    2 => other.chunk.index ^= 1,
                    3 => other.count += 1,
                    _ => other.path.push(Digest::default()),
                }
                prop_assert!(!other.holds(&result.chunks), "change {} passes", change);
            }
        }
        prop_assert!(chain.prove(chain.chunks.len() as u32).is_none());
    }

    #[test]
    fn a_changed_chain_is_refused(steps in proptest::collection::vec(any::<(u8, u16)>(), 1..10), at in any::<usize>(), how in 0..7) {
        let (result, chain) = chained(&steps);
        let mut other = chain.clone();
        let at = at % other.chunks.len();
        match how {
            0 => other.chunks[at].before.0[0] ^= 1,
            1 => other.chunks[at].after.0[0] ^= 1,
            2 => other.chunks[at].gas += 1,
            3 => other.chunks[at].gpu_gas += 1,
            4 => other.chunks[at].index += 1,
            5 => { other.chunks.remove(at); }
            _ => { let again = other.chunks[at]; other.chunks.insert(at, again); }
        }
        prop_assert!(other.check(&result, 0).is_err());
    }

    #[test]
    fn hostile_bytes_are_no_chain(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(ChunkChain::decode(&bytes, &fixture().receipt.result, 0).is_err());
    }
}

#[test]
fn a_task_without_steps_is_a_chain_of_one() {
    let result = fixture().receipt.result;
    let (same, chain) = result.clone().with_chunks(&[]).unwrap();
    assert_eq!(same, result);
    assert_eq!(chain.chunks.len(), 1);
    chain.check(&result, u64::MAX).unwrap();
    assert_eq!(chain.chunks[0].before, Chunk::start_of(&result.job, result.task));
}

#[test]
fn gas_that_goes_back_and_too_many_chunks_are_refused_by_name() {
    let result = fixture().receipt.result;
    let boundary = |gas| Boundary { state: Digest::default(), gas, gpu_gas: 0 };
    assert_eq!(result.clone().with_chunks(&[boundary(7), boundary(6)]).unwrap_err(), ChunkError::Gas);
    assert_eq!(result.clone().with_chunks(&[boundary(result.gas + 1)]).unwrap_err(), ChunkError::Gas);
    let many = vec![boundary(0); MAX_CHUNKS];
    assert_eq!(result.clone().with_chunks(&many).unwrap_err(), ChunkError::Count(MAX_CHUNKS + 1));
    let (_, mut chain) = result.clone().with_chunks(&many[1..]).unwrap();
    chain.chunks.push(chain.chunks[0]);
    let error = ChunkChain::decode(&chain.to_canonical(), &result, 0).unwrap_err().to_string();
    assert!(error.contains("at most 65536"), "{error}");
}

#[test]
fn a_chunk_that_ends_too_early_is_refused_unless_it_is_the_last() {
    // The last has 5 gas.
    let (result, chain) = chained(&[(1, 100), (2, 99), (3, 101)]);
    chain.check(&result, 99).unwrap();
    let short = ChunkError::Short { index: 1, gas: 99, least: 100 };
    assert_eq!(chain.check(&result, 100).unwrap_err(), short);
    assert_eq!(ChunkChain::decode(&chain.to_canonical(), &result, 100).unwrap_err(), short);
    assert_eq!(short.to_string(), "chunk 1 ended after 99 gas; each but the last has at least 100");
}

#[test]
fn no_job_can_have_more_chunks_than_a_chain_holds() {
    for (limit, asked) in
        [(0, 1), (1 << 40, 1), (u64::MAX, 1), (u64::MAX, u64::MAX), (65_536, 1), (65_535, 1)]
    {
        let mut job = Job { chunk_gas: asked, ..fixture().job };
        job.limits.gas = limit;
        assert!(job.chunk_gas() >= asked);
        // Each chunk but the last has at least that much gas.
        assert!(limit / job.chunk_gas() < MAX_CHUNKS as u64, "{limit}, {asked}");
    }
    assert_eq!(Job { chunk_gas: 0, ..fixture().job }.check().unwrap_err(), JobError::ChunkGas);
}
