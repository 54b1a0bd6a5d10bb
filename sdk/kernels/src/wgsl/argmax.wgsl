// Where the greatest number stands: the lowest place of those that hold it. NaN is never the greatest; if there is nothing else, the place is
// 0xffffffff. Rounds as in a reduction: `first` makes a number and its place of 4,096 numbers, `next` of 4,096 such pairs.
//
// The answer is the same for any order; this is that of the reductions.
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> x_place: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> y_place: array<u32>;
@group(0) @binding(4) var<uniform> count: vec4u;

const NOWHERE = 0xffffffffu;

struct Best {
    value: f32,
    place: u32,
}

var<workgroup> values: array<f32, 256>;
var<workgroup> places: array<u32, 256>;

fn better(one: Best, other: Best) -> Best {
    let equal = other.value == one.value && other.place < one.place;
    let take = other.place != NOWHERE && (one.place == NOWHERE || other.value > one.value || equal);
    return Best(select(one.value, other.value, take), select(one.place, other.place, take));
}

// A number that may be the greatest: not NaN, and there.
fn candidate(value: f32, place: u32, is_there: bool) -> Best {
    return Best(value, select(NOWHERE, place, is_there && value == value));
}

@compute @workgroup_size(256)
fn first(@builtin(local_invocation_index) i: u32, @builtin(workgroup_id) group: vec3u) {
    let base = group.x * 4096u + i;
    var own = candidate(x[base], base, base < count.x);
    for (var at = 256u; at < 4096u; at += 256u) {
        let place = base + at;
        own = better(own, candidate(x[place], place, place < count.x));
    }
    values[i] = own.value;
    places[i] = own.place;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half >>= 1u) {
        if (i < half) {
            let found = better(Best(values[i], places[i]), Best(values[i + half], places[i + half]));
            values[i] = found.value;
            places[i] = found.place;
        }
        workgroupBarrier();
    }
    if (i == 0u) {
        y[group.x] = values[0];
        y_place[group.x] = places[0];
    }
}

@compute @workgroup_size(256)
fn next(@builtin(local_invocation_index) i: u32, @builtin(workgroup_id) group: vec3u) {
    let base = group.x * 4096u + i;
    var own = candidate(x[base], x_place[base], base < count.x);
    for (var at = 256u; at < 4096u; at += 256u) {
        let place = base + at;
        own = better(own, candidate(x[place], x_place[place], place < count.x));
    }
    values[i] = own.value;
    places[i] = own.place;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half >>= 1u) {
        if (i < half) {
            let found = better(Best(values[i], places[i]), Best(values[i + half], places[i + half]));
            values[i] = found.value;
            places[i] = found.place;
        }
        workgroupBarrier();
    }
    if (i == 0u) {
        y[group.x] = values[0];
        y_place[group.x] = places[0];
    }
}
