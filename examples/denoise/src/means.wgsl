// Non-local means, one pixel of a tile for each invocation. The same sums as in means.rs, in whole numbers.

struct Job {
    // Size of the tile, in pixels.
    width: u32,
    height: u32,
    // Pixels of a row of the block, which is the tile and what lies around it.
    stride: u32,
    // How far the search reaches. A patch reaches one pixel more.
    search: u32,
    // From a distance to an index into the weights.
    shift: u32,
}

@group(0) @binding(0) var<uniform> job: Job;
// The block: red in the lowest byte, then green and blue.
@group(0) @binding(1) var<storage, read> pixels: array<u32>;
@group(0) @binding(2) var<storage, read> weights: array<u32>;
// For each pixel of the tile: its colour, and how many patches were compared with its own.
@group(0) @binding(3) var<storage, read_write> results: array<vec2<u32>>;

fn colour(at: u32) -> vec3<i32> {
    let packed = pixels[at];
    return vec3<i32>(vec3(packed & 255u, (packed >> 8u) & 255u, (packed >> 16u) & 255u));
}

// A column of three pixels, with `at` in the middle.
struct Column {
    above: vec3<i32>,
    middle: vec3<i32>,
    below: vec3<i32>,
}

fn column(at: u32) -> Column {
    return Column(colour(at - job.stride), colour(at), colour(at + job.stride));
}

fn apart(a: Column, b: Column) -> vec3<i32> {
    let above = a.above - b.above;
    let middle = a.middle - b.middle;
    let below = a.below - b.below;
    return above * above + middle * middle + below * below;
}

@compute @workgroup_size(8, 8)
fn denoise(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= job.width || id.y >= job.height {
        return;
    }
    let side = 2u * job.search + 1u;
    let own = (id.y + job.search + 1u) * job.stride + id.x + job.search + 1u;
    let left = column(own - 1u);
    let middle = column(own);
    let right = column(own + 1u);

    var sum = vec3<u32>();
    var total = 0u;
    var heaviest = 1u;
    var compared = 0u;
    for (var y = 0u; y < side; y++) {
        // The other patch walks along a row, so that each step reads one new column.
        let start = (id.y + y + 1u) * job.stride + id.x + 1u;
        var other_left = column(start - 1u);
        var other_middle = column(start);
        for (var x = 0u; x < side; x++) {
            let other_right = column(start + x + 1u);
            if start + x != own {
                let squares =
                    apart(left, other_left) + apart(middle, other_middle) + apart(right, other_right);
                let distance = u32(squares.x + squares.y + squares.z);
                let weight = weights[min(distance >> job.shift, arrayLength(&weights) - 1u)];
                sum += weight * vec3<u32>(other_middle.middle);
                total += weight;
                heaviest = max(heaviest, weight);
            }
            other_left = other_middle;
            other_middle = other_right;
            compared++;
        }
    }
    sum += heaviest * vec3<u32>(middle.middle);
    total += heaviest;
    let mean = (sum + total / 2u) / total;
    results[id.y * job.width + id.x] = vec2(mean.x | (mean.y << 8u) | (mean.z << 16u), compared);
}
