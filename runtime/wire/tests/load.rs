//! Many at once.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, as tests may")]

mod common;

use common::{LONG, pair};
use fizz_attest::Digest;
use fizz_wire::{Reply, Request};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_at_once_on_one_connection() {
    const REQUESTS: u32 = 1000;
    let pair = pair().await;
    let here = pair.here.clone();
    // Answers until the connection closes, each stream in its own task.
    let server = tokio::spawn(async move {
        while let Ok(mut channel) = here.accept().await {
            tokio::spawn(async move {
                let Request::Run { task, .. } = channel.receive().await.unwrap() else { panic!() };
                channel.send(&Reply::Queued { ahead: task }).await.unwrap();
            });
        }
    });
    let mut calls = tokio::task::JoinSet::new();
    for task in 0..REQUESTS {
        let there = pair.there.clone();
        calls.spawn(async move {
            let request = Request::Run { lease: Digest([1; 32]), task };
            assert_eq!(there.call(&request, LONG).await.unwrap(), Reply::Queued { ahead: task });
        });
    }
    assert_eq!(calls.join_all().await.len(), REQUESTS as usize);
    pair.dialler.close("done");
    server.await.unwrap();
}
