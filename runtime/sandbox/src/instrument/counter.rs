//! Where the remaining gas stands at every point of a function: in the local, in the global, or in both.
//!
//! Known at compile time, it spares most moves between the two: a call after a call writes nothing, and a return after
//! a call neither reads nor writes. Every way to a label brings the local current; the global may be behind.

/// Which of the two counters is current.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counter {
    /// The local alone.
    Local,
    /// The global alone: at the entry and after calls.
    Global,
    /// They are equal.
    Both,
    /// Control does not come here.
    Dead,
}

impl Counter {
    /// After an instruction that leaves `current` current; what is dead stays so.
    pub(super) fn becomes(self, current: Counter) -> Counter {
        if self == Counter::Dead { Counter::Dead } else { current }
    }

    fn join(self, other: Counter) -> Counter {
        match (self, other) {
            (Counter::Dead, known) | (known, Counter::Dead) => known,
            (Counter::Both, Counter::Both) => Counter::Both,
            (Counter::Global, Counter::Global) => Counter::Global,
            _ => Counter::Local,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A `block`, a `try_table`, or the function.
    Block,
    Loop,
    If,
}

/// An open control structure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Label {
    kind: Kind,
    /// At its entry.
    entry: Counter,
    /// What the branches to its end bring.
    arriving: Counter,
}

impl Label {
    /// Whether control arrives at its end on another way than by falling into it.
    pub(super) fn is_target(&self) -> bool {
        self.way_past().join(self.arriving) != Counter::Dead
    }

    /// After its end, when control falls into it with `counter`.
    pub(super) fn join(&self, counter: Counter) -> Counter {
        self.way_past().join(self.arriving).join(counter)
    }

    /// An `if` without `else` may be passed by.
    fn way_past(&self) -> Counter {
        if self.kind == Kind::If { self.entry } else { Counter::Dead }
    }
}

/// The open control structures, the function's own first.
pub(super) struct Labels(Vec<Label>);

impl Labels {
    pub(super) fn of_function() -> Self {
        Labels(vec![Label { kind: Kind::Block, entry: Counter::Global, arriving: Counter::Dead }])
    }

    /// The depth of the function's own label.
    pub(super) fn depth(&self) -> u32 {
        u32::try_from(self.0.len() - 1).unwrap_or(u32::MAX)
    }

    pub(super) fn open(&mut self, kind: Kind, entry: Counter) {
        self.0.push(Label { kind, entry, arriving: Counter::Dead });
    }

    /// Control goes to a label with `counter`. To the head of a loop it always may.
    pub(super) fn arrive(&mut self, depth: u32, counter: Counter) {
        let index = self.0.len().checked_sub(1 + depth as usize);
        if let Some(label) = index.and_then(|index| self.0.get_mut(index))
            && label.kind != Kind::Loop
        {
            label.arriving = label.arriving.join(counter);
        }
    }

    /// From the end of an `if` with `counter` to its `else`.
    pub(super) fn otherwise(&mut self, counter: Counter) -> Counter {
        self.arrive(0, counter);
        let Some(label) = self.0.last_mut() else { return counter };
        label.kind = Kind::Block;
        label.entry
    }

    /// Validation has proven that every end has its beginning.
    pub(super) fn close(&mut self) -> Label {
        self.0.pop().expect("an end closes what was opened")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_join_is_current_only_where_all_ways_are() {
        use Counter::*;
        assert_eq!(Both.join(Both), Both);
        assert_eq!(Both.join(Local), Local);
        assert_eq!(Dead.join(Global), Global);
        assert_eq!(Local.join(Dead), Local);
    }

    #[test]
    fn an_if_without_else_is_passed_by_and_one_with_else_is_not() {
        let mut labels = Labels::of_function();
        labels.open(Kind::If, Counter::Both);
        assert!(labels.close().is_target());
        labels.open(Kind::If, Counter::Both);
        assert_eq!(labels.otherwise(Counter::Dead), Counter::Both);
        let label = labels.close();
        assert!(!label.is_target());
        assert_eq!(label.join(Counter::Local), Counter::Local);
    }

    #[test]
    fn a_branch_back_brings_nothing_to_the_end_of_the_loop() {
        let mut labels = Labels::of_function();
        labels.open(Kind::Loop, Counter::Local);
        labels.arrive(0, Counter::Local);
        labels.arrive(1, Counter::Both);
        assert!(!labels.close().is_target());
        assert_eq!(labels.close().join(Counter::Dead), Counter::Both);
    }
}
