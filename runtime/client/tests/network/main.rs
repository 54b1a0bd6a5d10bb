//! Submissions to nodes on loopback, whose workers are processes.
#![allow(clippy::unwrap_used, reason = "tests may panic")]
#![allow(unreachable_pub, reason = "a test program has no other user")]

use std::process::ExitCode;

mod jobs;
mod receipts;
mod submissions;
#[path = "../../../node/tests/support/mod.rs"]
mod support;

fn main() -> ExitCode {
    support::harness::main(tests![
        submissions::{
            nodes_share_the_tasks,
            a_node_that_stops_in_the_middle_has_its_task_done_by_another,
            a_node_that_lies_is_caught_and_its_tasks_are_done_again,
            a_node_with_another_key_is_not_used,
            a_node_that_refuses_is_lost_with_its_words,
            a_node_named_twice_is_used_once,
            an_address_that_cannot_be_is_given_up_at_once,
            an_interrupted_job_stops_on_the_nodes,
            a_blob_that_the_requester_lacks_is_named,
            a_node_that_does_nothing_is_caught,
        },
        receipts::{
            guests_that_fail_give_valid_receipts,
            an_invalid_module_is_refused_by_every_node,
            a_receipt_of_the_run_verifies,
            a_changed_output_is_found_with_its_byte,
            another_profile_is_inconclusive_and_named,
        },
    ])
}
