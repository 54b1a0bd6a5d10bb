//! Query sets: timestamps, which are gas.

use crate::commands::{Found, HELD, Recorder};
use crate::objects::{Buffer, Entry, Object, QuerySet, Resource, Step};
use crate::schedule;
use crate::session::Open;
use fizz_gpu_abi::host::Stop;
use fizz_gpu_abi::{ErrorClass, MAX_QUERIES, usage};
use std::sync::Arc;

/// Bytes of a result.
const RESULT: u64 = 8;
/// Steps of the place in a buffer to which results go.
const ALIGNMENT: u64 = 256;
/// What a timestamp in a command buffer counts against the memory for unsubmitted commands.
const STAMP: u64 = HELD / 16;

impl Open {
    pub(crate) fn create_query_set(&mut self, id: u32, count: u32, label: &str) -> Result<(), Stop> {
        self.table.free(id)?;
        let counted = self.new_object()?;
        let valid = if (1..=MAX_QUERIES).contains(&count) {
            self.allocate_queries(count, label)?
        } else {
            self.invalid(format!(
                "create query set '{label}': {count} queries are none or more than {MAX_QUERIES}"
            ));
            None
        };
        self.table.insert(id, Entry::QuerySet(Object::new(label, valid, counted)));
        Ok(())
    }

    fn allocate_queries(&mut self, count: u32, label: &str) -> Result<Option<QuerySet>, Stop> {
        let quota = self.meter.quotas.bytes;
        let bytes = (RESULT * u64::from(count)).next_multiple_of(ALIGNMENT);
        let Some(memory) = self.memory.add(bytes, quota) else {
            let live = self.memory.get();
            let text = format!(
                "create query set '{label}': {bytes} bytes more than {live} pass the quota of {quota}"
            );
            self.errors.raise(ErrorClass::OutOfMemory, text);
            return Ok(None);
        };
        self.meter.charge(bytes, schedule::BYTE)?;
        Ok(Some(QuerySet::new(count, memory)))
    }

    pub(crate) fn destroy_query_set(&mut self, id: u32) -> Result<(), Stop> {
        if let Some(set) = &self.table.query_set(id)?.valid {
            set.destroy();
        }
        Ok(())
    }

    /// Writes results, all of which are known, behind everything submitted so far.
    pub(crate) fn resolve(
        &mut self,
        set: &Object<QuerySet>,
        first: u32,
        count: u32,
        target: &Object<Buffer>,
        offset: u64,
    ) -> Result<(), Stop> {
        let (Some(set), Some(target)) = (&set.valid, &target.valid) else { return Ok(()) };
        let bytes = set.bytes(first, count);
        if bytes.is_empty() {
            return Ok(());
        }
        self.device.queue.write_buffer(&target.buffer, offset, &bytes);
        self.flow.wrote(&self.device, bytes.len() as u64)
    }
}

impl Recorder<'_> {
    /// Looks a query set up, notes that it is used, and checks an index, if there is one.
    fn used_set(
        &mut self,
        id: u32,
        index: Option<u32>,
    ) -> Result<Result<Arc<Object<QuerySet>>, String>, Stop> {
        let object = self.open.table.query_set(id)?;
        let Some(set) = &object.valid else {
            return Ok(Err(format!("query set '{}' is invalid", object.label)));
        };
        if let Some(index) = index.filter(|index| *index >= set.count) {
            let (label, count) = (&object.label, set.count);
            return Ok(Err(format!("query {index} is not one of the {count} of query set '{label}'")));
        }
        self.note(&Resource::QuerySet(object.clone()));
        Ok(Ok(object))
    }

    /// Notes a timestamp. What is recorded so far comes before it, encoded or not.
    pub(crate) fn stamp(&mut self, set: Arc<Object<QuerySet>>, index: u32) {
        self.held = self.held.saturating_add(STAMP);
        self.steps.push(Step::Timestamp { set, index, before: self.gas });
    }

    pub(crate) fn write_timestamp(&mut self, id: u32, index: u32) -> Found {
        Ok(self.used_set(id, Some(index))?.map(|set| self.stamp(set, index)))
    }

    pub(crate) fn begin_timed_pass(&mut self, id: u32, begin: Option<u32>, end: Option<u32>) -> Found {
        if begin.is_some() && begin == end {
            return Ok(Err("a pass begins and ends with one query".to_owned()));
        }
        if let Some(begin) = begin {
            match self.used_set(id, Some(begin))? {
                Ok(set) => self.stamp(set, begin),
                Err(reason) => return Ok(Err(reason)),
            }
        }
        match self.used_set(id, end)? {
            Ok(set) => self.timed = end.map(|end| (set, end)),
            Err(reason) => return Ok(Err(reason)),
        }
        self.begin_pass();
        Ok(Ok(()))
    }

    pub(crate) fn resolve_queries(
        &mut self,
        id: u32,
        first: u32,
        count: u32,
        buffer: u32,
        offset: u64,
    ) -> Found {
        let set = match self.used_set(id, None)? {
            Ok(set) => set,
            Err(reason) => return Ok(Err(reason)),
        };
        let target = match self.used(buffer, usage::QUERY_RESOLVE, "QUERY_RESOLVE")? {
            Ok(target) => target,
            Err(reason) => return Ok(Err(reason)),
        };
        let held = set.valid.as_ref().map_or(0, |set| u64::from(set.count));
        if u64::from(first) + u64::from(count) > held {
            let label = &set.label;
            return Ok(Err(format!(
                "{count} queries from {first} are not in the {held} of query set '{label}'"
            )));
        }
        let bytes = RESULT * u64::from(count);
        if !offset.is_multiple_of(ALIGNMENT) {
            return Ok(Err(format!("offset {offset} of the results is no multiple of {ALIGNMENT}")));
        }
        if target.valid.as_ref().is_some_and(|target| !target.holds(offset, bytes)) {
            return Ok(Err(format!("{bytes} bytes of results from {offset} do not fit the buffer")));
        }
        self.gas = self.gas.saturating_add(schedule::RESOLVE + bytes * schedule::BYTE);
        self.held = self.held.saturating_add(HELD);
        if self.works {
            self.cut();
        }
        self.steps.push(Step::Resolve { set, first, count, target, offset });
        Ok(Ok(()))
    }
}
