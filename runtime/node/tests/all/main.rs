//! Nodes and their workers, with real processes and connections.
#![allow(clippy::unwrap_used, reason = "tests may panic")]
#![allow(unreachable_pub, reason = "a test program has no other user")]

use std::process::ExitCode;

mod compile;
mod pool;
mod requests;
#[path = "../support/mod.rs"]
mod support;

fn main() -> ExitCode {
    support::harness::main(tests![
        compile::{
            a_worker_gets_the_code_that_the_nodes_compiler_made_and_the_cache_kept,
            a_trap_has_the_exact_form_compiled_too,
            damaged_code_is_dropped_and_compiled_again,
            code_of_another_engine_is_dropped_and_compiled_again,
            a_bomb_costs_its_bounds_once,
            code_that_cannot_be_loaded_or_kept_is_not_compiled_for_every_task,
            a_compilers_child_that_holds_its_pipes_holds_nobody_up,
            a_worker_that_dies_while_its_module_is_compiled_is_noticed_at_once,
            those_who_give_up_do_not_wait_for_a_compiler,
            a_task_in_steps_needs_its_memory_twice,
            a_compiler_that_does_not_end_is_ended_at_its_deadline,
            a_compiler_without_memory_is_a_fault_and_the_node_lives,
            a_worker_that_asks_twice_is_ended,
            a_task_that_is_given_up_ends_its_compiler,
            a_first_third_of_the_bombs_ends_and_the_node_goes_on,
            a_second_third_of_the_bombs_ends_and_the_node_goes_on,
            a_last_third_of_the_bombs_ends_and_the_node_goes_on,
        },
        pool::{
            an_honest_worker_is_kept_for_its_job,
            a_worker_that_says_nothing_is_ended,
            a_worker_that_sends_rubbish_is_ended,
            a_frame_of_4_gb_is_refused_at_its_length,
            a_worker_that_does_not_begin_as_one_is_ended,
            a_missing_program_is_named,
            a_worker_that_dies_is_a_fault,
            a_worker_that_dies_in_the_middle_of_a_word_is_a_fault,
            a_worker_that_hangs_is_ended_at_the_limit,
            a_worker_that_changes_its_profile_is_not_used,
            a_worker_whose_gpu_does_not_start_still_serves_jobs_without_one,
            an_answer_before_the_question_is_not_taken_for_one,
            names_that_lead_out_are_refused,
            a_stop_ends_workers_at_work_and_starts_no_more,
        },
        requests::{
            a_result_outlives_the_node_and_is_not_made_again,
            a_requester_that_comes_back_finds_its_task_further_on,
            a_done_task_is_given_out_though_all_slots_are_taken,
            requesters_see_nothing_of_each_other,
            a_blob_that_does_not_match_its_hash_is_refused,
            blobs_that_the_lease_does_not_name_are_refused,
            a_task_whose_blob_is_missing_is_refused,
            a_cancelled_task_stops_and_can_be_begun_again,
            a_full_queue_is_busy,
            a_full_store_takes_nothing_more,
            a_worker_that_cannot_be_right_is_not_signed_for,
            a_stopped_node_lets_go_of_its_store,
            an_invalid_module_is_refused_with_the_reason,
        },
    ])
}
