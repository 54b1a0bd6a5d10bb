//! wgpu's custom backend over the imports `fizz_gpu`.
//!
//! Order of reading: [`session`] (the stream and what comes back) → [`instance`] → [`device`] → [`buffer`] →
//! [`texture`] → [`encoder`] → [`queue`].

mod absent;
mod buffer;
mod caps;
mod device;
mod encoder;
#[allow(unsafe_code)] // Calls into the host.
mod imports;
mod instance;
mod layout;
mod object;
mod pass;
mod pipeline;
mod query;
mod queue;
mod session;
mod texture;
mod upload;

pub(crate) fn instance(options: crate::Options) -> wgpu::Instance {
    wgpu::Instance::from_custom(instance::Instance(options.class))
}

pub(crate) fn available() -> bool {
    session::probe(crate::Class::Job).is_ok()
}
