//! Tells of what watched programs touch.

use super::CompileError;
use super::inline::{Inline, Place};
use super::ir::{Space, Stmt};
use crate::race::{Access, MAX_SITES, Memory, Site, Watched};
use naga::{GlobalVariable, Span};
use std::collections::HashMap;

/// The places that touch shared memory, under way.
pub(super) struct Touches<'m> {
    watched: Watched<'m>,
    /// What the bindings are, and their names; none of those that are not watched.
    buffers: Vec<Option<(Memory, String)>>,
    /// Where workgroup variables begin, and their names.
    group: Vec<(u32, String)>,
    sites: Vec<Site>,
    numbers: HashMap<Site, u32>,
}

fn name(variable: &GlobalVariable) -> String {
    variable.name.clone().unwrap_or_default()
}

impl<'m> Touches<'m> {
    pub(super) fn new(watched: Watched<'m>) -> Self {
        Touches {
            watched,
            buffers: Vec::new(),
            group: Vec::new(),
            sites: Vec::new(),
            numbers: HashMap::new(),
        }
    }

    /// The next two bindings: the shape of a texture, and its texels.
    pub(super) fn texture(&mut self, variable: &GlobalVariable, written: bool) {
        self.buffers.extend([None, written.then(|| (Memory::Texture, name(variable)))]);
    }

    /// The next binding. What is only read cannot race: WebGPU forbids to bind the same buffer for writing as well.
    pub(super) fn buffer(&mut self, variable: &GlobalVariable) {
        let group = variable.binding.map(|binding| binding.group);
        let stores = naga::StorageAccess::STORE;
        let shared =
            matches!(variable.space, naga::AddressSpace::Storage { access } if access.contains(stores));
        let watched = shared && group != Some(self.watched.unwatched_group);
        self.buffers.push(watched.then(|| (Memory::Storage, name(variable))));
    }

    pub(super) fn group_variable(&mut self, offset: u32, variable: &GlobalVariable) {
        self.group.push((offset, name(variable)));
    }

    /// The number of a place, if it touches what is watched.
    fn site(&mut self, place: &Place, access: Access, span: Span) -> Result<Option<u32>, CompileError> {
        let (memory, variable) = match place.space {
            Space::Buffer(buffer) => match self.buffers.get(buffer as usize) {
                Some(Some((memory, name))) => (*memory, name.clone()),
                _ => return Ok(None),
            },
            Space::Group => {
                let next = self.group.partition_point(|(start, _)| *start <= place.offset);
                let found = next.checked_sub(1).and_then(|index| self.group.get(index));
                (Memory::Workgroup, found.map_or_else(String::new, |(_, name)| name.clone()))
            }
            _ => return Ok(None),
        };
        let (line, column) = self.watched.place(span);
        let site = Site { variable, memory, access, line, column };
        if let Some(number) = self.numbers.get(&site) {
            return Ok(Some(*number));
        }
        if self.sites.len() >= MAX_SITES {
            return Err(CompileError::TooLarge("places that touch shared memory"));
        }
        let number = self.sites.len() as u32;
        self.sites.push(site.clone());
        self.numbers.insert(site, number);
        Ok(Some(number))
    }

    pub(super) fn sites(self) -> Vec<Site> {
        self.sites
    }
}

impl Inline<'_> {
    /// How a load or a store touches a place.
    pub(super) fn access(&self, place: &Place, plain: Access) -> Access {
        match (self.is_atomic(place.shape), plain) {
            (true, Access::Read) => Access::AtomicRead,
            (true, _) => Access::Atomic,
            (false, plain) => plain,
        }
    }

    /// Tells of a touch, if it is watched.
    pub(super) fn touch(&mut self, place: &Place, access: Access, span: Span) -> Result<(), CompileError> {
        let Some(touches) = &mut self.touches else { return Ok(()) };
        let Some(site) = touches.site(place, access, span)? else { return Ok(()) };
        for (offset, ty) in self.scalars(place)? {
            let at = self.at(place, offset, ty);
            self.list.push(Stmt::Touch(site, at));
        }
        Ok(())
    }
}
