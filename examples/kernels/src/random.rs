//! Reproducible input: the same numbers and the same text on every machine.

/// SplitMix64 (Steele, Lea and Flood, 2014): one addition and three xor-multiply steps per number.
pub(crate) struct SplitMix64(pub(crate) u64);

impl SplitMix64 {
    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`. The bias of the remainder does not matter here.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// A web server's log of `lines` lines: text with the repetition that searches and compressors live on.
pub(crate) fn access_log(lines: usize) -> String {
    const METHODS: [&str; 4] = ["GET", "GET", "POST", "HEAD"];
    const PATHS: [&str; 6] =
        ["/", "/index.html", "/api/v1/jobs", "/api/v1/receipts", "/img/cup.png", "/login"];
    const USERS: [&str; 5] = ["-", "-", "ada", "grace", "edsger"];
    const STATUS: [u16; 6] = [200, 200, 200, 304, 404, 500];

    let mut random = SplitMix64(1);
    let mut log = String::new();
    for line in 0..lines {
        let [a, b, c] = [0; 3].map(|_| random.below(256));
        let user = USERS[random.below(USERS.len())];
        let method = METHODS[random.below(METHODS.len())];
        let path = PATHS[random.below(PATHS.len())];
        let status = STATUS[random.below(STATUS.len())];
        let (second, minute, hour) = (line % 60, line / 60 % 60, line / 3600 % 24);
        let size = random.below(1 << 16);
        log += &format!(
            "10.{a}.{b}.{c} {user} [2024-02-29T{hour:02}:{minute:02}:{second:02}Z] \"{method} {path}?id={:08x}\" {status} {size}\n",
            random.next() as u32,
        );
    }
    log
}
