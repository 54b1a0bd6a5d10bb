//! Jobs: canonical bytes, and what must hold of a job that passed its check.

use fizz_attest::{
    Canonical, InputFile, Job, MAX_ARG_BYTES, MAX_ARGS, MAX_PATH_BYTES, MAX_TASKS, OutputManifest, check_path,
};

use crate::memory;

/// Entries up to which paths are compared one with another.
const COMPARED: usize = 64;

/// - Decoding never panics and takes little more memory than there are bytes; what decodes encodes to the same bytes.
/// - The check says what an independent one says.
/// - Arguments, inputs and blobs of any task, there or not, can be asked for.
pub fn job(data: &[u8]) {
    let decoded = memory::within(memory::for_input(data.len()), || Job::from_canonical(data));
    if let Ok(job) = decoded {
        assert_eq!(job.to_canonical(), data, "two encodings of one job");
        let checked = memory::within(memory::for_input(data.len()), || job.check());
        if job.inputs.len() + job.tasks.iter().map(|task| task.inputs.len()).sum::<usize>() <= COMPARED {
            assert_eq!(checked.is_ok(), is_sound(&job), "{checked:?}");
        }
        assert_eq!(
            Job::decode(data).map_err(|error| error.to_string()),
            checked.map(|()| job.clone()).map_err(|error| error.to_string())
        );
        ask(&job);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        assert_eq!(check_path(text).is_ok(), is_plain(text));
    }
    if let Ok(manifest) = OutputManifest::from_canonical(data) {
        let paths: Vec<_> = manifest.files.iter().map(|entry| format!("/{}", entry.path)).collect();
        let sound = paths.iter().all(|path| is_plain(path))
            && paths.windows(2).all(|pair| pair[0] < pair[1])
            && (paths.len() > COMPARED || apart(&paths));
        if paths.len() <= COMPARED {
            assert_eq!(OutputManifest::decode(data).is_ok(), sound);
        }
    }
}

fn ask(job: &Job) {
    let count = u32::try_from(job.tasks.len()).expect("fewer tasks than bytes");
    for task in (0..count).take(4).chain([count, u32::MAX]) {
        let own = job.tasks.get(task as usize);
        let argv = job.argv(task);
        assert_eq!(argv.len(), 1 + job.args.len() + own.map_or(0, |task| task.args.len()));
        assert_eq!(argv[0], job.name);
        assert_eq!(job.task_inputs(task).count(), job.inputs.len() + own.map_or(0, |task| task.inputs.len()));
    }
    let blobs = job.blobs(0..=count);
    let mut apart = blobs.clone();
    apart.sort_unstable();
    apart.dedup();
    assert_eq!(apart.len(), blobs.len(), "a blob is named twice");
    assert_eq!(blobs[0], job.module.blob);
    for task in 0..count {
        assert!(job.task_inputs(task).all(|input| apart.binary_search(&input.blob).is_ok()));
        assert!(job.tasks[task as usize].stdin.is_none_or(|stdin| apart.binary_search(&stdin).is_ok()));
    }
}

/// What `Job::check` promises, said in another way.
fn is_sound(job: &Job) -> bool {
    let no_zero = |text: &String| !text.contains('\0');
    let environment = job
        .env
        .iter()
        .all(|(name, value)| !name.is_empty() && !name.contains('=') && no_zero(name) && no_zero(value));
    let paths = |inputs: &[InputFile]| inputs.iter().map(|input| input.path.clone()).collect::<Vec<_>>();
    job.v == 1
        && job.chunk_gas > 0
        && (1..=MAX_TASKS).contains(&job.tasks.len())
        && is_plain(&job.out)
        && no_zero(&job.name)
        && environment
        && job.args.iter().all(no_zero)
        && job.tasks.iter().all(|task| {
            let args = || job.args.iter().chain(&task.args);
            let bytes = args().map(String::len).sum::<usize>()
                + job.name.len()
                + job.env.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
            let files = [paths(&job.inputs), paths(&task.inputs)].concat();
            1 + args().count() + job.env.len() <= MAX_ARGS
                && bytes <= MAX_ARG_BYTES
                && args().all(no_zero)
                && files.iter().all(|path| is_plain(path))
                && apart(&files)
        })
}

fn is_plain(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    path.len() <= MAX_PATH_BYTES
        && parts.len() >= 2
        && parts[0].is_empty()
        && parts[1..].iter().all(|part| !["", ".", ".."].contains(part) && !part.contains('\0'))
}

/// Whether no two paths are equal, or one a folder of the other.
fn apart(paths: &[String]) -> bool {
    let below = |a: &str, b: &str| a == b || (a.starts_with(b) && a.as_bytes()[b.len()] == b'/');
    paths.iter().enumerate().all(|(i, a)| paths[..i].iter().all(|b| !below(a, b) && !below(b, a)))
}
