//! Joins the guest's imports to `wasi-common`'s 46 functions, on the engine of our choice.

use fizz_attest::{HostFault, TrapKind};
use wasi_common::snapshots::preview_1::types::{Errno, Rights};
use wasi_common::snapshots::preview_1::wasi_snapshot_preview1 as abi;
use wasmtime::{Caller, Linker};
use wiggle::{GuestError, GuestMemory};

use crate::host::{Ending, Host, Stop, host_call};
use crate::instrument::WASI_MODULE;

type AbiError = wasmtime_environ_46::error::Error;

/// Turns the answer of an interface function into an error number or the end of the run.
fn answer(host: &mut Host, result: Result<Result<i32, AbiError>, AbiError>) -> Result<i32, Stop> {
    let error = match result {
        Ok(Ok(errno)) => return Ok(errno),
        Ok(Err(error)) | Err(error) => error,
    };
    if host.meter.ending.is_some() {
        return Err(Stop);
    }
    match error.downcast_ref::<GuestError>().map(innermost) {
        // Flags and numbers that mean nothing are an error the guest can handle.
        Some(
            GuestError::InvalidFlagValue(_)
            | GuestError::InvalidEnumValue(_)
            | GuestError::TryFromIntError(_),
        ) => Ok(Errno::Inval as i32),
        Some(GuestError::InvalidUtf8(_)) => Ok(Errno::Ilseq as i32),
        Some(pointer) => Err(host.meter.end(Ending::Trap(TrapKind::BadHostCall, format!("WASI: {pointer}")))),
        None => Err(host.meter.end(Ending::Fault(HostFault::Internal, format!("WASI: {error}")))),
    }
}

fn innermost(error: &GuestError) -> &GuestError {
    match error {
        GuestError::InFunc { err, .. } => innermost(err),
        other => other,
    }
}

/// Rights are 64 flags, of which old toolchains set ones that never existed.
fn known_rights(rights: i64) -> i64 {
    rights & Rights::all().bits().cast_signed()
}

macro_rules! link {
    ($linker:ident; $($name:ident($($arg:ident: $ty:ty $(=> $map:path)?),*);)*) => {
        $(
            $linker.func_wrap(
                WASI_MODULE,
                stringify!($name),
                |mut caller: Caller<'_, Host>, $($arg: $ty),*| -> wasmtime::Result<i32> {
                    $($(let $arg = $map($arg);)?)*
                    host_call(&mut caller, |host, memory| {
                        if host.pages.is_some() {
                            host.touch(stringify!($name), memory, &[$(i64::from($arg)),*])?;
                        }
                        let mut memory = GuestMemory::Unshared(memory);
                        let call = abi::$name(host, &mut memory, $($arg),*);
                        let result = wiggle::run_in_dummy_executor(call);
                        answer(host, result)
                    })
                },
            )?;
        )*
        /// Every function but `proc_exit`, which has no answer.
        const ANSWERING: &[&str] = &[$(stringify!($name)),*];
    };
}

pub(crate) fn is_served(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Every function of the interface.
const NAMES: &[&str] = &[
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_advise",
    "fd_allocate",
    "fd_close",
    "fd_datasync",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_fdstat_set_rights",
    "fd_filestat_get",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "fd_pread",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_pwrite",
    "fd_read",
    "fd_readdir",
    "fd_renumber",
    "fd_seek",
    "fd_sync",
    "fd_tell",
    "fd_write",
    "path_create_directory",
    "path_filestat_get",
    "path_filestat_set_times",
    "path_link",
    "path_open",
    "path_readlink",
    "path_remove_directory",
    "path_rename",
    "path_symlink",
    "path_unlink_file",
    "poll_oneoff",
    "proc_exit",
    "proc_raise",
    "random_get",
    "sched_yield",
    "sock_accept",
    "sock_recv",
    "sock_send",
    "sock_shutdown",
];

pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    link!(linker;
        args_get(a: i32, b: i32);
        args_sizes_get(a: i32, b: i32);
        clock_res_get(a: i32, b: i32);
        clock_time_get(a: i32, b: i64, c: i32);
        environ_get(a: i32, b: i32);
        environ_sizes_get(a: i32, b: i32);
        fd_advise(a: i32, b: i64, c: i64, d: i32);
        fd_allocate(a: i32, b: i64, c: i64);
        fd_close(a: i32);
        fd_datasync(a: i32);
        fd_fdstat_get(a: i32, b: i32);
        fd_fdstat_set_flags(a: i32, b: i32);
        fd_fdstat_set_rights(a: i32, b: i64 => known_rights, c: i64 => known_rights);
        fd_filestat_get(a: i32, b: i32);
        fd_filestat_set_size(a: i32, b: i64);
        fd_filestat_set_times(a: i32, b: i64, c: i64, d: i32);
        fd_pread(a: i32, b: i32, c: i32, d: i64, e: i32);
        fd_prestat_dir_name(a: i32, b: i32, c: i32);
        fd_prestat_get(a: i32, b: i32);
        fd_pwrite(a: i32, b: i32, c: i32, d: i64, e: i32);
        fd_read(a: i32, b: i32, c: i32, d: i32);
        fd_readdir(a: i32, b: i32, c: i32, d: i64, e: i32);
        fd_renumber(a: i32, b: i32);
        fd_seek(a: i32, b: i64, c: i32, d: i32);
        fd_sync(a: i32);
        fd_tell(a: i32, b: i32);
        fd_write(a: i32, b: i32, c: i32, d: i32);
        path_create_directory(a: i32, b: i32, c: i32);
        path_filestat_get(a: i32, b: i32, c: i32, d: i32, e: i32);
        path_filestat_set_times(a: i32, b: i32, c: i32, d: i32, e: i64, f: i64, g: i32);
        path_link(a: i32, b: i32, c: i32, d: i32, e: i32, f: i32, g: i32);
        path_open(
            a: i32, b: i32, c: i32, d: i32, e: i32,
            f: i64 => known_rights, g: i64 => known_rights, h: i32, i: i32
        );
        path_readlink(a: i32, b: i32, c: i32, d: i32, e: i32, f: i32);
        path_remove_directory(a: i32, b: i32, c: i32);
        path_rename(a: i32, b: i32, c: i32, d: i32, e: i32, f: i32);
        path_symlink(a: i32, b: i32, c: i32, d: i32, e: i32);
        path_unlink_file(a: i32, b: i32, c: i32);
        poll_oneoff(a: i32, b: i32, c: i32, d: i32);
        proc_raise(a: i32);
        random_get(a: i32, b: i32);
        sched_yield();
        sock_accept(a: i32, b: i32, c: i32);
        sock_recv(a: i32, b: i32, c: i32, d: i32, e: i32, f: i32);
        sock_send(a: i32, b: i32, c: i32, d: i32, e: i32);
        sock_shutdown(a: i32, b: i32);
    );
    debug_assert!(ANSWERING.iter().all(|name| is_served(name)) && ANSWERING.len() + 1 == NAMES.len());
    linker.func_wrap(
        WASI_MODULE,
        "proc_exit",
        |mut caller: Caller<'_, Host>, code: i32| -> wasmtime::Result<()> {
            host_call(&mut caller, |host, memory| {
                let mut memory = GuestMemory::Unshared(memory);
                let call = abi::proc_exit(host, &mut memory, code);
                let result = wiggle::run_in_dummy_executor(call).map(|result| result.map(|()| 0));
                answer(host, result).map(drop)
            })
        },
    )?;
    Ok(())
}
