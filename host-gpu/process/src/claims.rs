//! What a session's limits allow the GPU's process to say: whether the streams so far could have passed a limit at all.
//!
//! A limit that was passed ends a task, and its guest is the one to blame. A driver that has been taken over must not be able to say
//! so of a task that asked for less. (That gas ran out it can say of any: nobody else counts it.) The counts here are upper bounds, made of the streams alone: nothing is subtracted where a guest lets an object go.

use fizz_gpu_abi::host::{HELD_BYTES, Limit, Quotas};
use fizz_gpu_abi::{Command, Commands, MAX_RECORDS, MAX_SCOPES};

/// Most invocations of a workgroup that any shader has.
const WORKGROUP: u64 = 1024;

/// Counts over the streams of a session.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Claims {
    objects: u64,
    shaders: u64,
    source_bytes: u64,
    recorded_bytes: u64,
    /// Most workgroups of a dispatch.
    workgroups: u64,
    /// Scopes opened and closed.
    pushes: usize,
    pops: usize,
}

impl Claims {
    /// Notes what a stream asks for, as far as it can be read. The process may have read no further.
    pub(crate) fn note(&mut self, stream: &[u8]) {
        let mut recorded = stream.len() as u64;
        for command in Commands::new(stream).map_while(Result::ok) {
            recorded = recorded.saturating_add(HELD_BYTES);
            match command {
                Command::CreateShader { wgsl, .. } => {
                    self.objects += 1;
                    self.shaders += 1;
                    self.source_bytes = self.source_bytes.saturating_add(wgsl.len() as u64);
                }
                Command::Dispatch { x, y, z } => {
                    let workgroups = [x, y, z].iter().fold(1_u64, |all, n| all.saturating_mul((*n).into()));
                    self.workgroups = self.workgroups.max(workgroups);
                }
                // The counts are in a buffer.
                Command::DispatchIndirect { .. } => self.workgroups = u64::MAX,
                Command::PushErrorScope { .. } => self.pushes += 1,
                Command::PopErrorScope => self.pops += 1,
                // Most of them make an object.
                _ => self.objects += 1,
            }
        }
        self.recorded_bytes = self.recorded_bytes.saturating_add(recorded);
    }

    /// Whether a limit can have been passed.
    pub(crate) fn allow(&self, limit: Limit, quotas: &Quotas) -> bool {
        match limit {
            Limit::Objects => self.objects > quotas.objects.into(),
            Limit::Shaders => self.shaders > quotas.shaders.into(),
            Limit::ShaderBytes => self.source_bytes > quotas.shader_bytes.into(),
            Limit::StreamBytes => self.recorded_bytes > quotas.stream_bytes.into(),
            Limit::Invocations => self.workgroups.saturating_mul(WORKGROUP) > quotas.invocations,
            Limit::Records => self.pushes > MAX_SCOPES || self.pops > MAX_RECORDS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fizz_gpu_abi::Encoder;

    const QUOTAS: Quotas = Quotas {
        class: fizz_gpu_abi::Class::Fast,
        gas: 1,
        bytes: 1,
        objects: 2,
        shaders: 1,
        shader_bytes: 3,
        stream_bytes: 1 << 16,
        invocations: 1 << 20,
    };
    const ALL: [Limit; 6] = [
        Limit::Objects,
        Limit::Shaders,
        Limit::ShaderBytes,
        Limit::StreamBytes,
        Limit::Invocations,
        Limit::Records,
    ];

    /// The limits that may be passed after streams.
    fn after(write: impl Fn(&mut Encoder), times: usize) -> Vec<Limit> {
        let (mut claims, mut to) = (Claims::default(), Encoder::new());
        write(&mut to);
        (0..times).for_each(|_| claims.note(to.as_bytes()));
        ALL.into_iter().filter(|limit| claims.allow(*limit, &QUOTAS)).collect()
    }

    #[test]
    fn only_what_was_asked_for_can_have_been_too_much() {
        assert_eq!(after(|_| {}, 9), []);
        let shader = |to: &mut Encoder| to.create_shader(1, "", "xyz");
        assert_eq!(after(shader, 1), []);
        assert_eq!(after(shader, 2), [Limit::Shaders, Limit::ShaderBytes]);
        assert_eq!(after(|to| to.create_shader(1, "", "four"), 1), [Limit::ShaderBytes]);
        let buffer = |to: &mut Encoder| to.create_buffer(1, 0, 4, false, "");
        assert_eq!(after(buffer, 2), []);
        assert_eq!(after(buffer, 3), [Limit::Objects]);
        assert_eq!(after(|to| to.push_error_scope(fizz_gpu_abi::ErrorClass::Validation), 40), []);
        let many = after(|to| to.push_error_scope(fizz_gpu_abi::ErrorClass::Validation), MAX_SCOPES + 1);
        assert!(many.contains(&Limit::Records));
        let dispatch = |x| {
            after(
                |to| {
                    to.begin_commands(1, "");
                    to.begin_pass("");
                    to.dispatch(x, 1, 1);
                },
                1,
            )
        };
        // The two commands around it count as objects.
        assert!(!dispatch(1024).contains(&Limit::Invocations));
        assert!(dispatch(1025).contains(&Limit::Invocations));
    }
}
