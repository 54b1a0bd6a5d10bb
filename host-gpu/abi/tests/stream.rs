//! Properties of the stream: what is encoded decodes; what decodes is canonical; nothing panics.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

use fizz_gpu_abi::{
    BindGroupEntry, BindingKind, Caps, Class, Command, Commands, Encoder, ErrorClass, LayoutEntry, MapMode,
    ObjectKind, OpenRequest, PollState, QueryKind, Record, RecordKind, RecordRef, TexelBuffer, TexelPlace,
    TextureBinding, TextureDimension, TextureFormat, TextureShape, VERSION, ViewDimension, ViewShape, op,
};
use proptest::prelude::*;

/// What one command is made from.
type Seed = (u8, u32, u64, u64, String, Vec<u32>);

fn seeds() -> impl Strategy<Value = Vec<Seed>> {
    let id = prop_oneof![1..8_u32, Just(u32::MAX)];
    let number = prop_oneof![0..1024_u64, any::<u64>(), Just(u64::MAX)];
    let one = (any::<u8>(), id, number.clone(), number, ".{0,24}", prop::collection::vec(1..u32::MAX, 0..5));
    prop::collection::vec(one, 0..24)
}

fn device_command(to: &mut Encoder, (kind, id, a, b, text, list): &Seed) {
    let (id, a, b, low) = (*id, *a, *b, *a as u32);
    let class = ErrorClass::from_code(low % 3 + 1).unwrap();
    let kind_of = ObjectKind::from_code(low % 10 + 1).unwrap();
    let binding = BindingKind::from_code(low % 6 + 1).unwrap();
    let format = TextureFormat::from_code(low % 16 + 1).unwrap();
    let texture = binding.is_texture();
    match kind % 22 {
        0 => to.create_buffer(id, low, b, a % 2 == 0, text),
        1 => to.destroy_buffer(id),
        2 => to.map_buffer(id, MapMode::from_code(low % 2 + 1).unwrap(), a, b),
        3 => to.unmap_buffer(id),
        4 => to.release(kind_of, id),
        5 => to.create_shader(id, text, &text.repeat(100)),
        6 => {
            let entry = |binding_number: &u32| LayoutEntry {
                binding: *binding_number,
                kind: binding,
                dynamic_offset: !texture && a % 2 == 0,
                visible: b % 2 == 0,
                min_size: if texture { 0 } else { b },
                texture: texture.then_some(TextureBinding {
                    format,
                    dimension: ViewDimension::from_code(b as u32 % 4 + 1).unwrap(),
                }),
            };
            to.create_bind_group_layout(id, text, &list.iter().map(entry).collect::<Vec<_>>());
        }
        7 => to.create_pipeline_layout(id, text, list, low),
        8 => {
            let names: Vec<String> = list.iter().map(|n| format!("{text}{n}")).collect();
            let constants: Vec<_> = names.iter().map(|name| (&**name, f64::from_bits(b))).collect();
            let entry = (!text.is_empty()).then_some(&**text);
            to.create_compute_pipeline(id, text, low, id, entry, b % 2 == 0, constants.into_iter());
        }
        9 => to.get_bind_group_layout(id, id, low),
        10 => {
            let entry =
                |resource: &u32| BindGroupEntry { binding: low, resource: *resource, offset: a, size: b };
            to.create_bind_group(id, text, id, &list.iter().map(entry).collect::<Vec<_>>());
        }
        11 => to.create_error(kind_of, id, class, text),
        12 => to.report_error(class, text),
        13 => to.write_buffer(id, a, text.as_bytes()).unwrap(),
        14 => to.push_error_scope(class),
        15 => to.pop_error_scope(),
        16 => {
            let dimension = TextureDimension::from_code(low % 3 + 1).unwrap();
            let shape =
                TextureShape { usage: low, format, dimension, size: [low, id, b as u32], mip_levels: id };
            to.create_texture(id, &shape, text);
        }
        17 => to.destroy_texture(id),
        20 => to.create_query_set(id, QueryKind::Timestamp, low, text),
        21 => to.destroy_query_set(id),
        18 => {
            let shape = ViewShape {
                dimension: ViewDimension::from_code(low % 5),
                base_mip_level: low,
                mip_levels: list.first().copied(),
                base_layer: b as u32,
                layers: list.get(1).copied(),
            };
            to.create_texture_view(id, id, &shape, text);
        }
        _ => to.submit(list),
    }
}

fn recorded_command(to: &mut Encoder, pass: bool, (kind, id, a, b, text, list): &Seed) {
    let (id, a, b, low) = (*id, *a, *b, *a as u32);
    let texels = TexelBuffer {
        buffer: id,
        offset: a,
        bytes_per_row: list.first().copied(),
        rows_per_image: list.get(1).copied(),
    };
    let place = TexelPlace { texture: id, mip_level: low, origin: [low, id, b as u32] };
    match (pass, kind % 13) {
        (_, 0) => to.push_debug_group(text),
        (_, 1) => to.pop_debug_group(),
        (_, 2) => to.insert_debug_marker(text),
        (_, 3) => to.invalidate(text),
        (_, 11) => to.write_timestamp(id, low),
        (true, 4) => to.set_pipeline(id),
        (true, 5) => to.set_bind_group(low, id, list),
        (true, 6) => to.set_immediates(low, text.as_bytes()).unwrap(),
        (true, _) if b % 2 == 0 => to.dispatch(low, id, low),
        (true, _) => to.dispatch_indirect(id, b),
        (false, 4 | 5) => to.copy_buffer(id, a, id, b, a),
        (false, 6) => to.copy_buffer_to_texture(&texels, &place, [low, low, id]),
        (false, 7) => to.copy_texture_to_buffer(&place, &texels, [low, low, id]),
        (false, 12) => to.resolve_queries(id, low, low, id, b),
        (false, 8) => to.copy_texture(&place, &place, [low, low, id]),
        (false, _) => to.clear_buffer(id, a, b),
    }
}

fn encode(seeds: &[Seed]) -> Encoder {
    let mut to = Encoder::new();
    for (place, seed) in seeds.iter().enumerate() {
        match place % 4 {
            0 | 1 => device_command(&mut to, seed),
            2 => {
                to.begin_commands(seed.1, &seed.4);
                recorded_command(&mut to, false, seed);
                to.end_commands();
            }
            _ => {
                to.begin_commands(seed.1, "");
                if seed.2 % 3 == 0 {
                    to.begin_timed_pass(seed.1, seed.5.first().copied(), seed.5.get(1).copied(), &seed.4);
                } else {
                    to.begin_pass(&seed.4);
                }
                recorded_command(&mut to, true, seed);
                to.end_pass();
                to.end_commands();
            }
        }
    }
    to
}

/// Decodes and encodes again.
fn again(stream: &[u8]) -> Option<Vec<u8>> {
    let mut to = Encoder::new();
    for command in Commands::new(stream) {
        to.push(&command.ok()?).unwrap();
    }
    Some(to.take())
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(seeds in seeds()) {
        let stream = encode(&seeds).take();
        prop_assert!(stream.len().is_multiple_of(4));
        prop_assert!(Commands::check(&stream).is_ok());
        prop_assert_eq!(again(&stream), Some(stream));
    }

    #[test]
    fn a_changed_stream_is_refused_or_canonical(
        seeds in seeds(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut stream = encode(&seeds).take();
        if stream.is_empty() {
            return Ok(());
        }
        for (at, byte) in &changes {
            let at = at.index(stream.len());
            stream[at] = *byte;
        }
        if changes.len() == 3 {
            stream.truncate(cut.index(stream.len()));
        }
        let checked = Commands::check(&stream);
        match again(&stream) {
            Some(bytes) => {
                prop_assert!(checked.is_ok());
                prop_assert_eq!(bytes, stream);
            }
            None => {
                let error = checked.unwrap_err();
                prop_assert!(error.offset <= stream.len());
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = Commands::check(&bytes);
        let _ = RecordRef::from_bytes(&bytes);
        let _ = OpenRequest::from_bytes(&bytes);
        let _ = Caps::from_bytes(&bytes);
        let _ = PollState::from_bytes(&bytes);
    }

    #[test]
    fn random_payloads_never_panic(which in 0..50_usize, payload in prop::collection::vec(any::<u8>(), 0..256)) {
        let ops: Vec<u16> = (1..0x17).chain(0x101..0x111).chain(0x201..0x206).collect();
        let mut payload = payload;
        payload.resize(payload.len() / 4 * 4, 0);
        let mut stream = ops[which % ops.len()].to_le_bytes().to_vec();
        stream.extend_from_slice(&[0, 0]);
        stream.extend_from_slice(&(8 + payload.len() as u32).to_le_bytes());
        stream.extend_from_slice(&payload);
        if Commands::check(&stream).is_ok() {
            prop_assert_eq!(again(&stream), Some(stream));
        }
    }

    #[test]
    fn records_survive(subject: u32, code in 1..4_u32, places: [u32; 4], text in ".{0,64}", times in 1..200_usize) {
        let text = text.repeat(times);
        for kind in [RecordKind::Uncaptured, RecordKind::Scope, RecordKind::Shader] {
            let [line, column, offset, length] = places;
            let record = Record { kind, subject, code, line, column, offset, length, text: text.clone() };
            let bytes = record.to_bytes();
            prop_assert!(bytes.len() <= fizz_gpu_abi::MAX_RECORD);
            let read = RecordRef::from_bytes(&bytes).unwrap().to_owned();
            prop_assert!(text.starts_with(&read.text));
            prop_assert!(text.len() > 8000 || text == read.text);
            prop_assert_eq!(Record { text: text.clone(), ..read }, record);
            prop_assert!(RecordRef::from_bytes(&bytes[..bytes.len() - 1]).is_err());
        }
    }
}

#[test]
fn after_an_error_the_iterator_ends() {
    let mut commands = Commands::new(&[1, 2, 3]);
    assert!(commands.next().unwrap().is_err());
    assert!(commands.next().is_none());
}

#[test]
fn every_command_has_a_name_and_a_place() {
    for number in 0..=u16::MAX {
        let stream: Vec<u8> = [number.to_le_bytes(), [0, 0], [8, 0], [0, 0]].concat();
        let refused = Commands::check(&stream);
        let known = op::name(number) != "unknown command";
        let unknown = matches!(refused, Err(error) if error.fault == fizz_gpu_abi::Fault::UnknownOp);
        assert_eq!(known, !unknown, "{number:#x}");
    }
}

#[test]
fn labels_are_cut_at_a_character() {
    let mut to = Encoder::new();
    to.create_buffer(1, 8, 4, false, &"é".repeat(1000));
    let bytes = to.take();
    let Some(Ok(Command::CreateBuffer { label, .. })) = Commands::new(&bytes).next() else { panic!() };
    assert_eq!(label, "é".repeat(512));
    assert!(to.write_buffer(1, 0, &vec![0; fizz_gpu_abi::MAX_INLINE + 1]).is_err());
    assert!(to.set_immediates(0, &vec![0; fizz_gpu_abi::MAX_INLINE + 1]).is_err());
    assert!(to.is_empty());
}

#[test]
fn requests_and_states_survive() {
    let request = OpenRequest { version: VERSION, class: Class::Exact, features: 7 };
    assert_eq!(OpenRequest::from_bytes(&request.to_bytes()), Ok(request));
    let state = PollState { submitted: 1, records: 2, scopes: 3 };
    assert_eq!(PollState::from_bytes(&state.to_bytes()), Ok(state));
    let bytes: Vec<u8> = (0..Caps::SIZE as u32).map(|n| n as u8).collect();
    assert_eq!(Caps::from_bytes(&bytes).unwrap().to_bytes()[..], bytes);
    assert_eq!(Caps::SIZE, 132);
}
