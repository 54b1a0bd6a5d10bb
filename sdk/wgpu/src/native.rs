//! The same functions outside the sandbox: wgpu's own backends.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

pub(crate) fn instance(_: crate::Options) -> wgpu::Instance {
    wgpu::Instance::default()
}

pub(crate) fn available() -> bool {
    let instance = instance(crate::Options::default());
    // wgpu's native adapter requests never wait, so one look is enough.
    let request = pin!(instance.request_adapter(&wgpu::RequestAdapterOptions::default()));
    matches!(request.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(_)))
}
