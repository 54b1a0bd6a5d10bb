//! The tables of `STREAM.md` against the code; and its payload column as a schema, with which the vectors are read.

use crate::vectors;
use fizz_gpu_abi::{
    BindingKind, Caps, Class, Commands, Encoder, ErrorClass, Fault, HEADER, MAX_INLINE, MAX_QUERIES,
    MAX_RECORD, MAX_RECORDS, MAX_SCOPES, MAX_TEXT, MAX_UNCAPTURED, MapMode, NOT_GIVEN, ObjectKind,
    OpenRequest, QueryKind, RecordKind, Severity, TextureDimension, TextureFormat, VERSION, ViewDimension,
    WHOLE, features, imports, op, status, texture_usage, usage,
};
use std::collections::BTreeMap;
use std::fmt::Debug;

const DOCUMENT: &str = include_str!("../../STREAM.md");

/// The rows of the table whose first column has this heading, without their bars and quotes.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let start = format!("| {heading} |");
    let mut lines = DOCUMENT.lines().skip_while(|line| !line.starts_with(&start));
    assert!(lines.next().is_some(), "no table begins with {heading}");
    let rows = lines.skip(1).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect())
        .collect()
}

/// Number and name of a table's rows.
fn numbers(heading: &str) -> Vec<(i64, &'static str)> {
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).unwrap(),
        None => text.parse().unwrap(),
    };
    table(heading).iter().map(|row| (number(row[0]), row[1])).collect()
}

fn coded<T: Debug>(from_code: impl Fn(u32) -> Option<T>) -> Vec<(i64, String)> {
    (0..64).filter_map(|code| Some((i64::from(code), format!("{:?}", from_code(code)?)))).collect()
}

#[test]
fn enumerations_are_those_of_the_code() {
    let tables = [
        ("class", coded(Class::from_code)),
        ("kind", coded(ObjectKind::from_code)),
        ("binding kind", coded(BindingKind::from_code)),
        ("mode", coded(MapMode::from_code)),
        ("query kind", coded(QueryKind::from_code)),
        ("format", coded(TextureFormat::from_code)),
        ("texture dimension", coded(TextureDimension::from_code)),
        ("view dimension", coded(ViewDimension::from_code)),
        ("error class", coded(ErrorClass::from_code)),
        ("record kind", coded(RecordKind::from_code)),
        ("severity", coded(Severity::from_code)),
    ];
    for (heading, code) in tables {
        let said: Vec<_> = numbers(heading).into_iter().map(|(code, name)| (code, name.to_owned())).collect();
        assert_eq!(said, code, "{heading}");
    }
}

#[test]
fn texels_have_the_bytes_of_the_table() {
    for row in table("format") {
        let format = TextureFormat::from_code(row[0].parse().unwrap()).unwrap();
        assert_eq!(row[2], format.texel_bytes().to_string(), "{format:?}");
    }
}

#[test]
fn constants_are_those_of_the_code() {
    let statuses = [
        (status::OK, "OK"),
        (status::NO_GPU, "NO_GPU"),
        (status::NOT_OPEN, "NOT_OPEN"),
        (status::ALREADY_OPEN, "ALREADY_OPEN"),
        (status::UNSUPPORTED, "UNSUPPORTED"),
        (status::BAD_REQUEST, "BAD_REQUEST"),
        (status::INVALID, "INVALID"),
        (status::TOO_SMALL, "TOO_SMALL"),
        (status::BAD_SERIAL, "BAD_SERIAL"),
    ];
    assert_eq!(numbers("status"), statuses.map(|(code, name)| (i64::from(code), name)));
    let bits = [
        (features::IMMEDIATES, "IMMEDIATES"),
        (features::INDIRECT_DISPATCH, "INDIRECT_DISPATCH"),
        (features::STORAGE_TEXTURES, "STORAGE_TEXTURES"),
        (features::TIMESTAMPS, "TIMESTAMPS"),
    ];
    assert_eq!(numbers("feature"), bits.map(|(bit, name)| (bit.cast_signed(), name)));
    let usages = [
        (usage::MAP_READ, "MAP_READ"),
        (usage::MAP_WRITE, "MAP_WRITE"),
        (usage::COPY_SRC, "COPY_SRC"),
        (usage::COPY_DST, "COPY_DST"),
        (usage::UNIFORM, "UNIFORM"),
        (usage::STORAGE, "STORAGE"),
        (usage::INDIRECT, "INDIRECT"),
        (usage::INDEX, "INDEX"),
        (usage::VERTEX, "VERTEX"),
        (usage::QUERY_RESOLVE, "QUERY_RESOLVE"),
    ];
    assert_eq!(numbers("usage"), usages.map(|(bit, name)| (i64::from(bit), name)));
    assert_eq!(usages.iter().fold(0, |all, (bit, _)| all | bit), usage::ALL);
    let usages = [
        (texture_usage::COPY_SRC, "COPY_SRC"),
        (texture_usage::COPY_DST, "COPY_DST"),
        (texture_usage::TEXTURE_BINDING, "TEXTURE_BINDING"),
        (texture_usage::STORAGE_BINDING, "STORAGE_BINDING"),
    ];
    assert_eq!(numbers("texture usage"), usages.map(|(bit, name)| (i64::from(bit), name)));
    assert_eq!(usages.iter().fold(0, |all, (bit, _)| all | bit), texture_usage::ALL);
    let imports: Vec<&str> = table("import").iter().map(|row| row[0]).collect();
    assert_eq!(imports, imports::ALL);
    // Numbers in the text.
    let sentences = [
        format!("# The GPU command stream, version {VERSION}\n"),
        format!("the import module `{}`", imports::MODULE),
        format!("The answer has {} bytes", Caps::SIZE),
        format!("a text of at most {MAX_TEXT} bytes"),
        format!("of at most {MAX_INLINE} bytes |"),
        format!("The size {WHOLE:#x} means"),
        format!("The number {NOT_GIVEN:#x} means"),
        format!("from 1 to {MAX_QUERIES} queries"),
        format!("fewer than {HEADER} bytes are left"),
        format!("at most {MAX_SCOPES} are open"),
        format!("{MAX_RECORDS} of them may\nwait"),
        format!("beyond {MAX_UNCAPTURED} waiting ones are dropped"),
        format!("at most {MAX_RECORD}\nbytes"),
    ];
    for sentence in sentences {
        assert!(DOCUMENT.contains(&sentence), "{sentence}");
    }
}

/// Names of the table of faults, which are those of the code.
pub(crate) fn faults() -> Vec<String> {
    let code = [
        Fault::TruncatedHeader,
        Fault::UnknownOp,
        Fault::Flags,
        Fault::Size,
        Fault::Short,
        Fault::Trailing,
        Fault::Padding,
        Fault::Text,
        Fault::TooLong,
        Fault::ZeroId,
        Fault::Value(""),
        Fault::Misplaced,
        Fault::Unclosed,
    ]
    .map(vectors::fault_name);
    let said: Vec<&str> = table("fault").iter().map(|row| row[0]).collect();
    assert_eq!(said, code);
    code.to_vec()
}

#[test]
fn capabilities_lie_where_the_table_says() {
    let bytes: Vec<u8> = (1..=Caps::SIZE as u8).collect();
    let mut said = Vec::new();
    let mut at = 0;
    for row in table("offset") {
        assert_eq!(row[0], at.to_string());
        let size = if row[1] == "u64" { 8 } else { 4 };
        let value =
            bytes[at..at + size].iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        said.push(format!("{}={value}", row[2]));
        at += size;
    }
    assert_eq!(at, Caps::SIZE);
    let caps = Caps::from_bytes(&bytes).unwrap();
    assert_eq!(crate::describe::caps(&caps), said.join(" "));
}

#[test]
fn commands_have_the_numbers_names_and_places_of_the_table() {
    let rows = table("op");
    let said: BTreeMap<u16, &str> = numbers("op").iter().map(|(op, name)| (*op as u16, *name)).collect();
    let code: BTreeMap<u16, &str> =
        (0..=u16::MAX).map(|op| (op, op::name(op))).filter(|(_, name)| *name != "unknown command").collect();
    assert_eq!((said, rows.len()), (code.clone(), code.len()));
    for vector in vectors::all().iter().filter(|vector| vector.kind == "command") {
        let name = vector.says.split(' ').next().unwrap();
        let row = rows.iter().find(|row| row[1] == name).unwrap();
        for (place, before) in [
            ("outside", &[] as &[Bracket]),
            ("commands", &[Bracket::Commands]),
            ("pass", &[Bracket::Commands, Bracket::Pass]),
        ] {
            let mut stream = opened(before);
            stream.extend_from_slice(&vector.bytes);
            let refused = Commands::new(&stream).find_map(Result::err).map(|error| error.fault);
            let allowed = row[2].split(", ").any(|allowed| allowed == place);
            assert_eq!(refused != Some(Fault::Misplaced), allowed, "{name} in {place}");
        }
    }
}

enum Bracket {
    Commands,
    Pass,
}

/// The beginning of a stream in which brackets are open.
fn opened(brackets: &[Bracket]) -> Vec<u8> {
    let mut to = Encoder::new();
    for bracket in brackets {
        match bracket {
            Bracket::Commands => to.begin_commands(1, ""),
            Bracket::Pass => to.begin_pass(""),
        }
    }
    to.take()
}

/// Fields of the payload column: name and type; a list's fields are behind its name.
fn fields(column: &str) -> Vec<(&str, &str)> {
    let mut rest = column;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (name, after) = rest.split_once(": ").unwrap();
        let end = if after.starts_with('[') {
            after.find(']').unwrap() + 1
        } else {
            after.find(',').unwrap_or(after.len())
        };
        found.push((name, &after[..end]));
        rest = after[end..].trim_start_matches(", ");
    }
    found
}

/// Reads bytes by a schema alone, into the words of the vectors.
struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    fn number(&mut self, size: usize) -> u64 {
        let (head, tail) = self.0.split_at(size);
        self.0 = tail;
        head.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    fn data(&mut self) -> Vec<u8> {
        let len = self.number(4) as usize;
        let (head, tail) = self.0.split_at(len.next_multiple_of(4));
        self.0 = tail;
        head[..len].to_vec()
    }

    fn value(&mut self, kind: &str) -> String {
        match kind {
            "u32" | "id" | "id0" => self.number(4).to_string(),
            "zero" => {
                let zero = self.number(4);
                assert_eq!(zero, 0);
                zero.to_string()
            }
            "u64" => self.number(8).to_string(),
            "f64" => format!("{:?}", f64::from_bits(self.number(8))),
            "text" | "label" => {
                let text = String::from_utf8(self.data()).unwrap();
                format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
            }
            "bytes" => format!("x{}", hex::encode(self.data())),
            list => {
                let inner = fields(list.trim_matches(['[', ']']));
                let items: Vec<String> =
                    (0..self.number(4)).map(|_| format!("{{{}}}", self.all(&inner))).collect();
                format!("[{}]", items.join(" "))
            }
        }
    }

    fn all(&mut self, fields: &[(&str, &str)]) -> String {
        let said = fields.iter().map(|(name, kind)| format!("{name}={}", self.value(kind)));
        said.collect::<Vec<String>>().join(" ")
    }
}

#[test]
fn vectors_read_by_the_table_alone_say_what_they_say() {
    let rows = table("op");
    for vector in vectors::all().iter().filter(|vector| vector.kind == "command") {
        let mut from = Reader(&vector.bytes);
        let (op, flags, size) = (from.number(2), from.number(2), from.number(4));
        assert_eq!((flags, size), (0, vector.bytes.len() as u64), "{}", vector.says);
        let row = rows.iter().find(|row| row[0] == format!("{op:#06x}")).unwrap();
        let said = format!("{} {}", row[1], from.all(&fields(row[3])));
        assert_eq!(said.trim_end(), vector.says);
        assert!(from.0.is_empty(), "{}", vector.says);
    }
}

/// The header for guests in C, without its comments.
fn c_header() -> String {
    let text = include_str!("../../../../sdk/c/include/fizz.h");
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn the_c_header_has_the_same_numbers() {
    let header = c_header();
    let number = |name: &str| {
        let (_, after) =
            header.split_once(&format!("FIZZ_GPU_{name} = ")).unwrap_or_else(|| panic!("{name}"));
        let value = after.split([',', ';', ' ', '\n']).next().unwrap();
        match value.strip_prefix("0x") {
            Some(digits) => i64::from_str_radix(digits, 16).unwrap(),
            None => value.parse().unwrap(),
        }
    };
    for (value, name) in ["op", "status", "feature"].into_iter().flat_map(numbers) {
        assert_eq!(number(name), value, "{name}");
    }
    for (value, name) in numbers("texture usage") {
        assert_eq!(number(&format!("TEXTURE_{}", name.trim_start_matches("TEXTURE_"))), value, "{name}");
    }
    for (value, name) in numbers("format") {
        assert_eq!(number(&format!("FORMAT_{}", name.to_uppercase())), value, "{name}");
    }
    for (value, name) in numbers("texture dimension") {
        assert_eq!(number(&format!("TEXTURE_{}", name.to_uppercase())), value, "{name}");
    }
    for (value, name) in numbers("view dimension") {
        assert_eq!(number(&format!("VIEW_{}", name.to_uppercase())), value, "{name}");
    }
    let others = [
        ("VERSION", i64::from(VERSION)),
        ("FAST", i64::from(Class::Fast.code())),
        ("EXACT", i64::from(Class::Exact.code())),
        ("JOB", i64::from(Class::Job.code())),
        ("REQUEST_SIZE", OpenRequest::SIZE as i64),
        ("CAPS_SIZE", Caps::SIZE as i64),
        ("HEADER", HEADER as i64),
        ("MAX_TEXT", MAX_TEXT as i64),
        ("MAX_INLINE", MAX_INLINE as i64),
        ("MAX_RECORD", MAX_RECORD as i64),
        ("MAX_SCOPES", MAX_SCOPES as i64),
        ("BUFFER", i64::from(ObjectKind::Buffer.code())),
        ("SHADER", i64::from(ObjectKind::Shader.code())),
        ("BIND_GROUP_LAYOUT", i64::from(ObjectKind::BindGroupLayout.code())),
        ("PIPELINE_LAYOUT", i64::from(ObjectKind::PipelineLayout.code())),
        ("COMPUTE_PIPELINE", i64::from(ObjectKind::ComputePipeline.code())),
        ("BIND_GROUP", i64::from(ObjectKind::BindGroup.code())),
        ("COMMAND_BUFFER", i64::from(ObjectKind::CommandBuffer.code())),
        ("TEXTURE", i64::from(ObjectKind::Texture.code())),
        ("TEXTURE_VIEW", i64::from(ObjectKind::TextureView.code())),
        ("QUERY_SET", i64::from(ObjectKind::QuerySet.code())),
        ("TIMESTAMP", i64::from(QueryKind::Timestamp.code())),
        ("WRITE_ONLY_TEXTURE", i64::from(BindingKind::WriteOnlyTexture.code())),
        ("READ_ONLY_TEXTURE", i64::from(BindingKind::ReadOnlyTexture.code())),
        ("READ_WRITE_TEXTURE", i64::from(BindingKind::ReadWriteTexture.code())),
        ("NOT_GIVEN", i64::from(NOT_GIVEN)),
        ("UNIFORM", i64::from(BindingKind::Uniform.code())),
        ("STORAGE", i64::from(BindingKind::Storage.code())),
        ("READ_ONLY_STORAGE", i64::from(BindingKind::ReadOnlyStorage.code())),
        ("MAP_READ", i64::from(MapMode::Read.code())),
        ("MAP_WRITE", i64::from(MapMode::Write.code())),
        ("VALIDATION", i64::from(ErrorClass::Validation.code())),
        ("OUT_OF_MEMORY", i64::from(ErrorClass::OutOfMemory.code())),
        ("INTERNAL", i64::from(ErrorClass::Internal.code())),
        ("UNCAPTURED", i64::from(RecordKind::Uncaptured.code())),
        ("SCOPE", i64::from(RecordKind::Scope.code())),
        ("SHADER_MESSAGE", i64::from(RecordKind::Shader.code())),
    ];
    for (name, value) in others {
        assert_eq!(number(name), value, "{name}");
    }
    let (_, caps) = header.split_once("struct fizz_gpu_caps {").unwrap();
    let (caps, _) = caps.split_once('}').unwrap();
    let fields: Vec<String> = caps.split(';').map(|field| field.trim().replace("_t ", " ")).collect();
    let said = table("offset").into_iter().map(|row| {
        let name = if row[2] == "class" { "class_" } else { row[2] };
        format!("{} {name}", if row[1] == "u64" { "uint64" } else { "uint32" })
    });
    assert_eq!(fields[..fields.len() - 1], said.collect::<Vec<String>>());
    for import in imports::ALL {
        let declared = format!("FIZZ_GPU_IMPORT(\"{import}\")\n");
        let (_, after) = header.split_once(&declared).unwrap_or_else(|| panic!("{import}"));
        assert!(after.split('(').next().unwrap().ends_with(&format!(" fizz_gpu_{import}")), "{import}");
    }
}
