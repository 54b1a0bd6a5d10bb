//! Runs the probe, as a guest would: through a session of the class exact.

use super::groups::{self, CONTROLS, GROUPS, Group};
use super::texels;
use fizz_gpu_abi::host::{HostFault, Quotas, Session, Sessions, Stop};
use fizz_gpu_abi::{
    BindGroupEntry, Caps, Class, Encoder, MAX_RECORD, OpenRequest, RecordRef, WHOLE, status, usage,
};

/// Invocations of each group: every special number with every other, and others.
pub(super) const INVOCATIONS: usize = 4096;
pub(super) const STORAGE: u32 = usage::STORAGE | usage::COPY_SRC | usage::COPY_DST;

const QUOTAS: Quotas = Quotas {
    class: Class::Exact,
    gas: 1 << 50,
    bytes: 64 << 20,
    objects: 256,
    shaders: 64,
    shader_bytes: 64 << 10,
    stream_bytes: 1 << 20,
    invocations: 1 << 20,
};

/// A name and what was computed under it, as hexadecimal digits.
pub(super) type Found = (&'static str, String);

/// What a device computes.
///
/// # Errors
/// Why it computes nothing.
pub(super) fn probe(device: &dyn Sessions) -> Result<Vec<Found>, String> {
    let mut guest = Guest::open(device)?;
    let input = guest.buffer(&groups::inputs(INVOCATIONS));
    let mut found = Vec::new();
    for group in CONTROLS.iter().chain(&GROUPS) {
        found.push((group.name, guest.group(group, input)?));
    }
    for (name, wgsl) in SHADERS {
        found.push((name, guest.shader(name, wgsl, input)?));
    }
    for operation in
        ["atomicAdd", "atomicSub", "atomicMin", "atomicMax", "atomicAnd", "atomicOr", "atomicXor"]
    {
        found.push((operation, guest.shader(operation, &ATOMICS.replace("OPERATION", operation), input)?));
    }
    found.extend(texels::probe(&mut guest, input)?);
    guest.close()?;
    Ok(found)
}

/// Shaders of their own: what invocations do together.
const SHADERS: [(&str, &str); 2] = [
    ("matrix product", include_str!("probe/product.wgsl")),
    ("reduction", include_str!("probe/reduction.wgsl")),
];
const ATOMICS: &str = include_str!("probe/atomics.wgsl");

/// Workgroups of those, and words of their output.
const WORKGROUPS: u32 = 16;
const WORDS: usize = 4096;

/// Turns of a loop after which a driver is known to end it.
const LONG_LOOP: &str = include_str!("probe/loop.wgsl");

/// Whether loops end by themselves: a loop that is cut short must be found out.
///
/// # Errors
/// When it was not, or nothing could be computed.
pub(super) fn loops(device: &dyn Sessions) -> Result<(), String> {
    let mut guest = Guest::open(device)?;
    let input = guest.buffer(&[0; 3]);
    match guest.run(LONG_LOOP, input, 1, 64) {
        Ok(words) if words.chunks_exact(4).all(|word| word == 70_000_u32.to_le_bytes()) => guest.close(),
        Ok(_) => Err("it ends a loop that the shader does not end, and that is not found out".to_owned()),
        Err(Failed::Stop(Stop::HostFault(HostFault::DeviceLost, text))) if text.contains("ended a loop") => {
            Ok(())
        }
        Err(Failed::Stop(stop)) => Err(stop.to_string()),
        Err(Failed::Refused(text)) => Err(text),
    }
}

/// Why a shader gave nothing.
pub(super) enum Failed {
    Stop(Stop),
    Refused(String),
}

impl From<Stop> for Failed {
    fn from(stop: Stop) -> Self {
        Failed::Stop(stop)
    }
}

impl From<Failed> for String {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Stop(stop) => stop.to_string(),
            Failed::Refused(text) => text,
        }
    }
}

/// A session that is asked.
pub(super) struct Guest {
    session: Box<dyn Session>,
    last: u32,
}

impl Guest {
    fn open(device: &dyn Sessions) -> Result<Guest, String> {
        let mut session = device.session(&QUOTAS).map_err(|stop| stop.to_string())?;
        let request = OpenRequest::new(Class::Exact).to_bytes();
        let opened = session.open(&request, &mut [0; Caps::SIZE]).map_err(|stop| stop.to_string())?;
        if opened < 0 {
            return Err(format!("no session: status {opened}"));
        }
        Ok(Guest { session, last: 0 })
    }

    fn close(mut self) -> Result<(), String> {
        self.session.close().map(drop).map_err(|stop| stop.to_string())
    }

    pub(super) fn id(&mut self) -> u32 {
        self.last += 1;
        self.last
    }

    fn buffer(&mut self, words: &[u32]) -> u32 {
        let id = self.id();
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut stream = Encoder::new();
        stream.create_buffer(id, STORAGE, bytes.len() as u64, false, "");
        // What fails here is told where the buffer is used.
        let _ = self.session.submit(stream.as_bytes()).and_then(|_| self.session.write(id, 0, &bytes));
        id
    }

    fn group(&mut self, group: &Group, input: u32) -> Result<String, String> {
        let wgsl = groups::shader(group, INVOCATIONS);
        let words = INVOCATIONS * group.expressions.len();
        let bytes = self.run(&wgsl, input, (INVOCATIONS / 64) as u32, words).map_err(String::from);
        bytes.map(|bytes| digest(&bytes)).map_err(|error| format!("{}: {error}", group.name))
    }

    fn shader(&mut self, name: &str, wgsl: &str, input: u32) -> Result<String, String> {
        let bytes = self.run(wgsl, input, WORKGROUPS, WORDS).map_err(String::from);
        bytes.map(|bytes| digest(&bytes)).map_err(|error| format!("{name}: {error}"))
    }

    /// Runs a shader on two buffers, and reads the second.
    fn run(&mut self, wgsl: &str, input: u32, workgroups: u32, words: usize) -> Result<Vec<u8>, Failed> {
        let [output, shader, pipeline, layout, group, commands] = [(); 6].map(|()| self.id());
        let mut stream = Encoder::new();
        stream.create_buffer(output, STORAGE, 4 * words as u64, false, "");
        stream.create_shader(shader, "probe", wgsl);
        stream.create_compute_pipeline(pipeline, "", 0, shader, None, true, [].into_iter());
        stream.get_bind_group_layout(layout, pipeline, 0);
        let entry = |binding, resource| BindGroupEntry { binding, resource, offset: 0, size: WHOLE };
        stream.create_bind_group(group, "", layout, &[entry(0, input), entry(1, output)]);
        stream.begin_commands(commands, "");
        stream.begin_pass("");
        stream.set_pipeline(pipeline);
        stream.set_bind_group(0, group, &[]);
        stream.dispatch(workgroups, 1, 1);
        stream.end_pass();
        stream.end_commands();
        stream.submit(&[commands]);
        self.finish(&stream, output, words)
    }

    /// Sends a stream, and reads what is in a buffer then.
    pub(super) fn finish(&mut self, stream: &Encoder, output: u32, words: usize) -> Result<Vec<u8>, Failed> {
        self.session.submit(stream.as_bytes())?;
        let mut bytes = vec![0; 4 * words];
        let answer = self.session.read(output, 0, &mut bytes)?;
        let mut record = vec![0; MAX_RECORD];
        match self.session.take_error(&mut record)? {
            0 if answer == status::OK => Ok(bytes),
            0 => Err(Failed::Refused(format!("status {answer}"))),
            _ => {
                let text =
                    RecordRef::from_bytes(&record).map_or(String::new(), |record| record.to_owned().text);
                Err(Failed::Refused(text))
            }
        }
    }
}

/// Sixteen bytes of BLAKE3.
pub(super) fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..32].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_the_probe_computes_is_exact() {
        let groups = CONTROLS.iter().chain(&GROUPS).map(|group| groups::shader(group, INVOCATIONS));
        let shaders = SHADERS.iter().map(|(_, wgsl)| (*wgsl).to_owned());
        let more = [ATOMICS.replace("OPERATION", "atomicXor"), LONG_LOOP.to_owned()];
        for wgsl in groups.chain(shaders).chain(more) {
            let checked = fizz_shader::check(&wgsl, "probe", &fizz_shader::ShaderLimits::default()).unwrap();
            assert_eq!(checked.classify("main"), [], "{wgsl}");
        }
    }
}
