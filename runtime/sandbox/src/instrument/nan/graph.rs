//! Which value flows where within a function, and what follows: the class of each, and where it is made canonical.

use super::class::{Class, Lanes, Passage};
use super::form::{Fixes, Form};

/// A value, or a place where several meet.
pub(super) type Node = u32;

/// A value that is the same whether it is made canonical or not.
pub(super) const NEUTRAL: Node = 0;
/// A value whose bits are defined.
pub(super) const DEFINED: Node = 1;
/// No operator.
pub(super) const NOWHERE: u32 = u32::MAX;
/// No edge.
const NONE: u32 = u32::MAX;

struct Vertex {
    class: Class,
    vector: bool,
    /// It, or what flows into it, is made canonical where it comes from.
    settled: bool,
    /// Waits in the list of those whose class has grown.
    waiting: bool,
    /// The operator after which it lies on top of the operand stack for the first time.
    made_at: u32,
    /// How many loops stand around that.
    loops: u32,
    first_in: u32,
    first_out: u32,
}

struct Edge {
    from: Node,
    to: Node,
    passage: Passage,
    next_in: u32,
    next_out: u32,
}

/// Somewhere the bits of a value are seen.
struct Sight {
    node: Node,
    /// An operator after which the value lies on top of the operand stack, not later than it is seen.
    at: u32,
    loops: u32,
    /// The bits are seen only if the value was computed in other lanes than these.
    unless: Option<Lanes>,
}

pub(super) struct Graph {
    vertices: Vec<Vertex>,
    edges: Vec<Edge>,
    sights: Vec<Sight>,
}

impl Graph {
    pub(super) fn new() -> Graph {
        let mut graph = Graph { vertices: Vec::new(), edges: Vec::new(), sights: Vec::new() };
        graph.vertex(Class::NEUTRAL, false, NOWHERE, 0);
        graph.vertex(Class::DEFINED, false, NOWHERE, 0);
        graph
    }

    fn vertex(&mut self, class: Class, vector: bool, made_at: u32, loops: u32) -> Node {
        let node = self.size();
        self.vertices.push(Vertex {
            class,
            vector,
            settled: false,
            waiting: false,
            made_at,
            loops,
            first_in: NONE,
            first_out: NONE,
        });
        node
    }

    /// Nodes so far.
    pub(super) fn size(&self) -> u32 {
        // A function has fewer bytes than that, and each makes a bounded number of nodes.
        u32::try_from(self.vertices.len()).unwrap_or(u32::MAX)
    }

    /// A value that an operator makes. Arithmetic gives it a class; else it has what flows into it.
    pub(super) fn made(&mut self, class: Class, vector: bool, at: u32, loops: u32) -> Node {
        self.vertex(class, vector, at, loops)
    }

    /// A place where values meet, a local at a label say, that no operator makes.
    pub(super) fn meeting(&mut self, vector: bool) -> Node {
        self.vertex(Class::NEUTRAL, vector, NOWHERE, 0)
    }

    pub(super) fn is_vector(&self, node: Node) -> bool {
        self.vertices[node as usize].vector
    }

    /// `from` may be what `to` is.
    pub(super) fn flow(&mut self, from: Node, to: Node, passage: Passage) {
        match from {
            NEUTRAL => {}
            _ if from == to => {}
            DEFINED => {
                let class = &mut self.vertices[to as usize].class;
                *class = class.or(Class::DEFINED);
            }
            _ => {
                let edge = u32::try_from(self.edges.len()).unwrap_or(NONE);
                let next_in = std::mem::replace(&mut self.vertices[to as usize].first_in, edge);
                let next_out = std::mem::replace(&mut self.vertices[from as usize].first_out, edge);
                self.edges.push(Edge { from, to, passage, next_in, next_out });
            }
        }
    }

    /// The bits of a value are seen, while `loops` loops are open.
    pub(super) fn seen(&mut self, node: Node, at: u32, loops: u32) {
        if node > DEFINED {
            self.sights.push(Sight { node, at, loops, unless: None });
        }
    }

    /// A vector is read in these lanes, which shows its bits if it was computed in others.
    pub(super) fn read(&mut self, node: Node, at: u32, loops: u32, lanes: Lanes) {
        if node > DEFINED && self.is_vector(node) {
            self.sights.push(Sight { node, at, loops, unless: Some(lanes) });
        }
    }

    /// Decides what is made canonical where.
    pub(super) fn solve(mut self) -> Fixes {
        self.classify();
        let mut fixes = Vec::new();
        let mut unsettled = Vec::new();
        for sight in std::mem::take(&mut self.sights) {
            let vertex = &mut self.vertices[sight.node as usize];
            let class = vertex.class;
            if !class.may_be_raw() || sight.unless.is_some_and(|lanes| !class.clashes(lanes)) {
                continue;
            }
            match class.certain() {
                Some(certain) => {
                    let form = form(certain, vertex.vector);
                    // Where it is made, once for all who see it, unless that is in a hotter place.
                    if vertex.made_at != NOWHERE && (vertex.loops <= sight.loops || sight.at == NOWHERE) {
                        if !std::mem::replace(&mut vertex.settled, true) {
                            fixes.push((vertex.made_at, form));
                        }
                    } else if sight.at != NOWHERE {
                        fixes.push((sight.at, form));
                    } else {
                        unsettled.push(sight.node);
                    }
                }
                None => unsettled.push(sight.node),
            }
        }
        self.settle(unsettled, &mut fixes);
        Fixes::of(fixes)
    }

    /// Lets the classes flow until nothing changes. A class grows at most five times.
    fn classify(&mut self) {
        let mut waiting: Vec<Node> = Vec::new();
        for (node, vertex) in (0..).zip(&mut self.vertices) {
            vertex.waiting = vertex.class != Class::NEUTRAL;
            if vertex.waiting {
                waiting.push(node);
            }
        }
        while let Some(node) = waiting.pop() {
            let vertex = &mut self.vertices[node as usize];
            vertex.waiting = false;
            let (class, mut edge) = (vertex.class, vertex.first_out);
            while edge != NONE {
                let Edge { to, passage, next_out, .. } = self.edges[edge as usize];
                let target = &mut self.vertices[to as usize];
                let grown = target.class.or(passage.of(class));
                if grown != target.class {
                    target.class = grown;
                    if !std::mem::replace(&mut target.waiting, true) {
                        waiting.push(to);
                    }
                }
                edge = next_out;
            }
        }
    }

    /// Values that cannot be made canonical where they are seen, because among them are some whose bits are defined:
    /// the fresh ones among them are made canonical where they come from.
    fn settle(&mut self, mut unsettled: Vec<Node>, fixes: &mut Vec<(u32, Form)>) {
        while let Some(node) = unsettled.pop() {
            let vertex = &mut self.vertices[node as usize];
            if std::mem::replace(&mut vertex.settled, true) {
                continue;
            }
            if let (Some(certain), false) = (vertex.class.certain(), vertex.made_at == NOWHERE) {
                fixes.push((vertex.made_at, form(certain, vertex.vector)));
                continue;
            }
            let mut edge = vertex.first_in;
            while edge != NONE {
                let Edge { from, passage, next_in, .. } = self.edges[edge as usize];
                if passage.of(self.vertices[from as usize].class).may_be_raw() {
                    unsettled.push(from);
                }
                edge = next_in;
            }
        }
    }
}

fn form((lanes, turned): (Lanes, bool), vector: bool) -> Form {
    Form { vector, lanes, turned }
}
