//! A guest in miniature, played here and in another process.

use super::roles::{LONG, adapter, command};
use fizz_gpu::{Adapters, Choice};
use fizz_gpu_abi::host::{Quotas, Session, Sessions, Stop};
use fizz_gpu_abi::{BindGroupEntry, Caps, Class, Encoder, MAX_RECORD, OpenRequest, PollState, WHOLE, usage};
use fizz_gpu_process::{GpuProcess, Transport};

pub const QUOTAS: Quotas = Quotas {
    class: Class::Fast,
    gas: 1_000_000_000_000,
    bytes: 4 << 30,
    objects: 4096,
    shaders: 256,
    shader_bytes: 256 << 10,
    stream_bytes: 1 << 20,
    invocations: 1 << 28,
};

const DOUBLE: &str = "
    @group(0) @binding(0) var<storage, read_write> data: array<u32>;
    @compute @workgroup_size(64)
    fn main(@builtin(global_invocation_id) id: vec3u) {
        if (id.x < arrayLength(&data)) { data[id.x] *= 2u; }
    }";

/// Opens, and makes a pipeline 2 of the WGSL, with a group 5 of one buffer 4 of so many words.
pub fn prepare(session: &mut dyn Session, wgsl: &str, words: u64) -> Result<(), Stop> {
    session.open(&OpenRequest::new(Class::Fast).to_bytes(), &mut [0; Caps::SIZE])?;
    let mut to = Encoder::new();
    to.create_shader(1, "", wgsl);
    to.create_compute_pipeline(2, "", 0, 1, None, true, [].into_iter());
    to.get_bind_group_layout(3, 2, 0);
    to.create_buffer(4, usage::STORAGE | usage::COPY_SRC | usage::COPY_DST, words * 4, false, "");
    to.create_bind_group(5, "", 3, &[BindGroupEntry { binding: 0, resource: 4, offset: 0, size: WHOLE }]);
    session.submit(to.as_bytes()).map(|_| ())
}

pub fn dispatch(session: &mut dyn Session, groups: u32) -> Result<i64, Stop> {
    dispatches(session, groups, 1)
}

pub fn dispatches(session: &mut dyn Session, groups: u32, times: u32) -> Result<i64, Stop> {
    let mut to = Encoder::new();
    to.begin_commands(6, "");
    to.begin_pass("");
    to.set_pipeline(2);
    to.set_bind_group(0, 5, &[]);
    for _ in 0..times {
        to.dispatch(groups, 1, 1);
    }
    to.end_pass();
    to.end_commands();
    to.submit(&[6]);
    session.submit(to.as_bytes())
}

/// Every call, with right and wrong arguments; all answers as words.
fn play(session: &mut dyn Session) -> Vec<String> {
    let mut said = Vec::new();
    let mut say = |what: String| said.push(what);
    say(format!("before open: {:?}", session.submit(&[])));
    say(format!("no request: {:?}", session.open(&[1, 2, 3], &mut [0; 9])));
    let mut small = [7; 9];
    say(format!(
        "no room: {:?} {small:?}",
        session.open(&OpenRequest::new(Class::Fast).to_bytes(), &mut small)
    ));
    let mut caps = [0; Caps::SIZE + 8];
    say(format!("open: {:?}", session.open(&OpenRequest::new(Class::Fast).to_bytes(), &mut caps)));
    say(format!(
        "again: {:?} {caps:?}",
        session.open(&OpenRequest::new(Class::Fast).to_bytes(), &mut [0; 999])
    ));
    say(format!("prepared: {:?}", prepare(session, DOUBLE, 256 << 10)));
    let data: Vec<u8> = (0..1 << 20).map(|index| (index * 7 % 251) as u8 & 0x7f).collect();
    say(format!("write: {:?}", session.write(4, 0, &data)));
    say(format!("write nothing: {:?}", session.write(4, 0, &[])));
    say(format!("write outside: {:?}", session.write(4, 4, &data)));
    say(format!("dispatch: {:?}", dispatch(session, 4096)));
    say(format!("wait: {:?} {:?} {:?}", session.wait(-1, 0), session.wait(2, 5), session.wait(99, 0)));
    let mut read = vec![1; data.len()];
    say(format!("read: {:?}", session.read(4, 0, &mut read)));
    let words = |bytes: &[u8]| -> Vec<u32> {
        bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
    };
    let doubled: Vec<u32> = words(&data).iter().map(|word| word * 2).collect();
    assert!(words(&read) == doubled, "another product");
    say(format!("read nothing: {:?}", session.read(4, 0, &mut [])));
    say(format!("read outside: {:?} {}", session.read(4, 8, &mut read), words(&read) == doubled));
    say(format!("read odd: {:?}", session.read(4, 0, &mut [0; 3])));
    let mut state = [0; PollState::SIZE];
    say(format!("poll: {:?} {state:?}", session.poll(&mut state)));
    say(format!("no room: {:?}", session.take_error(&mut [0; 2])));
    let mut record = vec![0; MAX_RECORD + 100];
    loop {
        let size = session.take_error(&mut record);
        say(format!("record: {size:?} {:?}", &record[..size.clone().map_or(0, |size| size.max(0) as usize)]));
        if size.is_err() || size == Ok(0) {
            break;
        }
    }
    say(format!("gas: {}", session.gas()));
    say(format!("close: {:?} {:?}", session.close(), session.close()));
    say(format!("open: {:?}", session.open(&OpenRequest::new(Class::Fast).to_bytes(), &mut caps)));
    say(format!("a stream too long: {:?}", session.submit(&vec![0; (QUOTAS.stream_bytes + 1) as usize])));
    say(format!("after the end: {:?} {:?}", session.wait(-1, 0), session.gas()));
    said
}

pub fn answers_are_those_of_a_session_here() {
    if !adapter() {
        return;
    }
    let hardware = Adapters::list().choose(&Choice::Auto).unwrap();
    let here = play(&mut *hardware.session(&QUOTAS).unwrap());
    assert!(here.iter().any(|said| said.contains("do not fit")) || here.len() > 20, "{here:#?}");
    for transport in [Transport::Best, Transport::Copying, Transport::Pipes] {
        let gpu = GpuProcess::start(command("hardware", &[], transport), LONG).unwrap();
        assert_eq!(gpu.identity(), hardware.identity());
        let mut session = gpu.session(&QUOTAS).unwrap();
        assert_eq!(session.wants_memory(), transport == Transport::Best && cfg!(target_os = "linux"));
        assert_eq!(play(&mut *session), here, "{transport:?}");
    }
    // A stream that breaks the rules ends both in the same words.
    let broken = |sessions: &dyn Sessions| {
        let mut session = sessions.session(&QUOTAS).unwrap();
        prepare(&mut *session, DOUBLE, 64).unwrap();
        (session.submit(&[1, 2, 3, 4]), session.gas())
    };
    let gpu = GpuProcess::start(command("hardware", &[], Transport::Best), LONG).unwrap();
    let there = broken(&gpu);
    assert!(matches!(there.0, Err(Stop::Protocol(_))), "{there:?}");
    assert_eq!(there, broken(&hardware));
}

pub fn a_session_leaves_its_process_to_the_next() {
    if !adapter() {
        return;
    }
    let gpu = GpuProcess::start(command("hardware", &[], Transport::Best), LONG).unwrap();
    let before = super::faults::children();
    for _ in 0..3 {
        let mut session = gpu.session(&QUOTAS).unwrap();
        prepare(&mut *session, DOUBLE, 64).unwrap();
        // A stop of the guest's own says nothing against the process.
        assert!(session.submit(&[9]).is_err());
    }
    assert_eq!(super::faults::children(), before);
    // Two at once have two.
    let (one, two) = (gpu.session(&QUOTAS).unwrap(), gpu.session(&QUOTAS).unwrap());
    assert_eq!(super::faults::children().len(), before.len() + 1);
    drop((one, two, gpu));
    assert_eq!(super::faults::children().len(), before.len() - 1);
}
