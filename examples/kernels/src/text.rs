//! Other people's code, as jobs use it: a hash, a search and a compressor, over bytes made here.

use crate::random::access_log;

/// BLAKE3 of 24 MiB, portable code: no SIMD.
pub(crate) fn blake3() -> u64 {
    let block: Vec<u8> = (0..1 << 20).map(|i: u32| (i.wrapping_mul(0x9e37_79b1) >> 24) as u8).collect();
    let mut hasher = blake3::Hasher::new();
    for _ in 0..24 {
        hasher.update(&block);
    }
    first_eight(hasher.finalize().as_bytes())
}

/// The fields of every line of a log, taken by one expression. Returns their hash.
pub(crate) fn regex() -> u64 {
    let mut hasher = blake3::Hasher::new();
    for_each_field(&access_log(25_000), |field| {
        hasher.update(field.as_bytes());
    });
    first_eight(hasher.finalize().as_bytes())
}

fn for_each_field(log: &str, mut take: impl FnMut(&str)) {
    let line = regex::Regex::new(
        r#"(?m)^(\d+\.\d+\.\d+\.\d+) (\w+|-) \[([^\]]+)\] "([A-Z]+) ([^ ?"]+)(?:\?id=([0-9a-f]{8}))?" (\d{3}) (\d+)$"#,
    )
    .expect("the expression is valid");
    for captures in line.captures_iter(log) {
        captures.iter().skip(1).flatten().for_each(|field| take(field.as_str()));
    }
}

/// A log compressed and expanded again. Returns a hash of the compressed bytes.
///
/// # Panics
/// Where what comes back is not what went in: then there is nothing to measure.
pub(crate) fn deflate() -> u64 {
    let log = access_log(12_000);
    let small = miniz_oxide::deflate::compress_to_vec_zlib(log.as_bytes(), 6);
    let back = miniz_oxide::inflate::decompress_to_vec_zlib(&small).expect("a stream made above expands");
    assert_eq!(back, log.as_bytes(), "the log must survive compression");
    first_eight(blake3::hash(&small).as_bytes())
}

fn first_eight(hash: &[u8; 32]) -> u64 {
    hash.iter().take(8).fold(0, |value, &byte| value << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use crate::random::access_log;

    #[test]
    fn the_log_is_the_same_every_time_and_compresses() {
        let log = access_log(100);
        assert_eq!(log, access_log(100));
        assert_eq!(log.lines().count(), 100);
        assert_eq!(super::deflate(), super::deflate());
    }

    #[test]
    fn every_line_of_the_log_has_eight_fields() {
        let mut fields = Vec::new();
        super::for_each_field(&access_log(50), |field| fields.push(field.to_string()));
        assert_eq!(fields.len(), 50 * 8);
        assert_eq!(fields[2], "2024-02-29T00:00:00Z");
    }
}
