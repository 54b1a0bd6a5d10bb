//! Integers alone: a sort, a hash, a histogram.

use super::{read, result, uniform};
use crate::random::Random;
use crate::{Access, Case, Kernel, Oracle, Slot};
use sha2::{Digest, Sha256};

pub(super) const SORT: Kernel = Kernel {
    name: "bitonic-sort",
    wgsl: include_str!("../wgsl/bitonic_sort.wgsl"),
    case: |scale| {
        let blocks = scale.pick(3, 256, 32768);
        let mut words = Random::new(9).words(blocks * 1024);
        // Equal ones, too.
        words.iter_mut().step_by(3).for_each(|word| *word &= 7);
        Case { slots: vec![read(words), result(blocks * 1024)], workgroups: [blocks, 1, 1] }
    },
    oracle: Oracle::Bits(|case| {
        let mut words = case.slots[0].words.clone();
        words.chunks_mut(1024).for_each(<[u32]>::sort_unstable);
        words
    }),
};

/// The first 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2).
const CONSTANTS: [u32; 64] = [
    0x428a_2f98,
    0x7137_4491,
    0xb5c0_fbcf,
    0xe9b5_dba5,
    0x3956_c25b,
    0x59f1_11f1,
    0x923f_82a4,
    0xab1c_5ed5,
    0xd807_aa98,
    0x1283_5b01,
    0x2431_85be,
    0x550c_7dc3,
    0x72be_5d74,
    0x80de_b1fe,
    0x9bdc_06a7,
    0xc19b_f174,
    0xe49b_69c1,
    0xefbe_4786,
    0x0fc1_9dc6,
    0x240c_a1cc,
    0x2de9_2c6f,
    0x4a74_84aa,
    0x5cb0_a9dc,
    0x76f9_88da,
    0x983e_5152,
    0xa831_c66d,
    0xb003_27c8,
    0xbf59_7fc7,
    0xc6e0_0bf3,
    0xd5a7_9147,
    0x06ca_6351,
    0x1429_2967,
    0x27b7_0a85,
    0x2e1b_2138,
    0x4d2c_6dfc,
    0x5338_0d13,
    0x650a_7354,
    0x766a_0abb,
    0x81c2_c92e,
    0x9272_2c85,
    0xa2bf_e8a1,
    0xa81a_664b,
    0xc24b_8b70,
    0xc76c_51a3,
    0xd192_e819,
    0xd699_0624,
    0xf40e_3585,
    0x106a_a070,
    0x19a4_c116,
    0x1e37_6c08,
    0x2748_774c,
    0x34b0_bcb5,
    0x391c_0cb3,
    0x4ed8_aa4a,
    0x5b9c_ca4f,
    0x682e_6ff3,
    0x748f_82ee,
    0x78a5_636f,
    0x84c8_7814,
    0x8cc7_0208,
    0x90be_fffa,
    0xa450_6ceb,
    0xbef9_a3f7,
    0xc671_78f2,
];

pub(super) const SHA256: Kernel = Kernel {
    name: "sha256",
    wgsl: include_str!("../wgsl/sha256.wgsl"),
    case: |scale| {
        let [messages, rounds] = scale.pick([100, 2], [65536, 2], [1 << 22, 4]);
        let slots = vec![
            read(Random::new(10).words(8 * messages)),
            result(8 * messages),
            uniform([messages, rounds, 0, 0]),
            read(CONSTANTS.to_vec()),
        ];
        Case { slots, workgroups: [messages.div_ceil(64), 1, 1] }
    },
    oracle: Oracle::Bits(|case| {
        let hash = |message: &[u32]| -> Vec<u32> {
            let mut bytes: Vec<u8> = message.iter().flat_map(|word| word.to_be_bytes()).collect();
            for _ in 0..case.slots[2].words[1] {
                bytes = Sha256::digest(&bytes).to_vec();
            }
            bytes.as_chunks::<4>().0.iter().map(|four| u32::from_be_bytes(*four)).collect()
        };
        case.slots[0].words.chunks(8).flat_map(hash).collect()
    }),
};

pub(super) const HISTOGRAM: Kernel = Kernel {
    name: "histogram",
    wgsl: include_str!("../wgsl/histogram.wgsl"),
    case: |scale| {
        let count = scale.pick(5000_u32, 1 << 20, 1 << 23);
        let bins = Slot { access: Access::ReadWrite, words: vec![0; 256] };
        Case {
            slots: vec![read(Random::new(11).words(count)), bins],
            workgroups: [count.div_ceil(256), 1, 1],
        }
    },
    oracle: Oracle::Bits(|case| {
        let mut bins = vec![0; 256];
        case.slots[0].words.iter().for_each(|word| bins[(word >> 24) as usize] += 1);
        bins
    }),
};
