// Counts primes with plain objects, strings, closures and a typed array, and writes what it found.
const limit = Number(args[0] ?? 20000);

function sieve(limit) {
    const composite = new Uint8Array(limit);
    const primes = [];
    for (let i = 2; i < limit; i++) {
        if (composite[i]) continue;
        primes.push(i);
        for (let j = i * i; j < limit; j += i) composite[j] = 1;
    }
    return primes;
}

const primes = sieve(limit);
const byDigit = new Map();
for (const prime of primes) {
    const digit = String(prime).at(-1);
    byDigit.set(digit, (byDigit.get(digit) ?? 0) + 1);
}
const gaps = primes.slice(1).map((prime, i) => prime - primes[i]);
const report = {
    limit,
    count: primes.length,
    byDigit: Object.fromEntries([...byDigit].sort()),
    widestGap: gaps.reduce((a, b) => Math.max(a, b), 0),
    meanGap: gaps.reduce((a, b) => a + b, 0) / gaps.length,
    product: String(primes.slice(0, 60).reduce((a, b) => a * BigInt(b), 1n)),
    text: "the quick brown fox".replace(/\b(\w)(\w*)/g, (_, a, b) => a.toUpperCase() + b),
    sines: [0, 1, 2, 3].map((x) => Math.sin(x) / Math.exp(x)),
};
writeFile("/out/primes.json", JSON.stringify(report, null, 2) + "\n");
print(primes.length, "primes below", limit);
