//! What fails, and how the guest hears of it.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod common;

use common::{DOUBLE, Guest, QUOTAS, hardware};
use fizz_gpu::{Sessions, Stop};
use fizz_gpu_abi::{
    BindGroupEntry, BindingKind, Caps, Class, Encoder, ErrorClass, MapMode, ObjectKind, OpenRequest,
    PollState, RecordKind, Severity, WHOLE, status, usage,
};

const BUFFER: u32 = usage::STORAGE | usage::COPY_DST | usage::COPY_SRC;

#[test]
fn opening_follows_the_page() {
    let Some(hardware) = hardware() else { return };
    let mut session = hardware.session(&QUOTAS).unwrap();
    let good = OpenRequest::new(Class::Fast);
    let mut caps = [0; Caps::SIZE];
    assert_eq!(session.submit(&[]), Ok(i64::from(status::NOT_OPEN)));
    assert_eq!(session.write(1, 0, &[]), Ok(status::NOT_OPEN));
    assert_eq!(session.read(1, 0, &mut []), Ok(status::NOT_OPEN));
    assert_eq!(session.wait(-1, 0), Ok(status::NOT_OPEN));
    assert_eq!(session.poll(&mut [0; PollState::SIZE]), Ok(i64::from(status::NOT_OPEN)));
    assert_eq!(session.take_error(&mut []), Ok(status::NOT_OPEN));
    assert_eq!(session.close(), Ok(status::NOT_OPEN));
    for (request, answer) in [
        (OpenRequest { class: Class::Exact, ..good }, status::UNSUPPORTED),
        (OpenRequest { version: 2, ..good }, status::UNSUPPORTED),
        (OpenRequest { features: 1, ..good }, status::UNSUPPORTED),
    ] {
        assert_eq!(session.open(&request.to_bytes(), &mut caps), Ok(answer));
    }
    assert_eq!(session.open(&[0; 15], &mut caps), Ok(status::BAD_REQUEST));
    assert_eq!(session.open(&[0; 17], &mut caps), Ok(status::BAD_REQUEST));
    assert_eq!(session.open(&good.to_bytes(), &mut caps[1..]), Ok(status::TOO_SMALL));
    assert_eq!(session.open(&good.to_bytes(), &mut caps), Ok(Caps::SIZE as i32));
    assert_eq!(session.open(&good.to_bytes(), &mut caps), Ok(status::ALREADY_OPEN));
    let caps = Caps::from_bytes(&caps).unwrap();
    assert_eq!((caps.version, caps.class, caps.max_buffer_size), (1, 0, 256 << 20));
    assert_eq!((caps.quota_bytes, caps.max_immediate_size), (QUOTAS.bytes, 0));
    // Closed, it can be opened again, and serials go on.
    assert_eq!(session.submit(&[]), Ok(1));
    let gas = session.gas();
    assert_eq!(session.close(), Ok(status::OK));
    assert_eq!(session.submit(&[]), Ok(i64::from(status::NOT_OPEN)));
    assert!(session.gas() >= gas);
    assert_eq!(session.open(&good.to_bytes(), &mut [0; Caps::SIZE]), Ok(Caps::SIZE as i32));
    assert_eq!(session.submit(&[]), Ok(2));
}

#[test]
fn a_shader_error_has_its_line_and_label() {
    let Some(mut guest) = Guest::new() else { return };
    let shader = guest.id();
    guest.stream.create_shader(
        shader,
        "blur",
        "@compute @workgroup_size(1)\nfn main() {\n  let x = foo;\n}\n",
    );
    let records = guest.records();
    assert_eq!(records.len(), 2);
    let message = &records[0];
    assert_eq!((message.kind, message.subject), (RecordKind::Shader, shader));
    assert_eq!(message.as_ref().severity(), Some(Severity::Error));
    assert_eq!((message.line, message.column, message.length), (3, 11, 3));
    for record in &records {
        assert!(record.text.starts_with("shader 'blur', line 3, column 11: "), "{}", record.text);
        assert!(record.text.contains("3 |   let x = foo;"), "{}", record.text);
    }
    assert_eq!(records[1].kind, RecordKind::Uncaptured);
}

#[test]
fn errors_are_contagious() {
    let Some(mut guest) = Guest::new() else { return };
    let shader = guest.shader("nonsense");
    let pipeline = guest.pipeline(0, shader);
    let layout = guest.auto_layout(pipeline);
    let data = guest.buffer(BUFFER, 64);
    let group = guest.group(layout, &[data]);
    let pipeline_layout = guest.id();
    guest.stream.create_pipeline_layout(pipeline_layout, "l", &[layout], 0);
    let second = guest.pipeline(pipeline_layout, shader);
    guest.dispatch(pipeline, group, [1, 1, 1]);
    guest.dispatch(second, group, [1, 1, 1]);
    let records = guest.records();
    // The shader's message, then one error each: shader, pipeline, layout, group, pipeline layout, pipeline, and two
    // command buffers at finish and at submit.
    assert_eq!(records.len(), 1 + 6 + 4, "{records:#?}");
    let uncaptured = records.iter().filter(|record| record.kind == RecordKind::Uncaptured);
    assert!(uncaptured.clone().all(|record| record.as_ref().class() == Some(ErrorClass::Validation)));
    for record in uncaptured.skip(1) {
        assert!(record.text.contains("is invalid"), "{}", record.text);
    }
    assert_eq!(
        guest.session.write(99, 0, &[]).unwrap_err().to_string().split(':').next().unwrap(),
        "guest broke the GPU stream's rules"
    );
}

#[test]
fn scopes_catch_the_first_error_of_their_class() {
    let Some(mut guest) = Guest::new() else { return };
    guest.stream.push_error_scope(ErrorClass::Validation);
    guest.stream.push_error_scope(ErrorClass::OutOfMemory);
    guest.buffer(0, 4);
    guest.buffer(usage::ALL + 1, 4);
    guest.stream.report_error(ErrorClass::Internal, "from the library");
    guest.stream.pop_error_scope();
    let records = guest.records();
    assert_eq!(records.len(), 2, "{records:#?}");
    assert_eq!((records[0].kind, &*records[0].text), (RecordKind::Uncaptured, "from the library"));
    assert_eq!((records[1].kind, records[1].subject, records[1].code), (RecordKind::Scope, 1, 0));
    // Scopes span streams and calls.
    let mut state = [0; PollState::SIZE];
    guest.session.poll(&mut state).unwrap();
    assert_eq!(PollState::from_bytes(&state).unwrap().scopes, 1);
    guest.stream.pop_error_scope();
    let records = guest.records();
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].kind, records[0].subject), (RecordKind::Scope, 0));
    assert_eq!(records[0].as_ref().class(), Some(ErrorClass::Validation));
    assert!(records[0].text.contains("usage 0x0 is empty"), "{}", records[0].text);

    let data = guest.buffer(usage::STORAGE, 16);
    guest.stream.push_error_scope(ErrorClass::Validation);
    guest.flush().unwrap();
    assert_eq!(guest.session.write(data, 0, &[0; 4]), Ok(status::INVALID));
    guest.stream.pop_error_scope();
    assert!(guest.records()[0].text.contains("COPY_DST"));
    guest.stream.pop_error_scope();
    assert!(matches!(guest.flush(), Err(Stop::Protocol(_))));
}

#[test]
fn records_wait_for_room_and_are_bounded() {
    let Some(mut guest) = Guest::new() else { return };
    for _ in 0..1000 {
        guest.stream.report_error(ErrorClass::Validation, &"x".repeat(1000));
    }
    guest.flush().unwrap();
    assert_eq!(guest.session.take_error(&mut [0; 100]), Ok(status::TOO_SMALL));
    assert_eq!(guest.records().len(), fizz_gpu_abi::MAX_UNCAPTURED);
    for _ in 0..fizz_gpu_abi::MAX_RECORDS {
        guest.stream.push_error_scope(ErrorClass::Validation);
        guest.stream.pop_error_scope();
    }
    guest.flush().unwrap();
    guest.stream.push_error_scope(ErrorClass::Validation);
    guest.stream.pop_error_scope();
    assert!(matches!(guest.flush(), Err(Stop::LimitExceeded(_))));
}

#[test]
fn buffers_follow_webgpus_rules() {
    let Some(mut guest) = Guest::new() else { return };
    for (bits, size, mapped) in [
        (usage::MAP_READ | usage::STORAGE, 16, false),
        (usage::MAP_READ | usage::MAP_WRITE, 16, false),
        (usage::MAP_WRITE | usage::COPY_DST, 16, false),
        (BUFFER, (256 << 20) + 4, false),
        (BUFFER, u64::MAX, false),
        (BUFFER, 6, true),
    ] {
        let id = guest.id();
        guest.stream.create_buffer(id, bits, size, mapped, "odd");
        assert!(guest.invalid().contains("'odd'"));
        guest.flush().unwrap();
        assert_eq!(guest.session.write(id, 0, &[0; 4]), Ok(status::INVALID));
        assert!(guest.invalid().contains("the buffer is invalid"));
    }
    for bits in [usage::INDEX, usage::VERTEX, usage::QUERY_RESOLVE, usage::INDIRECT, BUFFER] {
        guest.buffer(bits, 0);
        guest.buffer(bits, 7);
    }
    guest.clean();
    let data = guest.buffer(BUFFER, 16);
    guest.flush().unwrap();
    for (offset, len) in [(0, 20), (16, 4), (4, 16), (u64::MAX - 3, 8), (2, 4), (0, 3)] {
        let mut bytes = vec![0xa5; len];
        assert_eq!(guest.session.write(data, offset, &bytes), Ok(status::INVALID));
        guest.invalid();
        assert_eq!(guest.session.read(data, offset, &mut bytes), Ok(status::INVALID));
        guest.invalid();
        assert!(bytes.iter().all(|byte| *byte == 0xa5), "an invalid read must not touch the memory");
    }
    guest.stream.map_buffer(data, MapMode::Read, 0, 16);
    assert!(guest.invalid().contains("MAP_READ"));
}

#[test]
fn mapped_and_destroyed_buffers_stop_a_whole_submit() {
    let Some(mut guest) = Guest::new() else { return };
    let a = guest.data(&[1; 4]);
    let b = guest.data(&[0; 4]);
    let upload = guest.id();
    guest.stream.create_buffer(upload, usage::MAP_WRITE | usage::COPY_SRC, 16, true, "upload");
    let good = guest.record(|to| to.copy_buffer(a, 0, b, 0, 16));
    let bad = guest.record(|to| to.copy_buffer(upload, 0, b, 0, 16));
    guest.stream.submit(&[good, bad]);
    assert!(guest.invalid().contains("buffer 'upload' is mapped"));
    assert_eq!(guest.read(b, 0, 4), [0; 4], "none of the submit may run");
    guest.stream.unmap_buffer(upload);
    let good = guest.record(|to| to.copy_buffer(a, 0, b, 0, 16));
    let bad = guest.record(|to| to.copy_buffer(upload, 0, b, 0, 16));
    guest.stream.destroy_buffer(upload);
    guest.stream.submit(&[good, bad]);
    assert!(guest.invalid().contains("buffer 'upload' is destroyed"));
    assert_eq!(guest.read(b, 0, 4), [0; 4]);
    guest.stream.release(ObjectKind::Buffer, upload);
    // The ids of the command buffers are gone all the same.
    guest.stream.submit(&[good]);
    assert!(matches!(guest.flush(), Err(Stop::Protocol(_))));
}

#[test]
fn a_broken_rule_drops_the_whole_command_buffer() {
    let Some(mut guest) = Guest::new() else { return };
    let shader = guest.shader(DOUBLE);
    let pipeline = guest.pipeline(0, shader);
    let layout = guest.auto_layout(pipeline);
    let data = guest.data(&[1; 64]);
    let plain = guest.buffer(usage::COPY_DST, 64);
    let group = guest.group(layout, &[data]);
    guest.clean();
    type Break = Box<dyn Fn(&mut Encoder)>;
    let in_pass: Vec<(&str, Break)> = vec![
        (
            "no group",
            Box::new(move |to| {
                to.set_pipeline(pipeline);
                to.set_bind_group(0, 0, &[]);
                to.dispatch(1, 1, 1);
            }),
        ),
        ("index", Box::new(move |to| to.set_bind_group(4, group, &[]))),
        ("offsets", Box::new(move |to| to.set_bind_group(0, group, &[0]))),
        ("counts", Box::new(|to| to.dispatch(65_536, 1, 1))),
        ("immediates", Box::new(|to| to.set_immediates(0, &[0; 4]).unwrap())),
        ("debug group", Box::new(|to| to.pop_debug_group())),
        ("open debug group", Box::new(|to| to.push_debug_group("open"))),
        ("invalidate", Box::new(|to| to.invalidate("the library says no"))),
    ];
    let outside: Vec<(&str, Break)> = vec![
        (
            "no pipeline",
            Box::new(move |to| {
                to.begin_pass("");
                to.set_bind_group(0, group, &[]);
                to.dispatch(1, 1, 1);
                to.end_pass();
            }),
        ),
        ("usage", Box::new(move |to| to.copy_buffer(plain, 0, data, 0, 4))),
        ("alignment", Box::new(move |to| to.copy_buffer(data, 1, plain, 0, 4))),
        ("range", Box::new(move |to| to.copy_buffer(data, 0, plain, 32, 64))),
        ("same buffer", Box::new(move |to| to.copy_buffer(data, 0, data, 4, 4))),
        ("clear", Box::new(move |to| to.clear_buffer(plain, 2, WHOLE))),
        ("open debug group", Box::new(|to| to.push_debug_group("open"))),
    ];
    for (inside, (name, broken)) in
        in_pass.iter().map(|case| (true, case)).chain(outside.iter().map(|case| (false, case)))
    {
        let id = guest.record(|to| {
            to.begin_pass("");
            to.set_pipeline(pipeline);
            to.set_bind_group(0, group, &[]);
            to.dispatch(1, 1, 1);
            if inside {
                broken(to);
            }
            to.end_pass();
            if !inside {
                broken(to);
            }
        });
        let text = guest.invalid();
        assert!(text.contains("'commands'"), "{name}: {text}");
        guest.stream.submit(&[id]);
        assert!(guest.invalid().contains("command buffer 'commands' is invalid"), "{name}");
    }
    assert_eq!(guest.read(data, 0, 64), [1; 64]);
}

#[test]
fn bindings_must_fit() {
    let Some(mut guest) = Guest::new() else { return };
    let layout = guest.layout(&[BindingKind::Storage], false);
    let data = guest.buffer(BUFFER, 512);
    let plain = guest.buffer(usage::COPY_DST, 512);
    let entry = BindGroupEntry { binding: 0, resource: data, offset: 0, size: WHOLE };
    guest.clean();
    for entries in [
        &[][..],
        &[entry, entry],
        &[BindGroupEntry { binding: 1, ..entry }],
        &[BindGroupEntry { resource: plain, ..entry }],
        &[BindGroupEntry { offset: 4, ..entry }],
        &[BindGroupEntry { offset: 512, ..entry }],
        &[BindGroupEntry { offset: 256, size: 512, ..entry }],
        &[BindGroupEntry { offset: u64::MAX - 255, ..entry }],
        &[BindGroupEntry { size: u64::MAX - 1, ..entry }],
        &[BindGroupEntry { size: 0, ..entry }],
        &[BindGroupEntry { size: 3, ..entry }],
    ] {
        let id = guest.id();
        guest.stream.create_bind_group(id, "misfit", layout, entries);
        let text = guest.invalid();
        assert!(text.contains("'misfit'"), "{text}");
    }
    // Too small for the shader: found when dispatching.
    let shader = guest.shader(
        "@group(0) @binding(0) var<storage, read_write> data: array<u32, 64>;
        @compute @workgroup_size(1) fn main() { data[0] = 1u; }",
    );
    let pipeline_layout = guest.id();
    guest.stream.create_pipeline_layout(pipeline_layout, "l", &[layout], 0);
    let pipeline = guest.pipeline(pipeline_layout, shader);
    let small = guest.buffer(BUFFER, 128);
    let group = guest.group(layout, &[small]);
    guest.clean();
    let _ = guest.record(|to| {
        to.begin_pass("");
        to.set_pipeline(pipeline);
        to.set_bind_group(0, group, &[]);
        to.dispatch(1, 1, 1);
        to.end_pass();
    });
    guest.invalid();
}

#[test]
fn pipelines_must_fit() {
    let Some(mut guest) = Guest::new() else { return };
    let shader = guest.shader(DOUBLE);
    let two = guest.shader("@compute @workgroup_size(1) fn a() {} @compute @workgroup_size(1) fn b() {}");
    let sized = guest.shader("override n: u32; @compute @workgroup_size(n) fn main() {}");
    let empty = guest.id();
    guest.stream.create_pipeline_layout(empty, "empty", &[], 0);
    let read_only = guest.layout(&[BindingKind::ReadOnlyStorage], false);
    let wrong = guest.id();
    guest.stream.create_pipeline_layout(wrong, "wrong", &[0, read_only], 0);
    guest.clean();
    for (layout, shader, entry, constants, says) in [
        (0, shader, Some("other"), vec![], "no compute entry point 'other'"),
        (0, two, None, vec![], "not exactly one"),
        (empty, shader, None, vec![], ""),
        (wrong, shader, None, vec![], ""),
        (0, sized, None, vec![], ""),
        (0, sized, None, vec![("n", 0.0)], ""),
        (0, sized, None, vec![("n", 1024.0)], "1024"),
        (0, sized, None, vec![("n", f64::NAN)], ""),
        (0, sized, None, vec![("n", 1.0), ("m", 1.0)], "m"),
    ] {
        let id = guest.id();
        guest.stream.create_compute_pipeline(
            id,
            "misfit",
            layout,
            shader,
            entry,
            true,
            constants.into_iter(),
        );
        let text = guest.invalid();
        assert!(text.contains("'misfit'") && text.contains(says), "{text}");
        guest.stream.get_bind_group_layout(900 + id, id, 0);
        assert!(guest.invalid().contains("'misfit' is invalid"));
    }
    let five = [read_only; 5];
    let id = guest.id();
    guest.stream.create_pipeline_layout(id, "five", &five, 0);
    assert!(guest.invalid().contains("more than 4"));
    let id = guest.id();
    guest.stream.create_pipeline_layout(id, "immediates", &[], 4);
    assert!(guest.invalid().contains("immediates"));
    let pipeline = guest.pipeline(0, shader);
    for index in [1, 3, 4, u32::MAX] {
        let id = guest.id();
        guest.stream.get_bind_group_layout(id, pipeline, index);
        guest.records();
    }
    // Nine storage buffers are one more than every guest is promised.
    let nine = guest.layout(&[BindingKind::Storage; 9], false);
    let id = guest.id();
    guest.stream.create_pipeline_layout(id, "nine", &[nine], 0);
    assert!(!guest.records().is_empty());
}

#[test]
fn the_library_can_make_errors() {
    let Some(mut guest) = Guest::new() else { return };
    for (kind, id) in [
        (ObjectKind::Buffer, 1001),
        (ObjectKind::Shader, 1002),
        (ObjectKind::BindGroupLayout, 1003),
        (ObjectKind::PipelineLayout, 1004),
        (ObjectKind::ComputePipeline, 1005),
        (ObjectKind::BindGroup, 1006),
        (ObjectKind::CommandBuffer, 1007),
    ] {
        guest.stream.create_error(kind, id, ErrorClass::Validation, "textures are not offered");
        assert_eq!(guest.invalid(), "textures are not offered");
    }
    let id = guest.pipeline(1004, 1002);
    assert!(guest.invalid().contains("is invalid"));
    guest.stream.submit(&[1007]);
    assert!(guest.invalid().contains("is invalid"));
    guest.stream.release(ObjectKind::ComputePipeline, id);
    guest.stream.release(ObjectKind::BindGroup, 1006);
    guest.clean();
}

#[test]
fn no_text_tells_of_the_host() {
    let Some(mut guest) = Guest::new() else { return };
    let identity = hardware().unwrap().identity().fast.unwrap();
    let nine = guest.layout(&[BindingKind::Storage; 9], false);
    let layout = guest.id();
    guest.stream.create_pipeline_layout(layout, "nine", &[nine], 0);
    let shader = guest.shader(DOUBLE);
    let pipeline = guest.pipeline(0, shader);
    let auto = guest.auto_layout(pipeline);
    let plain = guest.buffer(usage::COPY_DST, 64);
    let group = guest.group(auto, &[plain]);
    guest.dispatch(pipeline, group, [1, 1, 1]);
    guest.buffer(BUFFER, u64::MAX);
    let records = guest.records();
    assert!(records.len() >= 5, "{records:#?}");
    let secrets = [&identity.adapter, &identity.driver, &identity.backend, "llvm", "Mesa", "NVIDIA", "/"];
    for record in records {
        let text = record.text.to_lowercase();
        for secret in secrets {
            assert!(!text.contains(&secret.to_lowercase()), "{secret}: {text}");
        }
    }
}
