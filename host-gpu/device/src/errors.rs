//! Error scopes and the queue of records.

use fizz_gpu_abi::host::{Limit, Stop};
use fizz_gpu_abi::{ErrorClass, MAX_RECORDS, MAX_SCOPES, MAX_UNCAPTURED, Record, RecordKind};
use std::collections::VecDeque;

/// An open scope: its filter and the first error it caught.
#[derive(Debug)]
struct Scope {
    filter: ErrorClass,
    first: Option<String>,
}

/// A session's scopes and records.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    scopes: Vec<Scope>,
    records: VecDeque<Record>,
    /// How many of the records are answers of scopes.
    answers: usize,
}

impl Errors {
    /// An error: into the innermost scope that wants it, else a record.
    pub(crate) fn raise(&mut self, class: ErrorClass, text: String) {
        if let Some(scope) = self.scopes.iter_mut().rev().find(|scope| scope.filter == class) {
            scope.first.get_or_insert(text);
            return;
        }
        self.push_optional(Record::new(RecordKind::Uncaptured, 0, Some(class), text));
    }

    /// A record that is dropped when too many wait.
    pub(crate) fn push_optional(&mut self, record: Record) {
        if self.records.len() - self.answers < MAX_UNCAPTURED {
            self.records.push_back(record);
        }
    }

    pub(crate) fn push_scope(&mut self, filter: ErrorClass) -> Result<(), Stop> {
        if self.scopes.len() >= MAX_SCOPES {
            return Err(Stop::LimitExceeded(Limit::Records));
        }
        self.scopes.push(Scope { filter, first: None });
        Ok(())
    }

    pub(crate) fn pop_scope(&mut self) -> Result<(), Stop> {
        let scope =
            self.scopes.pop().ok_or(Stop::Protocol("POP_ERROR_SCOPE without an open scope".into()))?;
        if self.answers >= MAX_RECORDS {
            return Err(Stop::LimitExceeded(Limit::Records));
        }
        let class = scope.first.is_some().then_some(scope.filter);
        let open = u32::try_from(self.scopes.len()).expect("at most MAX_SCOPES");
        self.records.push_back(Record::new(RecordKind::Scope, open, class, scope.first.unwrap_or_default()));
        self.answers += 1;
        Ok(())
    }

    /// The oldest record.
    pub(crate) fn front(&self) -> Option<&Record> {
        self.records.front()
    }

    /// Forgets the oldest record.
    pub(crate) fn drop_front(&mut self) {
        if self.records.pop_front().is_some_and(|record| record.kind == RecordKind::Scope) {
            self.answers -= 1;
        }
    }

    /// Records waiting and scopes open.
    pub(crate) fn counts(&self) -> (u32, u32) {
        let small = |count: usize| u32::try_from(count).expect("both are bounded");
        (small(self.records.len()), small(self.scopes.len()))
    }
}
