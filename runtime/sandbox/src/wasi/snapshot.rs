//! The 46 functions, as `wasi-common`'s generated interface wants them. Each only names who does the work.
//!
//! The interface is asynchronous, ours never waits.

use wasi_common::Error;
use wasi_common::snapshots::preview_1::types;
use wasi_common::snapshots::preview_1::wasi_snapshot_preview1::WasiSnapshotPreview1;
use wiggle::{GuestMemory, GuestPtr};

use crate::host::Host;

impl WasiSnapshotPreview1 for Host {
    async fn args_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        argv: GuestPtr<GuestPtr<u8>>,
        argv_buf: GuestPtr<u8>,
    ) -> Result<(), Error> {
        self.write_args(memory, argv, argv_buf)
    }

    async fn args_sizes_get(&mut self, _: &mut GuestMemory<'_>) -> Result<(types::Size, types::Size), Error> {
        Ok((self.wasi.args.number_elements(), self.wasi.args.cumulative_size()))
    }

    async fn environ_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        environ: GuestPtr<GuestPtr<u8>>,
        environ_buf: GuestPtr<u8>,
    ) -> Result<(), Error> {
        self.write_env(memory, environ, environ_buf)
    }

    async fn environ_sizes_get(
        &mut self,
        _: &mut GuestMemory<'_>,
    ) -> Result<(types::Size, types::Size), Error> {
        Ok((self.wasi.env.number_elements(), self.wasi.env.cumulative_size()))
    }

    async fn clock_res_get(
        &mut self,
        _: &mut GuestMemory<'_>,
        _: types::Clockid,
    ) -> Result<types::Timestamp, Error> {
        Ok(1)
    }

    async fn clock_time_get(
        &mut self,
        _: &mut GuestMemory<'_>,
        clock: types::Clockid,
        _: types::Timestamp,
    ) -> Result<types::Timestamp, Error> {
        Ok(self.time_of(clock))
    }

    async fn fd_advise(
        &mut self,
        _: &mut GuestMemory<'_>,
        fd: types::Fd,
        _: types::Filesize,
        _: types::Filesize,
        _: types::Advice,
    ) -> Result<(), Error> {
        self.file(fd, types::Rights::FD_ADVISE).map(drop)
    }

    async fn fd_allocate(
        &mut self,
        _: &mut GuestMemory<'_>,
        fd: types::Fd,
        offset: types::Filesize,
        len: types::Filesize,
    ) -> Result<(), Error> {
        self.allocate(fd, offset, len)
    }

    async fn fd_close(&mut self, _: &mut GuestMemory<'_>, fd: types::Fd) -> Result<(), Error> {
        self.close(fd)
    }

    async fn fd_datasync(&mut self, _: &mut GuestMemory<'_>, fd: types::Fd) -> Result<(), Error> {
        self.sync(fd, types::Rights::FD_DATASYNC)
    }

    async fn fd_fdstat_get(
        &mut self,
        _: &mut GuestMemory<'_>,
        fd: types::Fd,
    ) -> Result<types::Fdstat, Error> {
        self.descriptor_stat(fd)
    }

    async fn fd_fdstat_set_flags(
        &mut self,
        _: &mut GuestMemory<'_>,
        fd: types::Fd,
        flags: types::Fdflags,
    ) -> Result<(), Error> {
        self.set_flags(fd, flags)
    }

    async fn fd_fdstat_set_rights(
        &mut self,
        _: &mut GuestMemory<'_>,
        fd: types::Fd,
        base: types::Rights,
        inheriting: types::Rights,
    ) -> Result<(), Error> {
        self.set_rights(fd, base, inheriting)
    }

    async fn fd_filestat_get(
        &mut self,
        _: &mut GuestMemory<'_>,
        fd: types::Fd,
    ) -> Result<types::Filestat, Error> {
        self.stat_open(fd)
    }

    async fn fd_filestat_set_size(
        &mut self,
        _: &mut GuestMemory<'_>,
        fd: types::Fd,
        size: types::Filesize,
    ) -> Result<(), Error> {
        self.set_size(fd, size)
    }

    async fn fd_filestat_set_times(
        &mut self,
        _: &mut GuestMemory<'_>,
        fd: types::Fd,
        accessed: types::Timestamp,
        modified: types::Timestamp,
        flags: types::Fstflags,
    ) -> Result<(), Error> {
        self.set_times_open(fd, accessed, modified, flags)
    }

    async fn fd_pread(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        buffers: types::IovecArray,
        offset: types::Filesize,
    ) -> Result<types::Size, Error> {
        self.read_at(memory, fd, buffers, offset)
    }

    async fn fd_prestat_get(
        &mut self,
        _: &mut GuestMemory<'_>,
        fd: types::Fd,
    ) -> Result<types::Prestat, Error> {
        self.preopen(fd)
    }

    async fn fd_prestat_dir_name(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        path: GuestPtr<u8>,
        path_len: types::Size,
    ) -> Result<(), Error> {
        self.preopen_name(memory, fd, path, path_len)
    }

    async fn fd_pwrite(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        buffers: types::CiovecArray,
        offset: types::Filesize,
    ) -> Result<types::Size, Error> {
        self.write_at(memory, fd, buffers, offset)
    }

    async fn fd_read(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        buffers: types::IovecArray,
    ) -> Result<types::Size, Error> {
        self.read(memory, fd, buffers)
    }

    async fn fd_readdir(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        buffer: GuestPtr<u8>,
        buffer_len: types::Size,
        cookie: types::Dircookie,
    ) -> Result<types::Size, Error> {
        self.list(memory, fd, buffer.as_array(buffer_len), cookie)
    }

    async fn fd_renumber(
        &mut self,
        _: &mut GuestMemory<'_>,
        from: types::Fd,
        to: types::Fd,
    ) -> Result<(), Error> {
        self.renumber(from, to)
    }

    async fn fd_seek(
        &mut self,
        _: &mut GuestMemory<'_>,
        fd: types::Fd,
        delta: types::Filedelta,
        whence: types::Whence,
    ) -> Result<types::Filesize, Error> {
        self.seek(fd, delta, whence)
    }

    async fn fd_sync(&mut self, _: &mut GuestMemory<'_>, fd: types::Fd) -> Result<(), Error> {
        self.sync(fd, types::Rights::FD_SYNC)
    }

    async fn fd_tell(&mut self, _: &mut GuestMemory<'_>, fd: types::Fd) -> Result<types::Filesize, Error> {
        self.seek(fd, 0, types::Whence::Cur)
    }

    async fn fd_write(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        buffers: types::CiovecArray,
    ) -> Result<types::Size, Error> {
        self.write(memory, fd, buffers)
    }

    async fn path_create_directory(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        path: GuestPtr<str>,
    ) -> Result<(), Error> {
        let (dir, path) = self.at(memory, (fd, path), types::Rights::PATH_CREATE_DIRECTORY)?;
        self.with_files(|files| files.create_dir(dir, &path))
    }

    async fn path_filestat_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        flags: types::Lookupflags,
        path: GuestPtr<str>,
    ) -> Result<types::Filestat, Error> {
        self.stat_path(memory, fd, flags, path)
    }

    async fn path_filestat_set_times(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        lookup: types::Lookupflags,
        path: GuestPtr<str>,
        accessed: types::Timestamp,
        modified: types::Timestamp,
        flags: types::Fstflags,
    ) -> Result<(), Error> {
        self.set_times_path(memory, (fd, path), lookup, accessed, modified, flags)
    }

    async fn path_link(
        &mut self,
        memory: &mut GuestMemory<'_>,
        old_fd: types::Fd,
        old_flags: types::Lookupflags,
        old_path: GuestPtr<str>,
        new_fd: types::Fd,
        new_path: GuestPtr<str>,
    ) -> Result<(), Error> {
        if old_flags.contains(types::Lookupflags::SYMLINK_FOLLOW) {
            return Err(types::Errno::Inval.into());
        }
        let (old, old_path) = self.at(memory, (old_fd, old_path), types::Rights::PATH_LINK_SOURCE)?;
        let (new, new_path) = self.at(memory, (new_fd, new_path), types::Rights::PATH_LINK_TARGET)?;
        self.with_files(|files| files.link(old, &old_path, new, &new_path))
    }

    async fn path_open(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        lookup: types::Lookupflags,
        path: GuestPtr<str>,
        flags: types::Oflags,
        rights: types::Rights,
        _: types::Rights,
        descriptor_flags: types::Fdflags,
    ) -> Result<types::Fd, Error> {
        self.open(memory, (fd, path), lookup, flags, rights, descriptor_flags)
    }

    async fn path_readlink(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        path: GuestPtr<str>,
        buffer: GuestPtr<u8>,
        buffer_len: types::Size,
    ) -> Result<types::Size, Error> {
        self.read_link(memory, fd, path, buffer.as_array(buffer_len))
    }

    async fn path_remove_directory(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        path: GuestPtr<str>,
    ) -> Result<(), Error> {
        let (dir, path) = self.at(memory, (fd, path), types::Rights::PATH_REMOVE_DIRECTORY)?;
        self.with_files(|files| files.remove_dir(dir, &path))
    }

    async fn path_rename(
        &mut self,
        memory: &mut GuestMemory<'_>,
        old_fd: types::Fd,
        old_path: GuestPtr<str>,
        new_fd: types::Fd,
        new_path: GuestPtr<str>,
    ) -> Result<(), Error> {
        let (old, old_path) = self.at(memory, (old_fd, old_path), types::Rights::PATH_RENAME_SOURCE)?;
        let (new, new_path) = self.at(memory, (new_fd, new_path), types::Rights::PATH_RENAME_TARGET)?;
        self.with_files(|files| files.rename(old, &old_path, new, &new_path))
    }

    async fn path_symlink(
        &mut self,
        memory: &mut GuestMemory<'_>,
        target: GuestPtr<str>,
        fd: types::Fd,
        path: GuestPtr<str>,
    ) -> Result<(), Error> {
        let target = super::memory::text(memory, target)?;
        let (dir, path) = self.at(memory, (fd, path), types::Rights::PATH_SYMLINK)?;
        self.with_files(|files| files.symlink(&target, dir, &path))
    }

    async fn path_unlink_file(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        path: GuestPtr<str>,
    ) -> Result<(), Error> {
        let (dir, path) = self.at(memory, (fd, path), types::Rights::PATH_UNLINK_FILE)?;
        self.with_files(|files| files.remove_file(dir, &path))
    }

    async fn poll_oneoff(
        &mut self,
        memory: &mut GuestMemory<'_>,
        subscriptions: GuestPtr<types::Subscription>,
        events: GuestPtr<types::Event>,
        count: types::Size,
    ) -> Result<types::Size, Error> {
        self.poll(memory, subscriptions, events, count)
    }

    async fn proc_exit(
        &mut self,
        _: &mut GuestMemory<'_>,
        status: types::Exitcode,
    ) -> wasmtime_environ_46::error::Error {
        self.exit(status)
    }

    async fn proc_raise(&mut self, _: &mut GuestMemory<'_>, _: types::Signal) -> Result<(), Error> {
        Err(types::Errno::Notsup.into())
    }

    async fn sched_yield(&mut self, _: &mut GuestMemory<'_>) -> Result<(), Error> {
        Ok(())
    }

    async fn random_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        buffer: GuestPtr<u8>,
        buffer_len: types::Size,
    ) -> Result<(), Error> {
        self.random(memory, buffer.as_array(buffer_len))
    }

    async fn sock_accept(
        &mut self,
        _: &mut GuestMemory<'_>,
        fd: types::Fd,
        _: types::Fdflags,
    ) -> Result<types::Fd, Error> {
        Err(self.no_socket(fd))
    }

    async fn sock_recv(
        &mut self,
        _: &mut GuestMemory<'_>,
        fd: types::Fd,
        _: types::IovecArray,
        _: types::Riflags,
    ) -> Result<(types::Size, types::Roflags), Error> {
        Err(self.no_socket(fd))
    }

    async fn sock_send(
        &mut self,
        _: &mut GuestMemory<'_>,
        fd: types::Fd,
        _: types::CiovecArray,
        _: types::Siflags,
    ) -> Result<types::Size, Error> {
        Err(self.no_socket(fd))
    }

    async fn sock_shutdown(
        &mut self,
        _: &mut GuestMemory<'_>,
        fd: types::Fd,
        _: types::Sdflags,
    ) -> Result<(), Error> {
        Err(self.no_socket(fd))
    }
}
