//! Where control goes: structures, labels, branches.

use wasmparser::{BlockType, Catch, Operator, ValType};

use super::{Error, Frame, Kind, Merged, NOWHERE, PLAIN, Passage, Value, Walk, is_float};

impl<'f> Walk<'f> {
    pub(super) fn control(&mut self, index: u32, operator: &Operator<'_>) -> Result<(), Error> {
        match *operator {
            Operator::Block { blockty } => self.enter(Kind::Block, blockty),
            Operator::Loop { blockty } => self.enter_loop(index, blockty),
            Operator::If { blockty } => {
                self.pop();
                self.enter(Kind::If, blockty);
                let height = self.frame().height;
                let otherwise = (self.stack[height..].to_vec(), self.current.clone());
                self.frame().otherwise = Some(otherwise);
            }
            Operator::TryTable { ref try_table } => {
                for catch in &try_table.catches {
                    match *catch {
                        Catch::One { label, .. }
                        | Catch::OneRef { label, .. }
                        | Catch::All { label }
                        | Catch::AllRef { label } => self.label(label).reached = true,
                    }
                }
                self.enter(Kind::Block, try_table.ty);
            }
            Operator::Else => self.otherwise(),
            Operator::End => self.end(index),
            Operator::Br { relative_depth } => {
                self.branch(relative_depth);
                self.end_path();
            }
            Operator::BrIf { relative_depth } => {
                self.pop();
                self.branch(relative_depth);
            }
            Operator::BrTable { ref targets } => {
                self.pop();
                let mut depths = targets.targets().collect::<Result<Vec<_>, _>>()?;
                depths.push(targets.default());
                depths.sort_unstable();
                depths.dedup();
                for depth in depths {
                    self.branch(depth);
                }
                self.end_path();
            }
            Operator::Return => {
                self.show(self.facts.types[self.type_index as usize].results().len());
                self.end_path();
            }
            Operator::Unreachable => self.end_path(),
            // The exception's tag says how many operands go with it; those that stay behind are gone in any case.
            Operator::Throw { .. } => {
                let height = self.frame().height;
                self.show(self.stack.len() - height);
                self.end_path();
            }
            Operator::ThrowRef => self.end_path(),
            Operator::Call { function_index } => self.call(self.facts.type_of(function_index)),
            Operator::CallIndirect { type_index, .. } => {
                self.pop();
                self.call(type_index);
            }
            Operator::ReturnCall { function_index } => {
                self.call(self.facts.type_of(function_index));
                self.end_path();
            }
            Operator::ReturnCallIndirect { type_index, .. } => {
                self.pop();
                self.call(type_index);
                self.end_path();
            }
            // A test goes through all operators that validation lets pass.
            _ => unreachable!("validation refuses the operator {operator:?}"),
        }
        Ok(())
    }

    pub(super) fn call(&mut self, type_index: u32) {
        let ty = &self.facts.types[type_index as usize];
        self.show(ty.params().len());
        self.stack.extend(std::iter::repeat_n(PLAIN, ty.results().len()));
    }

    /// Opens a structure; its parameters stay on the stack.
    pub(super) fn enter(&mut self, kind: Kind, ty: BlockType) {
        let height = self.stack.len().saturating_sub(self.parameters(ty).len());
        self.open(kind, ty, height);
    }

    /// At the head of a loop everything meets what comes back from within.
    pub(super) fn enter_loop(&mut self, index: u32, ty: BlockType) {
        self.enter(Kind::Loop, ty);
        self.loops += 1;
        let (parameters, height) = (self.parameters(ty), self.frame().height);
        if !self.follow {
            self.show(parameters.len());
            self.stack.extend(std::iter::repeat_n(PLAIN, parameters.len()));
            return;
        }
        let at = if parameters.len() == 1 { index } else { NOWHERE };
        let mut values = Vec::with_capacity(parameters.len());
        for (offset, &ty) in parameters.iter().enumerate() {
            let slot = height + offset;
            if is_float(ty) {
                let node = self.graph.meeting(ty == ValType::V128);
                self.graph.flow(self.stack[slot].node, node, Passage::Same);
                self.stack[slot] = Value { node, at };
            }
            values.push(Merged::Many(self.stack[slot].node));
        }
        let mut locals = Vec::with_capacity(self.current.len());
        for (current, &vector) in self.current.iter_mut().zip(&self.vectors) {
            let node = self.graph.meeting(vector);
            self.graph.flow(*current, node, Passage::Same);
            *current = node;
            locals.push(Merged::Many(node));
        }
        let frame = self.frame();
        (frame.values, frame.locals) = (values, locals);
    }

    pub(super) fn label(&mut self, depth: u32) -> &mut Frame {
        let index = self.frames.len().checked_sub(1 + depth as usize);
        &mut self.frames[index.expect("validation has proven that every label exists")]
    }

    /// A path goes to a label. The operands stay on the stack, for it may go on here too.
    pub(super) fn branch(&mut self, depth: u32) {
        let place = self.frames.len() - 1 - depth as usize;
        let (kind, ty) = (self.frames[place].kind, self.frames[place].ty);
        let mut one = [ValType::I32];
        let types = match kind {
            Kind::Loop => self.parameters(ty),
            Kind::Function | Kind::Block | Kind::If => self.results(ty, &mut one),
        };
        let first = self.stack.len().saturating_sub(types.len());
        if kind == Kind::Function || !self.follow {
            for slot in first..self.stack.len() {
                let value = std::mem::replace(&mut self.stack[slot], PLAIN);
                self.seen(value);
            }
            self.frames[place].reached = true;
            return;
        }
        let values = self.stack[first..].iter().map(|value| value.node);
        self.frames[place].arrive(&mut self.graph, values, types, &self.current, &self.vectors);
    }

    pub(super) fn otherwise(&mut self) {
        if !self.frame().ended {
            self.branch(0);
        }
        let frame = self.frame();
        frame.ended = false;
        let (height, otherwise) = (frame.height, frame.otherwise.take());
        self.stack.truncate(height);
        // Taken by the one `else` that an `if` has.
        if let Some((parameters, locals)) = otherwise {
            self.stack.extend(parameters);
            self.current = locals;
        }
    }

    pub(super) fn end(&mut self, index: u32) {
        let frame = self.frame();
        let (kind, ty, ended) = (frame.kind, frame.ty, frame.ended);
        if kind == Kind::Loop {
            self.frames.pop();
            self.loops -= 1;
            let mut one = [ValType::I32];
            let results = self.results(ty, &mut one).len();
            // What stands around it is not reached either, or goes on with what there is.
            if ended {
                self.end_path();
            } else if let (Some(last), true) = (self.stack.last_mut(), results > 0) {
                // From here on it may be made canonical outside the loop.
                last.at = index;
            }
            return;
        }
        if !ended {
            self.branch(0);
        }
        if let Some((parameters, locals)) = self.frame().otherwise.take() {
            // Without an `else` the parameters are the results.
            let height = self.frame().height;
            self.stack.truncate(height);
            self.stack.extend(parameters);
            self.current = locals;
            self.branch(0);
        }
        let Some(frame) = self.frames.pop() else { return };
        if self.frames.is_empty() {
            return;
        }
        self.stack.truncate(frame.height);
        if !frame.reached {
            self.end_path();
            return;
        }
        let mut one = [ValType::I32];
        let results = self.results(ty, &mut one).len();
        if self.follow {
            let at = if results == 1 { index } else { NOWHERE };
            self.stack.extend(frame.values.iter().map(|value| Value { node: value.node(), at }));
            for (current, merged) in self.current.iter_mut().zip(&frame.locals) {
                *current = merged.node();
            }
        } else {
            self.stack.extend(std::iter::repeat_n(PLAIN, results));
        }
    }

    /// In a place that is never reached only the structure counts.
    pub(super) fn dead_operator(&mut self, index: u32, operator: &Operator<'_>) {
        match operator {
            Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::TryTable { .. } => self.dead += 1,
            Operator::End if self.dead > 0 => self.dead -= 1,
            Operator::End => self.end(index),
            Operator::Else if self.dead == 0 => self.otherwise(),
            _ => {}
        }
    }
}
