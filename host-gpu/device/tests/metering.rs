//! Gas of shaders: what loops take, whatever splits the work, and the end of what would not end.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod common;

use common::{Guest, QUOTAS, hardware};
use fizz_gpu::{Quotas, Stop, schedule};

/// Runs `main` of a shader with one buffer of `words` words on `counts` workgroups; gives the gas of the dispatch alone, and the buffer.
fn run(guest: &mut Guest, wgsl: &str, words: usize, counts: [u32; 3]) -> Result<(u64, Vec<u32>), Stop> {
    let data = guest.data(&vec![0; words]);
    let shader = guest.shader(wgsl);
    let pipeline = guest.pipeline(0, shader);
    let layout = guest.auto_layout(pipeline);
    let group = guest.group(layout, &[data]);
    guest.clean();
    let before = guest.session.gas();
    guest.dispatch(pipeline, group, counts);
    guest.flush()?;
    let commands = 8 * schedule::COMMAND + schedule::OBJECT + 2 * schedule::SUBMIT + schedule::DISPATCH;
    let gas = guest.session.gas() - before - commands;
    guest.clean();
    Ok((gas, guest.read(data, 0, words)))
}

fn main(size: u32, body: &str) -> String {
    format!(
        "@group(0) @binding(0) var<storage, read_write> data: array<u32>;
        var<workgroup> shared_word: atomic<u32>;
        fn spin(turns: u32) -> u32 {{ var sum = 0u; for (var i = 0u; i < turns; i++) {{ sum += i; }} return sum; }}
        @compute @workgroup_size({size})
        fn main(@builtin(global_invocation_id) id: vec3u, @builtin(workgroup_id) group: vec3u,
            @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) index: u32) {{ {body} }}"
    )
}

/// Gas of `body` on four workgroups of 64, on a fresh session.
fn gas(body: &str) -> Option<u64> {
    Some(run(&mut Guest::new()?, &main(64, body), 256, [4, 1, 1]).unwrap().0)
}

#[test]
fn each_turn_of_a_loop_costs_the_same() {
    for turns in [
        // Of one invocation alone, of a workgroup together, by constants.
        |n: u32| format!("data[id.x] = spin(data[id.x] + id.x * {n}u);"),
        |n: u32| format!("data[id.x] = spin(groups.x * {n}u);"),
        |n: u32| format!("for (var i = 0u; i < {n}u; i++) {{ data[id.x] += i; }}"),
    ] {
        let cost = |n| gas(&turns(n));
        let (Some(none), Some(one), Some(two), Some(ten)) = (cost(0), cost(1), cost(2), cost(10)) else {
            return;
        };
        assert!(one > none);
        assert_eq!(two - none, 2 * (one - none), "{}", turns(1));
        assert_eq!(ten - none, 10 * (one - none), "{}", turns(1));
    }
}

#[test]
fn uniform_and_own_loops_cost_the_same() {
    // The same loop: known by constants, by the workgroup, by each invocation.
    let body = |from: &str| {
        format!("var sum = 0u; for (var i = {from}; i < 8u; i++) {{ sum += i; }} data[id.x] = sum;")
    };
    let (Some(fixed), Some(uniform), Some(own)) =
        (gas(&body("0u")), gas(&body("groups.y - 1u")), gas(&body("id.y")))
    else {
        return;
    };
    assert_eq!((own as i64 - fixed as i64).rem_euclid(256), 0);
    // What makes the start costs a little.
    assert!(own.abs_diff(fixed) <= 256 * 3 && uniform.abs_diff(fixed) <= 256 * 4, "{fixed} {uniform} {own}");
}

#[test]
fn gas_and_results_do_not_depend_on_how_a_dispatch_is_split() {
    let Some(hardware) = hardware() else { return };
    let body = "
        let at = id.x + 8u * groups.x * (id.y + groups.y * id.z);
        var sum = group.x + 100u * group.y + 10000u * group.z + 1000000u * groups.x;
        for (var i = 0u; i < at % 13u; i++) { sum += spin(i); }
        for (var i = 0u; i < group.y; i++) { workgroupBarrier(); sum += 7u; }
        data[at] = sum;";
    let counts = [5, 4, 3];
    let words = 8 * 60;
    let mut seen = None;
    for slice in [u64::MAX, 1 << 34, 1 << 29, 1 << 28, 50_000, 10_000, 1] {
        let mut guest = Guest::on(&hardware.clone().with_slice_gas(slice), QUOTAS);
        let wgsl = main(8, body);
        let first = run(&mut guest, &wgsl, words, counts).unwrap();
        assert_eq!(first.1[words - 1] / 10000 % 100, 2);
        assert_eq!(seen.get_or_insert_with(|| first.clone()), &first, "slices of {slice}");
        // By what was seen before, too.
        let again = run(&mut guest, &wgsl, words, counts).unwrap();
        assert_eq!(seen.as_ref(), Some(&again), "slices of {slice}");
    }
}

#[test]
fn straight_line_dispatches_are_split_too() {
    let Some(hardware) = hardware() else { return };
    let body = "data[id.x] = id.x + group.x * 1000u + groups.x * 100000u;";
    let mut seen = None;
    for slice in [u64::MAX, 3000, 1] {
        let mut guest = Guest::on(&hardware.clone().with_slice_gas(slice), QUOTAS);
        let found = run(&mut guest, &main(8, body), 80, [10, 1, 1]).unwrap();
        assert_eq!(found.1[79], 79 + 9000 + 1_000_000);
        assert_eq!(seen.get_or_insert_with(|| found.clone()), &found, "slices of {slice}");
    }
}

/// Loops without end, of several kinds. `HEAVY` is work, so that they end before lavapipe ends them.
const ENDLESS: [&str; 6] = [
    "loop { HEAVY data[id.x] += 1u; if (data[id.x] == 0xffffffffu) { break; } }",
    "if (id.x == 9u) { while (data[0] != 77u) { HEAVY data[1] += 1u; } }",
    "loop { if (groups.x == 1000u) { break; } HEAVY data[id.x] += 1u; }",
    "loop { workgroupBarrier(); if (groups.x == 1000u) { break; } HEAVY
        for (var i = 0u; i < (id.x & 1u); i++) { data[i & 63u] += 1u; } }",
    "loop { loop { HEAVY if (data[3] == 77u) { return; } continuing { break if data[4] == 5u; } } if (data[0] == 88u) { break; } }",
    "for (var i = 0u; i < 0xfffffff0u; i++) { HEAVY data[id.x] ^= i; }",
];

#[test]
fn endless_loops_end_out_of_gas() {
    let heavy = "{ var s = id.x; ".to_owned() + &"s = s * 3u + 1u; ".repeat(960) + "data[2] = s; }";
    for body in ENDLESS {
        let Some(mut guest) = Guest::new() else { return };
        let body = body.replace("HEAVY", &heavy);
        let ended = run(&mut guest, &main(64, &body), 256, [2, 1, 1]);
        assert_eq!(ended, Err(Stop::OutOfGas), "{body}");
        assert_eq!(guest.session.gas(), QUOTAS.gas);
        assert_eq!(guest.session.submit(&[]), Err(Stop::OutOfGas));
    }
}

#[test]
fn a_loop_that_the_driver_ends_is_the_hosts_fault() {
    let Some(hardware) = hardware() else { return };
    if !hardware.summary().name.contains("llvmpipe") {
        eprintln!("skipped: {} is not known to end loops", hardware.summary());
        return;
    }
    for body in [
        "for (var i = 0u; i < 100000u + data[0]; i++) { data[id.x] ^= i; }",
        "for (var i = 0u; i < 100000u; i++) { data[id.x] ^= i; }",
        "for (var i = 0u; i < 300u; i++) { for (var j = 0u; j < 300u; j++) { data[id.x] ^= i * j; } }",
        "for (var i = 0u; i < 300u * groups.z; i++) { for (var j = 0u; j < 300u; j++) { data[id.x] ^= i * j; } }",
        "loop { data[id.x] += 1u; continuing { break if data[id.x] == 90000u; } }",
        // The second time, and the outer loop ends by itself.
        "var k = 0u; loop { for (var i = 0u; i < 50000u + data[255]; i++) { data[id.x] ^= i; } continuing { k += 1u; break if k == 2u; } }",
        "for (var i = 0u; i < 9u; i++) { switch (i) { case 3u: { data[id.x] += spin(90000u + data[1]); break; } default: {} } }",
    ] {
        let mut guest = Guest::on(&hardware, QUOTAS);
        let ended = run(&mut guest, &main(64, body), 256, [2, 1, 1]);
        assert!(
            matches!(ended, Err(Stop::HostFault(_, ref text)) if text.contains("ended a loop")),
            "{body}: {ended:?}"
        );
    }
    // Far from the driver's limit nothing is suspected.
    for body in [
        "for (var i = 0u; i < 60000u + data[0]; i++) { data[id.x] ^= i; }",
        "loop { if (data[id.x] == 100u) { return; } data[id.x] += 1u; }",
        "loop { switch (data[id.x]) { case 50u: { break; } case 70u: { return; } default: { continue; } } if (data[id.x] == 50u) { break; } continuing { data[id.x] += 1u; } }",
    ] {
        let mut guest = Guest::on(&hardware, QUOTAS);
        run(&mut guest, &main(64, body), 256, [2, 1, 1]).unwrap();
    }
}

#[test]
fn the_limit_is_exact() {
    let wgsl = main(64, "data[id.x] = spin(id.x * 3u);");
    let submit = |limit| {
        let mut guest = Guest::with(Quotas { gas: limit, ..QUOTAS })?;
        let data = guest.data(&[0; 256]);
        let shader = guest.shader(&wgsl);
        let pipeline = guest.pipeline(0, shader);
        let layout = guest.auto_layout(pipeline);
        let group = guest.group(layout, &[data]);
        guest.clean();
        guest.dispatch(pipeline, group, [4, 1, 1]);
        let ended = guest.flush();
        Some((ended, guest.session.gas()))
    };
    let Some((Ok(_), all)) = submit(QUOTAS.gas) else { return };
    assert_eq!(submit(all).unwrap(), (Ok(3), all));
    // The last turn of the last loop is not paid for.
    assert_eq!(submit(all - 1).unwrap(), (Err(Stop::OutOfGas), all - 1));
}

#[test]
fn indirect_dispatches_are_charged_and_split() {
    let Some(hardware) = hardware() else { return };
    let mut seen = None;
    for slice in [u64::MAX, 1 << 28, 1] {
        let mut guest = Guest::on(&hardware.clone().with_slice_gas(slice), QUOTAS);
        let shader = guest.shader(&main(8, "data[id.x] = spin(id.x) + group.x + groups.x;"));
        let pipeline = guest.pipeline(0, shader);
        let layout = guest.auto_layout(pipeline);
        let data = guest.data(&[0; 64]);
        let group = guest.group(layout, &[data]);
        let counts = guest.buffer(fizz_gpu_abi::usage::INDIRECT | fizz_gpu_abi::usage::COPY_DST, 12);
        guest.clean();
        let words: Vec<u8> = [8_u32, 1, 1].iter().flat_map(|word| word.to_le_bytes()).collect();
        guest.session.write(counts, 0, &words).unwrap();
        guest.submit(|to| {
            to.begin_pass("");
            to.set_pipeline(pipeline);
            to.set_bind_group(0, group, &[]);
            to.dispatch_indirect(counts, 0);
            to.dispatch(4, 1, 1);
            to.end_pass();
        });
        guest.clean();
        let found = (guest.read(data, 0, 64), guest.session.gas());
        assert_eq!(found.0[63], (0..63).sum::<u32>() + 7 + 8);
        assert_eq!(found.0[31], (0..31).sum::<u32>() + 3 + 4);
        assert_eq!(seen.get_or_insert_with(|| found.clone()), &found, "slices of {slice}");
    }
}

#[test]
fn no_guest_reaches_the_meter() {
    let Some(mut guest) = Guest::new() else { return };
    let shader = guest.shader(
        "@group(4) @binding(0) var<storage, read_write> meter: array<u32>;
        @compute @workgroup_size(1) fn main() { meter[0] = 1u; }",
    );
    guest.pipeline(0, shader);
    let text = guest.invalid();
    assert!(text.contains("bind group index 4 is above 3"), "{text}");
    // Eight storage buffers and the meter; not nine.
    let many = |n: u32| {
        let declared: String = (0..n)
            .map(|n| format!("@group(0) @binding({n}) var<storage, read_write> b{n}: array<u32>;\n"))
            .collect();
        let used: String = (0..n).map(|n| format!("b{n}[0] = spin(b{n}[1]);")).collect();
        format!(
            "{declared} fn spin(n: u32) -> u32 {{ var s = 0u; for (var i = 0u; i < n; i++) {{ s += i; }} return s; }}
            @compute @workgroup_size(1) fn main() {{ {used} }}"
        )
    };
    let shader = guest.shader(&many(8));
    guest.pipeline(0, shader);
    guest.clean();
    let shader = guest.shader(&many(9));
    guest.pipeline(0, shader);
    let text = guest.invalid();
    assert!(text.contains("9 storage buffers are more than 8"), "{text}");
    guest.layout(&[fizz_gpu_abi::BindingKind::Storage; 9], false);
    let text = guest.invalid();
    assert!(text.contains("9 storage buffers are more than 8"), "{text}");
}

#[test]
fn what_takes_too_much_before_any_check_is_refused() {
    let Some(mut guest) = Guest::new() else { return };
    let nested =
        "for (var a = 0u; a < 300u; a++) { for (var b = 0u; b < 100u; b++) { s += a * b; s += a; s += b; s *= a; } }".repeat(100);
    let shader = guest.shader(&main(1, &format!("var s = 0u; {nested} data[0] = s;")));
    guest.pipeline(0, shader);
    let text = guest.invalid();
    assert!(text.contains("without a check of gas"), "{text}");
}
