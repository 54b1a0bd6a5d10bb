//! What works: data in, shaders, data out.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod common;

use common::{DOUBLE, Guest};
use fizz_gpu_abi::{BindGroupEntry, BindingKind, MapMode, ObjectKind, PollState, WHOLE, status, usage};

#[test]
fn buffers_start_at_zero_and_keep_what_is_written() {
    let Some(mut guest) = Guest::new() else { return };
    let id = guest.buffer(usage::COPY_DST | usage::COPY_SRC, 64);
    assert_eq!(guest.read(id, 0, 16), [0; 16]);
    assert_eq!(guest.session.write(id, 8, &[1, 2, 3, 4]), Ok(status::OK));
    guest.stream.write_buffer(id, 60, &[9, 0, 0, 0]).unwrap();
    assert_eq!(guest.read(id, 8, 1), [0x0403_0201]);
    assert_eq!(guest.read(id, 60, 1), [9]);
    assert_eq!(guest.read(id, 0, 2), [0, 0]);
    assert_eq!(guest.session.read(id, 0, &mut []), Ok(status::OK));
    assert_eq!(guest.session.write(id, 64, &[]), Ok(status::OK));
    guest.clean();
}

#[test]
fn a_dispatch_doubles_numbers() {
    let Some(mut guest) = Guest::new() else { return };
    let numbers: Vec<u32> = (0..1000).collect();
    let data = guest.data(&numbers);
    let shader = guest.shader(DOUBLE);
    let pipeline = guest.pipeline(0, shader);
    let layout = guest.auto_layout(pipeline);
    let group = guest.group(layout, &[data]);
    guest.dispatch(pipeline, group, [16, 1, 1]);
    guest.dispatch(pipeline, group, [16, 1, 1]);
    guest.clean();
    let expected: Vec<u32> = (0..1000).map(|n| n * 4).collect();
    assert_eq!(guest.read(data, 0, 1000), expected);
}

#[test]
fn large_data_crosses_in_both_directions() {
    let Some(mut guest) = Guest::new() else { return };
    // Above the staging size, so that reads go in pieces.
    let words = (70 << 20) / 4;
    let numbers: Vec<u32> = (0..words).map(|n: u32| n.wrapping_mul(2_654_435_761)).collect();
    let data = guest.data(&numbers);
    assert!(guest.read(data, 0, words as usize) == numbers);
    // Many writes without a submission must not pile up.
    let piece = vec![7_u8; 1 << 20];
    for _ in 0..256 {
        assert_eq!(guest.session.write(data, 4, &piece), Ok(status::OK));
    }
    assert_eq!(guest.read(data, 0, 2), [0, 0x0707_0707]);
    guest.clean();
}

#[test]
fn copies_and_clears() {
    let Some(mut guest) = Guest::new() else { return };
    let a = guest.data(&[1, 2, 3, 4, 5, 6, 7, 8]);
    let b = guest.data(&[0; 8]);
    guest.submit(|to| {
        to.push_debug_group("copy");
        to.copy_buffer(a, 4, b, 8, 16);
        to.insert_debug_marker("between");
        to.pop_debug_group();
        to.clear_buffer(a, 24, WHOLE);
        to.clear_buffer(a, 0, 8);
    });
    guest.clean();
    assert_eq!(guest.read(b, 0, 8), [0, 0, 2, 3, 4, 5, 0, 0]);
    assert_eq!(guest.read(a, 0, 8), [0, 0, 3, 4, 5, 6, 0, 0]);
}

#[test]
fn mapping_for_reading_and_writing() {
    let Some(mut guest) = Guest::new() else { return };
    let upload = guest.id();
    guest.stream.create_buffer(upload, usage::MAP_WRITE | usage::COPY_SRC, 64, true, "upload");
    guest.flush().unwrap();
    assert_eq!(guest.session.write(upload, 0, &[1; 64]), Ok(status::OK));
    guest.stream.unmap_buffer(upload);
    let download = guest.buffer(usage::MAP_READ | usage::COPY_DST, 64);
    guest.submit(|to| to.copy_buffer(upload, 0, download, 0, 64));
    guest.stream.map_buffer(download, MapMode::Read, 8, 56);
    assert_eq!(guest.read(download, 12, 13), [0x0101_0101; 13]);
    guest.stream.unmap_buffer(download);
    // Mapped again for writing, by range.
    guest.stream.map_buffer(upload, MapMode::Write, 16, 8);
    guest.flush().unwrap();
    assert_eq!(guest.session.write(upload, 16, &[2; 8]), Ok(status::OK));
    assert_eq!(guest.session.write(upload, 12, &[3; 8]), Ok(status::INVALID));
    // Zero bytes ask whether the mapping is there, and record nothing.
    assert_eq!(guest.session.write(upload, 16, &[]), Ok(status::OK));
    assert_eq!(guest.session.write(upload, 0, &[]), Ok(status::INVALID));
    assert_eq!(guest.session.read(download, 8, &mut []), Ok(status::INVALID));
    guest.stream.unmap_buffer(upload);
    guest.submit(|to| to.copy_buffer(upload, 0, download, 0, 64));
    guest.stream.map_buffer(download, MapMode::Read, 0, 64);
    assert!(guest.invalid().contains("mapped range"));
    let words = guest.read(download, 0, 16);
    assert_eq!(words[3..7], [0x0101_0101, 0x0202_0202, 0x0202_0202, 0x0101_0101]);
    // Storage without COPY_DST can be filled at creation.
    let storage = guest.id();
    guest.stream.create_buffer(storage, usage::STORAGE | usage::COPY_SRC, 8, true, "storage");
    guest.flush().unwrap();
    assert_eq!(guest.session.write(storage, 0, &[5; 8]), Ok(status::OK));
    guest.stream.unmap_buffer(storage);
    assert_eq!(guest.read(storage, 0, 2), [0x0505_0505; 2]);
    guest.clean();
}

#[test]
fn workgroup_memory_and_barriers() {
    let Some(mut guest) = Guest::new() else { return };
    let data = guest.data(&(1..=256).collect::<Vec<u32>>());
    let shader = guest.shader(
        "@group(0) @binding(0) var<storage, read_write> data: array<u32>;
        var<workgroup> tile: array<u32, 64>;
        var<workgroup> untouched: array<u32, 64>;
        @compute @workgroup_size(64)
        fn main(@builtin(local_invocation_index) l: u32, @builtin(workgroup_id) w: vec3u) {
            tile[l] = data[w.x * 64u + l];
            workgroupBarrier();
            for (var step = 32u; step > 0u; step /= 2u) {
                if (l < step) { tile[l] += tile[l + step]; }
                workgroupBarrier();
            }
            data[w.x * 64u + l] = tile[0] + untouched[l];
        }",
    );
    let pipeline = guest.pipeline(0, shader);
    let layout = guest.auto_layout(pipeline);
    let group = guest.group(layout, &[data]);
    guest.dispatch(pipeline, group, [4, 1, 1]);
    guest.clean();
    let sums: Vec<u32> = (0..4).map(|w| (1..=64).map(|l| w * 64 + l).sum()).collect();
    let words = guest.read(data, 0, 256);
    for (word, at) in words.iter().zip(0..) {
        assert_eq!(*word, sums[at / 64]);
    }
}

#[test]
fn dynamic_offsets_and_uniforms() {
    let Some(mut guest) = Guest::new() else { return };
    let shader = guest.shader(
        "@group(0) @binding(0) var<uniform> step: vec4u;
        @group(0) @binding(1) var<storage, read_write> data: array<u32>;
        @compute @workgroup_size(1) fn main() { data[0] += step.x; }",
    );
    let layout = guest.layout(&[BindingKind::Uniform, BindingKind::Storage], true);
    let pipeline_layout = guest.id();
    guest.stream.create_pipeline_layout(pipeline_layout, "layout", &[layout], 0);
    let pipeline = guest.pipeline(pipeline_layout, shader);
    let uniform = guest.buffer(usage::UNIFORM | usage::COPY_DST, 512);
    let data = guest.buffer(usage::STORAGE | usage::COPY_SRC, 512);
    guest.stream.write_buffer(uniform, 0, &3_u32.to_le_bytes()).unwrap();
    guest.stream.write_buffer(uniform, 256, &10_u32.to_le_bytes()).unwrap();
    let group = guest.id();
    let entries = [
        BindGroupEntry { binding: 0, resource: uniform, offset: 0, size: 16 },
        BindGroupEntry { binding: 1, resource: data, offset: 0, size: 256 },
    ];
    guest.stream.create_bind_group(group, "group", layout, &entries);
    guest.submit(|to| {
        to.begin_pass("");
        to.set_pipeline(pipeline);
        for offsets in [[0, 0], [256, 256], [256, 256]] {
            to.set_bind_group(0, group, &offsets);
            to.dispatch(1, 1, 1);
        }
        to.end_pass();
    });
    guest.clean();
    assert_eq!(guest.read(data, 0, 1), [3]);
    assert_eq!(guest.read(data, 256, 1), [20]);
    for offsets in [&[0, 128][..], &[0, 512], &[0], &[0, 0, 0]] {
        guest.submit(|to| {
            to.begin_pass("");
            to.set_pipeline(pipeline);
            to.set_bind_group(0, group, offsets);
            to.dispatch(1, 1, 1);
            to.end_pass();
        });
        let records = guest.records();
        assert_eq!(records.len(), 2, "finish and submit: {records:#?}");
    }
}

#[test]
fn constants_and_entry_points() {
    let Some(mut guest) = Guest::new() else { return };
    let shader = guest.shader(
        "override size: u32; override add = 1u;
        @group(0) @binding(0) var<storage, read_write> data: array<u32>;
        @compute @workgroup_size(size) fn one(@builtin(local_invocation_index) l: u32) { data[l] = add; }
        @compute @workgroup_size(2) fn two(@builtin(local_invocation_index) l: u32) { data[l] = 7u; }",
    );
    let data = guest.data(&[0; 8]);
    let mut run = |entry: &str, constants: &[(&str, f64)]| {
        let pipeline = guest.id();
        let constants = constants.iter().copied();
        guest.stream.create_compute_pipeline(pipeline, "p", 0, shader, Some(entry), true, constants);
        let layout = guest.auto_layout(pipeline);
        let group = guest.group(layout, &[data]);
        guest.dispatch(pipeline, group, [1, 1, 1]);
        guest.clean();
        guest.read(data, 0, 8)
    };
    assert_eq!(run("one", &[("size", 4.0), ("add", 5.0)]), [5, 5, 5, 5, 0, 0, 0, 0]);
    assert_eq!(run("two", &[]), [7, 7, 5, 5, 0, 0, 0, 0]);
    assert_eq!(run("one", &[("size", 8.0)]), [1; 8]);
}

#[test]
fn indirect_dispatches_read_their_counts_in_order() {
    let Some(mut guest) = Guest::new() else { return };
    // The first pass writes the counts that the second reads.
    let write = guest.shader(
        "@group(0) @binding(0) var<storage, read_write> counts: array<u32>;
        @compute @workgroup_size(1) fn main() { counts[1] = 3u; counts[2] = 2u; counts[3] = 1u; }",
    );
    let count = guest.shader(
        "@group(0) @binding(0) var<storage, read_write> total: atomic<u32>;
        @compute @workgroup_size(4) fn main() { atomicAdd(&total, 1u); }",
    );
    let counts = guest.buffer(usage::STORAGE | usage::INDIRECT | usage::COPY_DST, 32);
    let total = guest.data(&[0]);
    let (first, second) = (guest.pipeline(0, write), guest.pipeline(0, count));
    let (first_layout, second_layout) = (guest.auto_layout(first), guest.auto_layout(second));
    let (first_group, second_group) =
        (guest.group(first_layout, &[counts]), guest.group(second_layout, &[total]));
    let before = guest.session.gas();
    guest.submit(|to| {
        to.begin_pass("");
        to.set_pipeline(first);
        to.set_bind_group(0, first_group, &[]);
        to.dispatch(1, 1, 1);
        to.set_pipeline(second);
        to.set_bind_group(0, second_group, &[]);
        to.dispatch_indirect(counts, 4);
        // What was set still holds.
        to.dispatch(1, 1, 1);
        to.dispatch_indirect(counts, 16);
        to.end_pass();
    });
    guest.clean();
    assert_eq!(guest.read(total, 0, 1), [(3 * 2) * 4 + 4]);
    assert!(guest.session.gas() > before + 2 * fizz_gpu::schedule::INDIRECT);
    // Counts above the limit do nothing.
    guest.stream.write_buffer(counts, 0, &[255; 12]).unwrap();
    guest.submit(|to| {
        to.begin_pass("");
        to.set_pipeline(second);
        to.set_bind_group(0, second_group, &[]);
        to.dispatch_indirect(counts, 0);
        to.end_pass();
    });
    guest.clean();
    assert_eq!(guest.read(total, 0, 1), [28]);
    for (buffer, offset) in [(counts, 2), (counts, 24), (counts, u64::MAX - 3), (total, 0)] {
        let id = guest.record(|to| {
            to.begin_pass("");
            to.set_pipeline(second);
            to.set_bind_group(0, second_group, &[]);
            to.dispatch_indirect(buffer, offset);
            to.end_pass();
        });
        assert!(guest.invalid().contains("ndirect") || buffer == total, "{id}");
    }
}

#[test]
fn objects_live_on_inside_what_uses_them() {
    let Some(mut guest) = Guest::new() else { return };
    let out = guest.data(&[1, 2]);
    let data = guest.data(&[5, 6]);
    let shader = guest.shader(DOUBLE);
    let pipeline = guest.pipeline(0, shader);
    let layout = guest.auto_layout(pipeline);
    let group = guest.group(layout, &[data]);
    let commands = guest.record(|to| {
        to.begin_pass("");
        to.set_pipeline(pipeline);
        to.set_bind_group(0, group, &[]);
        to.dispatch(1, 1, 1);
        to.end_pass();
        to.copy_buffer(data, 0, out, 0, 8);
    });
    for (kind, id) in [
        (ObjectKind::Buffer, data),
        (ObjectKind::Shader, shader),
        (ObjectKind::ComputePipeline, pipeline),
        (ObjectKind::BindGroupLayout, layout),
        (ObjectKind::BindGroup, group),
    ] {
        guest.stream.release(kind, id);
    }
    // The ids are free again.
    guest.stream.create_buffer(data, usage::COPY_DST, 4, false, "another");
    guest.stream.submit(&[commands]);
    guest.clean();
    assert_eq!(guest.read(out, 0, 2), [10, 12]);
}

#[test]
fn serials_count_and_waits_return() {
    let Some(mut guest) = Guest::new() else { return };
    assert_eq!(guest.flush(), Ok(1));
    assert_eq!(guest.flush(), Ok(2));
    for serial in [1, 2, -1] {
        assert_eq!(guest.session.wait(serial, 0), Ok(status::OK));
    }
    for serial in [0, 3, -2, i64::MAX, i64::MIN] {
        assert_eq!(guest.session.wait(serial, 0), Ok(status::BAD_SERIAL));
    }
    let mut out = [0; PollState::SIZE];
    assert_eq!(guest.session.poll(&mut out), Ok(2));
    assert_eq!(PollState::from_bytes(&out).unwrap(), PollState { submitted: 2, records: 0, scopes: 0 });
}

#[test]
fn two_sessions_do_not_see_each_other() {
    let Some(hardware) = common::hardware() else { return };
    let other = hardware.clone();
    let work = |_hardware| {
        let mut guest = Guest::new().unwrap();
        let data = guest.data(&[1; 64]);
        let shader = guest.shader(DOUBLE);
        let pipeline = guest.pipeline(0, shader);
        let layout = guest.auto_layout(pipeline);
        let group = guest.group(layout, &[data]);
        for _ in 0..10 {
            guest.dispatch(pipeline, group, [1, 1, 1]);
        }
        guest.clean();
        assert_eq!(guest.read(data, 0, 64), [1024; 64]);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| work(hardware));
        scope.spawn(|| work(other));
    });
}
