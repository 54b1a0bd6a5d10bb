//! Quotas, gas, and streams that break the rules.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod common;

use common::{DOUBLE, Guest, QUOTAS, hardware};
use fizz_gpu::{HostFault, Limit, Quotas, Sessions, Stop, schedule};
use fizz_gpu_abi::{Caps, Class, Encoder, ErrorClass, ObjectKind, OpenRequest, status, usage};

const BUFFER: u32 = usage::STORAGE | usage::COPY_DST | usage::COPY_SRC;

#[test]
fn memory_is_a_quota_the_guest_sees() {
    let Some(mut guest) = Guest::with(Quotas { bytes: 4096, ..QUOTAS }) else { return };
    let a = guest.buffer(BUFFER, 2048);
    let b = guest.buffer(BUFFER, 1793);
    guest.clean();
    let c = guest.buffer(BUFFER, 1);
    assert!(guest.error(ErrorClass::OutOfMemory).contains("quota"));
    assert_eq!(guest.session.write(c, 0, &[0; 4]), Ok(status::INVALID));
    guest.records();
    guest.stream.destroy_buffer(b);
    guest.buffer(BUFFER, 2048);
    guest.clean();
    // A released buffer counts as long as something holds it.
    let layout = guest.layout(&[fizz_gpu_abi::BindingKind::Storage], false);
    let group = guest.group(layout, &[a]);
    guest.stream.release(ObjectKind::Buffer, a);
    guest.buffer(BUFFER, 256);
    guest.error(ErrorClass::OutOfMemory);
    guest.stream.release(ObjectKind::BindGroup, group);
    guest.buffer(BUFFER, 256);
    guest.clean();
    // Over and over: what was dropped must be freed.
    for _ in 0..1000 {
        let id = guest.buffer(BUFFER, 1024);
        guest.stream.release(ObjectKind::Buffer, id);
    }
    guest.clean();
}

#[test]
fn objects_are_counted_even_when_hidden() {
    let Some(mut guest) = Guest::with(Quotas { objects: 8, ..QUOTAS }) else { return };
    let a = guest.buffer(BUFFER, 64);
    let layout = guest.layout(&[fizz_gpu_abi::BindingKind::Storage], false);
    for _ in 0..20 {
        let group = guest.group(layout, &[a]);
        guest.stream.release(ObjectKind::BindGroup, group);
    }
    guest.clean();
    for _ in 0..4 {
        // The groups keep their buffers.
        let buffer = guest.buffer(BUFFER, 64);
        guest.group(layout, &[buffer]);
        guest.stream.release(ObjectKind::Buffer, buffer);
    }
    assert_eq!(guest.flush(), Err(Stop::LimitExceeded(Limit::Objects)));
    // And then it is over.
    assert_eq!(guest.flush(), Err(Stop::LimitExceeded(Limit::Objects)));
    assert_eq!(guest.session.read(1, 0, &mut []), Err(Stop::LimitExceeded(Limit::Objects)));
    assert_eq!(guest.session.close(), Err(Stop::LimitExceeded(Limit::Objects)));
}

#[test]
fn shaders_are_counted_for_life() {
    let Some(mut guest) = Guest::with(Quotas { shaders: 3, shader_bytes: 1000, ..QUOTAS }) else { return };
    for _ in 0..3 {
        let id = guest.shader("");
        guest.stream.release(ObjectKind::Shader, id);
    }
    guest.clean();
    guest.shader("");
    assert_eq!(guest.flush(), Err(Stop::LimitExceeded(Limit::Shaders)));
    let Some(mut guest) = Guest::with(Quotas { shader_bytes: 1000, ..QUOTAS }) else { return };
    guest.shader(&" ".repeat(1001));
    assert_eq!(guest.flush(), Err(Stop::LimitExceeded(Limit::ShaderBytes)));
    let Some(mut guest) = Guest::with(Quotas { shader_bytes: 1000, ..QUOTAS }) else { return };
    for _ in 0..16 {
        guest.shader(&" ".repeat(1000));
    }
    guest.clean();
    guest.shader(" ");
    assert_eq!(guest.flush(), Err(Stop::LimitExceeded(Limit::ShaderBytes)));
}

#[test]
fn streams_and_command_buffers_are_bounded() {
    let Some(mut guest) = Guest::with(Quotas { stream_bytes: 1000, ..QUOTAS }) else { return };
    assert_eq!(guest.session.submit(&[0; 1001]), Err(Stop::LimitExceeded(Limit::StreamBytes)));
    let Some(mut guest) = Guest::with(Quotas { stream_bytes: 1000, ..QUOTAS }) else { return };
    let a = guest.data(&[0; 16]);
    let mut last = Ok(0);
    for _ in 0..6 {
        guest.record(|to| (0..20).for_each(|_| to.clear_buffer(a, 0, 4)));
        last = guest.flush();
    }
    assert_eq!(last, Ok(7));
    for _ in 0..3 {
        guest.record(|to| (0..20).for_each(|_| to.clear_buffer(a, 0, 4)));
        last = guest.flush();
    }
    assert_eq!(last, Err(Stop::LimitExceeded(Limit::StreamBytes)));
}

fn doubling(guest: &mut Guest, groups: u32) -> Result<i64, Stop> {
    let data = guest.data(&[1; 64]);
    let shader = guest.shader(DOUBLE);
    let pipeline = guest.pipeline(0, shader);
    let layout = guest.auto_layout(pipeline);
    let group = guest.group(layout, &[data]);
    guest.dispatch(pipeline, group, [groups, 1, 1]);
    guest.flush()
}

#[test]
fn invocations_are_bounded() {
    let Some(mut guest) = Guest::with(Quotas { invocations: 640, ..QUOTAS }) else { return };
    assert!(doubling(&mut guest, 10).is_ok());
    assert_eq!(doubling(&mut guest, 11), Err(Stop::LimitExceeded(Limit::Invocations)));
}

#[test]
fn gas_is_deterministic_and_ends_a_task() {
    let gas = |groups| {
        let mut guest = Guest::new()?;
        doubling(&mut guest, groups).unwrap();
        Some(guest.session.gas())
    };
    let (Some(one), Some(again), Some(two)) = (gas(1), gas(1), gas(2)) else { return };
    assert_eq!(one, again);
    // Only the invocations of a second workgroup are added.
    assert_eq!((two - one) % 64, 0);
    assert!((64..64 * 100).contains(&(two - one)), "{}", two - one);
    for limit in [0, 1, schedule::SUBMIT, one / 2, one - 1] {
        let Some(mut guest) = Guest::with(Quotas { gas: limit, ..QUOTAS }) else { return };
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| doubling(&mut guest, 1)));
        // `data` unwraps its own flush.
        assert!(!matches!(ended, Ok(Ok(_))));
        assert_eq!(guest.session.gas(), limit);
        assert_eq!(guest.session.submit(&[]), Err(Stop::OutOfGas));
    }
    let Some(mut guest) = Guest::with(Quotas { gas: one, ..QUOTAS }) else { return };
    assert!(doubling(&mut guest, 1).is_ok());
    assert_eq!(guest.session.gas(), one);
}

#[test]
fn transfers_are_charged_by_the_byte() {
    let Some(mut guest) = Guest::new() else { return };
    let a = guest.buffer(BUFFER, 4096);
    guest.flush().unwrap();
    let mut before = guest.session.gas();
    let mut spent = |guest: &Guest| {
        let now = guest.session.gas();
        std::mem::replace(&mut before, now).abs_diff(now)
    };
    guest.session.write(a, 0, &[0; 4096]).unwrap();
    assert_eq!(spent(&guest), schedule::SUBMIT + 4096);
    guest.session.read(a, 0, &mut [0; 4096]).unwrap();
    assert_eq!(spent(&guest), schedule::SUBMIT + 4096);
    guest.session.wait(-1, 0).unwrap();
    assert_eq!(spent(&guest), schedule::SUBMIT);
    guest.submit(|to| to.clear_buffer(a, 0, 2048));
    guest.flush().unwrap();
    let commands = 4 * schedule::COMMAND + schedule::OBJECT;
    assert_eq!(spent(&guest), 2 * schedule::SUBMIT + commands + 2048);
}

#[test]
fn rules_that_no_library_can_break_end_the_task() {
    type Break = fn(&mut Encoder);
    let cases: [Break; 12] = [
        |to| to.create_buffer(1, BUFFER, 4, false, "taken"),
        |to| to.release(ObjectKind::Shader, 1),
        |to| to.release(ObjectKind::Buffer, 2),
        |to| to.destroy_buffer(2),
        |to| to.map_buffer(2, fizz_gpu_abi::MapMode::Read, 0, 4),
        |to| to.get_bind_group_layout(3, 1, 0),
        |to| to.create_pipeline_layout(3, "", &[9], 0),
        |to| to.submit(&[1]),
        |to| to.pop_error_scope(),
        |to| to.end_commands(),
        |to| {
            to.begin_commands(5, "");
            to.end_commands();
            to.submit(&[5, 5]);
        },
        |to| {
            to.begin_commands(5, "");
            to.copy_buffer(1, 0, 77, 0, 4);
            to.end_commands();
        },
    ];
    for (index, case) in cases.into_iter().enumerate() {
        let Some(mut guest) = Guest::new() else { return };
        guest.buffer(BUFFER, 64);
        guest.clean();
        case(&mut guest.stream);
        assert!(matches!(guest.flush(), Err(Stop::Protocol(_))), "case {index}");
    }
}

#[test]
fn a_malformed_stream_executes_nothing() {
    let Some(mut guest) = Guest::new() else { return };
    guest.stream.push_error_scope(ErrorClass::Validation);
    guest.stream.pop_error_scope();
    let mut bytes = guest.stream.take();
    bytes.push(0);
    let Err(Stop::Protocol(text)) = guest.session.submit(&bytes) else { panic!("accepted") };
    assert!(text.contains("header is cut short"), "{text}");
}

#[test]
fn a_wait_without_end_is_the_hosts_fault() {
    let Some(hardware) = hardware() else { return };
    let hardware = hardware.with_wait_limit(std::time::Duration::ZERO);
    let mut session = hardware.session(&QUOTAS).unwrap();
    session.open(&OpenRequest::new(Class::Fast).to_bytes(), &mut [0; Caps::SIZE]).unwrap();
    let mut stream = Encoder::new();
    stream.create_buffer(1, BUFFER, 64 << 20, false, "");
    stream.create_buffer(2, BUFFER, 64 << 20, false, "");
    for id in 3..40 {
        stream.begin_commands(id, "");
        for _ in 0..20 {
            stream.copy_buffer(1, 0, 2, 0, 64 << 20);
        }
        stream.end_commands();
        stream.submit(&[id]);
    }
    let ended = session.submit(&stream.take()).and_then(|_| session.wait(-1, 0));
    assert!(matches!(ended, Err(Stop::HostFault(HostFault::TimedOut, _))), "{ended:?}");
    assert!(matches!(session.wait(-1, 0), Err(Stop::HostFault(HostFault::TimedOut, _))));
}

#[test]
fn shaders_at_the_limits_compile() {
    let Some(mut guest) = Guest::new() else { return };
    let body = |text: String| {
        format!(
            "@group(0) @binding(0) var<storage, read_write> data: array<u32>;
            @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {{ {text} }}"
        )
    };
    for text in [
        format!("data[id.x] = data[id.x]{};", "+id.y".repeat(450)),
        format!("data[id.x] = {}data[id.x];", "~".repeat(950)),
        format!("{}data[id.x] *= 2u;{}", "if (data[id.x] > 0u) {".repeat(55), "}".repeat(55)),
    ] {
        let data = guest.data(&[1; 64]);
        let shader = guest.shader(&body(text));
        let pipeline = guest.pipeline(0, shader);
        let layout = guest.auto_layout(pipeline);
        let group = guest.group(layout, &[data]);
        guest.dispatch(pipeline, group, [1, 1, 1]);
        guest.clean();
        assert_eq!(guest.session.wait(-1, 0), Ok(status::OK));
    }
}

#[test]
fn random_streams_never_panic() {
    let Some(mut guest) = Guest::new() else { return };
    // A fixed generator: the same streams every time.
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for _ in 0..300 {
        let mut stream = Encoder::new();
        let pick = |n: u64| u32::try_from(n % 6 + 1).unwrap();
        for _ in 0..random() % 30 {
            let (a, b, c) = (pick(random()), pick(random()), random());
            match random() % 12 {
                0 => stream.create_buffer(a, u32::try_from(c % 1024).unwrap(), c >> 40, c % 2 == 0, "r"),
                1 => stream.release(ObjectKind::from_code(pick(c)).unwrap(), a),
                2 => stream.create_shader(a, "r", DOUBLE),
                3 => stream.create_compute_pipeline(a, "r", 0, b, None, true, [].into_iter()),
                4 => stream.get_bind_group_layout(a, b, pick(c) - 1),
                5 => stream.create_bind_group(
                    a,
                    "r",
                    b,
                    &[fizz_gpu_abi::BindGroupEntry {
                        binding: pick(c) - 1,
                        resource: pick(c >> 8),
                        offset: c >> 50,
                        size: c,
                    }],
                ),
                6 => stream.map_buffer(a, fizz_gpu_abi::MapMode::Write, c >> 50, c >> 52),
                7 => stream.destroy_buffer(a),
                8 => stream.write_buffer(a, c >> 52, &[1; 8]).unwrap(),
                9 => {
                    stream.begin_commands(a, "r");
                    stream.begin_pass("r");
                    stream.set_pipeline(b);
                    stream.set_bind_group(pick(c) - 1, pick(c >> 8), &[]);
                    stream.dispatch(1, 1, 1);
                    stream.end_pass();
                    stream.end_commands();
                }
                10 => stream.submit(&[a]),
                _ => stream.unmap_buffer(a),
            }
        }
        match guest.session.submit(&stream.take()) {
            Ok(_) => {}
            Err(Stop::HostFault(fault, text)) => panic!("{fault:?}: {text}"),
            Err(_) => guest = Guest::new().unwrap(),
        }
    }
}

#[test]
fn copies_are_the_same_in_any_parts() {
    let Some(hardware) = hardware() else { return };
    let mut seen = None;
    for slice in [u64::MAX, 16, 1] {
        let mut guest = Guest::on(&hardware.clone().with_slice_gas(slice), QUOTAS);
        let data = guest.data(&[1, 2, 3, 4, 5, 6, 7, 8]);
        let to = guest.data(&[0; 8]);
        guest.submit(|stream| {
            stream.push_debug_group("copies");
            stream.copy_buffer(data, 0, to, 16, 16);
            stream.clear_buffer(data, 0, 8);
            stream.copy_buffer(data, 0, to, 0, 16);
            stream.copy_buffer(to, 0, data, 0, 32);
            stream.pop_debug_group();
            stream.clear_buffer(to, 24, 8);
        });
        guest.clean();
        let found = (guest.read(data, 0, 8), guest.read(to, 0, 8), guest.session.gas());
        assert_eq!(found.0, [0, 0, 3, 4, 1, 2, 3, 4]);
        assert_eq!(found.1, [0, 0, 3, 4, 1, 2, 0, 0]);
        assert_eq!(seen.get_or_insert_with(|| found.clone()), &found, "slices of {slice}");
    }
}

#[test]
fn pipelines_pay_for_their_checks() {
    let Some(mut guest) = Guest::new() else { return };
    let mut price = |body: &str| {
        let text = format!(
            "@compute @workgroup_size(1) fn main(@builtin(local_invocation_index) id: u32) {{ {body} }}"
        );
        let checked = fizz_shader::check(&text, "", &fizz_shader::ShaderLimits::default()).unwrap();
        let shader = guest.shader(&text);
        guest.clean();
        let before = guest.session.gas();
        guest.pipeline(0, shader);
        guest.clean();
        let paid = guest.session.gas() - before;
        assert!(paid >= schedule::PIPELINE + checked.work * schedule::PIPELINE_STEP);
        (paid, checked.work)
    };
    let moves: String = (1..40).map(|n| format!("v{} = v{n};\n", n - 1)).collect();
    let variables: String = (0..40).map(|n| format!("var v{n} = 0u;\n")).collect();
    // The same shader, but that a loop's walk takes many turns.
    let all = |last: &str| format!("{variables} v39 = {last}; for (var i = 0u; i < v0; i++) {{ {moves} }}");
    let ((one, few), (other, many)) = (price(&all("1u")), price(&all("id")));
    assert!(many > 5 * few, "{few}, {many}");
    assert_eq!(other - one, (many - few) * schedule::PIPELINE_STEP);
}

#[test]
fn parts_of_command_buffers_take_memory() {
    let run = |count: u32| {
        let mut guest = Guest::with(Quotas { stream_bytes: 64 << 10, ..QUOTAS })?;
        let data = guest.data(&[1; 4]);
        let shader = guest.shader(
            "@group(0) @binding(0) var<storage, read_write> data: array<u32>;
            @compute @workgroup_size(1) fn main() { for (var i = 0u; i < data[0]; i++) { } }",
        );
        let pipeline = guest.pipeline(0, shader);
        let layout = guest.auto_layout(pipeline);
        let group = guest.group(layout, &[data]);
        guest.clean();
        guest.submit(|to| {
            for _ in 0..count {
                to.clear_buffer(data, 4, 4);
                to.begin_pass("");
                to.set_pipeline(pipeline);
                to.set_bind_group(0, group, &[]);
                to.dispatch(1, 1, 1);
                to.end_pass();
            }
        });
        Some(guest.flush())
    };
    let Some(ended) = run(200) else { return };
    ended.unwrap();
    assert_eq!(run(300).unwrap(), Err(Stop::LimitExceeded(Limit::StreamBytes)));
}
