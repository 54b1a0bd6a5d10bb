//! Barriers, workgroup memory, and what lives from one side of a barrier to the other.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod common;

use common::{run, words};

const SIZES: [u32; 6] = [1, 3, 4, 8, 13, 64];

fn out(size: u32, groups: u32, declarations: &str, body: &str) -> Vec<u32> {
    let wgsl = format!(
        "@group(0) @binding(0) var<storage, read_write> out: array<u32>;
        const SIZE = {size}u;
        {declarations}
        @compute @workgroup_size({size})
        fn main(@builtin(local_invocation_index) l: u32, @builtin(workgroup_id) group: vec3u) {{
            let at = group.x * SIZE + l;
            {body}
        }}"
    );
    run(&wgsl, [groups, 1, 1], &[words(0, &vec![9; (size * groups) as usize])])[0].words()
}

#[test]
fn workgroup_memory_begins_as_zeros_in_each_workgroup() {
    for size in SIZES {
        let found = out(
            size,
            3,
            "var<workgroup> s: array<u32, 64>;",
            "out[at] = s[l]; s[l] = 7u; workgroupBarrier(); out[at] += s[(l + 1u) % SIZE];",
        );
        assert_eq!(found, vec![7; size as usize * 3], "{size}");
    }
}

#[test]
fn variables_live_across_barriers() {
    for size in SIZES {
        let body =
            "var own = l * 3u; var many = array<u32, 9>(); many[l % 9u] = l; let kept = own * own + 1u;
            for (var i = 0u; i < 4u; i++) {
                s[l] = own; workgroupBarrier();
                own += s[(l + i) % SIZE]; many[(l + i) % 9u] += own; workgroupBarrier();
            }
            out[at] = own + kept * 7u + many[l % 9u] + many[(l + 2u) % 9u] * 5u;";
        let found = out(size, 2, "var<workgroup> s: array<u32, 64>;", body);
        let n = size as usize;
        let mut own: Vec<u32> = (0..size).map(|l| l * 3).collect();
        let mut many = vec![[0_u32; 9]; n];
        (0..n).for_each(|l| many[l][l % 9] = l as u32);
        let kept: Vec<u32> = own.iter().map(|own| own * own + 1).collect();
        for i in 0..4 {
            let s = own.clone();
            for l in 0..n {
                own[l] = own[l].wrapping_add(s[(l + i) % n]);
                many[l][(l + i) % 9] = many[l][(l + i) % 9].wrapping_add(own[l]);
            }
        }
        let expected: Vec<u32> = (0..2 * n)
            .map(|at| {
                let l = at % n;
                let sum = own[l].wrapping_add(kept[l].wrapping_mul(7)).wrapping_add(many[l][l % 9]);
                sum.wrapping_add(many[l][(l + 2) % 9].wrapping_mul(5))
            })
            .collect();
        assert_eq!(found, expected, "{size}");
    }
}

#[test]
fn some_return_behind_the_last_barrier() {
    for size in SIZES {
        let body = "s[l] = l + 1u; workgroupBarrier(); let next = s[(l + 1u) % SIZE];
            if (l % 3u == 1u) { out[at] = 100u; return; }
            if (next == 3u) { out[at] = 200u; return; }
            var sum = 0u;
            for (var i = 0u; i < next; i++) { if (i == 40u) { return; } sum += i; }
            out[at] = sum;";
        let found = out(size, 2, "var<workgroup> s: array<u32, 64>;", body);
        for (at, value) in found.into_iter().enumerate() {
            let l = at as u32 % size;
            let next = (l + 1) % size + 1;
            let expected = match () {
                () if l % 3 == 1 => 100,
                () if next == 3 => 200,
                () if next > 40 => 9,
                () => (0..next).sum(),
            };
            assert_eq!(value, expected, "{size} at {at}");
        }
    }
}

#[test]
fn one_loads_for_all() {
    for size in SIZES {
        let body = "if (l == SIZE - 1u) { limit = group.x + 3u; pair.b[1] = 5u; }
            let turns = workgroupUniformLoad(&limit); let five = workgroupUniformLoad(&pair).b[1];
            for (var i = 0u; i < turns; i++) { atomicAdd(&total, l + 1u); workgroupBarrier(); }
            out[at] = atomicLoad(&total) + five * 100000u;";
        let declarations = "struct Pair { a: u32, b: array<u32, 2> } var<workgroup> limit: u32; var<workgroup> pair: Pair; var<workgroup> total: atomic<u32>;";
        for (at, value) in out(size, 3, declarations, body).into_iter().enumerate() {
            let turns = at as u32 / size + 3;
            assert_eq!(value, turns * size * (size + 1) / 2 + 500_000, "{size} at {at}");
        }
    }
}

#[test]
fn pointers_and_structs_go_into_functions() {
    for size in SIZES {
        let declarations = "struct Item { a: vec2u, b: array<u32, 4>, c: bool }
            var<private> counter: u32 = 3u;
            fn bump(p: ptr<function, u32>, by: u32) -> u32 { if (by > 5u) { *p += 100u; return 1u; } *p += by; counter += 1u; return *p; }
            fn change(item: ptr<function, Item>, l: u32) { (*item).a.y += l; (*item).b[l % 4u] = 7u; (*item).c = !(*item).c; }
            fn sum(item: Item) -> u32 { var total = item.a.x + item.a.y * 10u; for (var i = 0; i < 4; i++) { total += item.b[i] * 1000u; } return total + select(0u, 5u, item.c); }";
        let body = "var item = Item(vec2u(1u, 2u), array<u32, 4>(1u, 2u, 3u, 4u), l % 2u == 0u); change(&item, l); var x = 4u;
            let r = bump(&x, l); let copy = item; out[at] = sum(copy) + x * 100000u + r * 1000000u + counter * 10000000u;";
        for (at, value) in out(size, 2, declarations, body).into_iter().enumerate() {
            let l = at as u32 % size;
            let mut b = [1, 2, 3, 4];
            b[l as usize % 4] = 7;
            let sum =
                1 + (2 + l) * 10 + b.iter().sum::<u32>() * 1000 + if l.is_multiple_of(2) { 0 } else { 5 };
            let (x, r, counter) = if l > 5 { (104, 1, 3) } else { (4 + l, 4 + l, 4) };
            let expected =
                sum.wrapping_add(x * 100_000).wrapping_add(r * 1_000_000).wrapping_add(counter * 10_000_000);
            assert_eq!(value, expected, "{size} at {at}");
        }
    }
}
