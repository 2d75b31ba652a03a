//! The task machine of the core.

use serde::Serialize;
use syn::{
    FnArg, ImplItem, ReceiverKind,
    visit::{self, Visit},
};

use super::fields;
use crate::source::{File, Workspace, tokens};

/// The folder of the machine.
const FOLDER: &str = "crates/core/src/task/";

/// The regions whose `bool`s are counted, each with the beginnings of its files' paths in [`FOLDER`]: today's, and
/// those that it is to have.
const REGIONS: &[(&str, &[&str])] = &[
    ("stream", &["stream", "judge/stream"]),
    ("questions", &["question"]),
    ("writes", &["write", "judge/write"]),
];

/// What holds the plan of the next poll: the type, the names by which code calls a value of it, and its fields. Inside
/// the type it is `self`.
const POLL_PLAN: &[(&str, &[&str], &[&str])] = &[
    // Where it was before the poller was a region.
    ("Following", &["following"], &["next", "due", "why"]),
    ("Poller", &["poller"], &["next"]),
    ("NextPoll", &["next", "planned"], &["read", "due", "why"]),
];

/// The counts of the task machine.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Machine {
    pub(crate) lines: usize,
    pub(crate) fields: usize,
    pub(crate) options: Fields,
    pub(crate) bools: Fields,
    /// The `bool`s of each region.
    pub(crate) region_bools: Vec<(String, usize)>,
    pub(crate) expect: usize,
    pub(crate) unwrap: usize,
    pub(crate) unreachable: usize,
    pub(crate) panic: usize,
    /// Methods of the whole `Task` by how they take it, with functions that take one as an argument.
    pub(crate) by_mut: usize,
    pub(crate) by_ref: usize,
    pub(crate) by_value: usize,
    pub(crate) arguments: usize,
    /// Assignments to the plan of the next poll, the functions that have one, and where they are.
    pub(crate) poll_writes: usize,
    pub(crate) poll_writers: usize,
    pub(crate) poll_places: Vec<String>,
}

/// Fields of a type, in `Task` and in everything.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Fields {
    pub(crate) in_task: usize,
    pub(crate) in_all: usize,
}

/// Reads the machine.
pub(crate) fn of(workspace: &Workspace) -> Machine {
    let mut machine = Machine::default();
    let Some(core) = workspace.find("crates/core") else {
        return machine;
    };
    for file in core.sources() {
        methods(file, &mut machine);
    }
    let files: Vec<&File> = core
        .sources()
        .filter(|file| file.path.starts_with(FOLDER))
        .collect();
    for file in &files {
        machine.lines += file.lines() - file.test_lines();
        for shape in fields::of(&file.built) {
            if shape.name == "Task" {
                machine.fields = shape.fields.len();
                let count = |wanted| shape.fields.iter().filter(|ty| *ty == wanted).count();
                machine.options.in_task = count("Option");
                machine.bools.in_task = count("bool");
            }
        }
        let tokens = tokens::of(&file.built);
        let count = |wanted: &[&str]| tokens::occurrences(&tokens, wanted);
        machine.expect += count(&[".", "expect", "("]);
        machine.unwrap += count(&[".", "unwrap", "("]);
        machine.unreachable += count(&["unreachable", "!"]);
        machine.panic += count(&["panic", "!"]);
        poll_writes(file, &mut machine);
    }
    let all = |wanted| fields::count(files.iter().copied(), wanted);
    machine.options.in_all = all("Option");
    machine.bools.in_all = all("bool");
    for (region, beginnings) in REGIONS {
        let inside = files.iter().copied().filter(|file| {
            let path = &file.path[FOLDER.len()..];
            beginnings
                .iter()
                .any(|beginning| path.starts_with(beginning))
        });
        let bools = fields::count(inside, "bool");
        machine.region_bools.push(((*region).to_owned(), bools));
    }
    machine
}

fn named(ty: &syn::Type) -> Option<String> {
    match ty {
        syn::Type::Path(path) => Some(path.path.segments.last()?.ident.to_string()),
        syn::Type::Reference(reference) => named(&reference.elem),
        _ => None,
    }
}

/// Counts what takes the whole task.
fn methods(file: &File, machine: &mut Machine) {
    struct Finder<'m> {
        machine: &'m mut Machine,
    }

    impl<'a> Visit<'a> for Finder<'_> {
        fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
            if item.trait_.is_none() && named(&item.self_ty).as_deref() == Some("Task") {
                for item in &item.items {
                    if let ImplItem::Fn(item) = item
                        && let Some(FnArg::Receiver(receiver)) = item.sig.inputs.first()
                    {
                        match &receiver.kind {
                            ReceiverKind::Reference(_, _, Some(_)) => self.machine.by_mut += 1,
                            ReceiverKind::Reference(..) => self.machine.by_ref += 1,
                            _ => self.machine.by_value += 1,
                        }
                    }
                }
            }
            visit::visit_item_impl(self, item);
        }

        fn visit_signature(&mut self, signature: &'a syn::Signature) {
            let takes = signature.inputs.iter().any(|input| match input {
                FnArg::Typed(input) => named(&input.ty).as_deref() == Some("Task"),
                FnArg::Receiver(_) => false,
            });
            self.machine.arguments += usize::from(takes);
            visit::visit_signature(self, signature);
        }
    }

    Finder { machine }.visit_file(&file.built);
}

/// Counts the assignments to the plan of the next poll.
fn poll_writes(file: &File, machine: &mut Machine) {
    let mut finder = PollWrites {
        file: &file.path,
        inside: None,
        function: String::new(),
        written: 0,
        machine,
    };
    finder.visit_file(&file.built);
}

struct PollWrites<'m> {
    file: &'m str,
    /// The type whose methods these are.
    inside: Option<String>,
    function: String,
    /// How many assignments this function has.
    written: usize,
    machine: &'m mut Machine,
}

impl PollWrites<'_> {
    fn function(&mut self, name: &syn::Ident, visit: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.function, name.to_string());
        let written = std::mem::take(&mut self.written);
        visit(self);
        self.machine.poll_writers += usize::from(self.written > 0);
        self.function = outer;
        self.written = written;
    }
}

impl<'a> Visit<'a> for PollWrites<'_> {
    fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
        let outer = std::mem::replace(&mut self.inside, named(&item.self_ty));
        visit::visit_item_impl(self, item);
        self.inside = outer;
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.function(&item.sig.ident, |this| {
            visit::visit_impl_item_fn(this, item)
        });
    }

    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.function(&item.sig.ident, |this| visit::visit_item_fn(this, item));
    }

    fn visit_expr_assign(&mut self, assign: &'a syn::ExprAssign) {
        if is_plan(&assign.left, self.inside.as_deref()) {
            self.written += 1;
            self.machine.poll_writes += 1;
            let line = assign.eq_token.spans[0].start().line;
            let place = format!("{}:{line} {}", self.file, self.function);
            self.machine.poll_places.push(place);
        }
        visit::visit_expr_assign(self, assign);
    }
}

/// Returns whether an assignment's left side is the plan, or a field of it.
fn is_plan(left: &syn::Expr, inside: Option<&str>) -> bool {
    let syn::Expr::Field(left) = left else {
        return false;
    };
    let syn::Member::Named(field) = &left.member else {
        return false;
    };
    let base = match &*left.base {
        syn::Expr::Path(path) => path.path.get_ident(),
        syn::Expr::Field(base) => match &base.member {
            syn::Member::Named(name) => Some(name),
            syn::Member::Unnamed(_) => None,
        },
        _ => None,
    };
    let Some(base) = base else {
        return false;
    };
    POLL_PLAN.iter().any(|(holder, names, fields)| {
        let whose =
            names.iter().any(|name| base == name) || (base == "self" && inside == Some(*holder));
        whose && fields.iter().any(|known| field == known)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_counted() {
        let workspace = Workspace::of(&[
            (
                "crates/core/src/task/mod.rs",
                "pub struct Task<P> { a: Option<P>, b: bool, c: u8 }
                 impl<P> Task<P> {
                     fn a(&mut self) { self.following.due = 1; following.next = 2; other.due = 3; }
                     fn b(&self) { x.expect(\"\"); y.unwrap(); format!(\"{}\", z.expect(\"\")); unreachable!() }
                     fn c(self) {}
                     fn d() {}
                 }
                 fn e(task: &mut Task<u8>) {}
                 #[cfg(test)] mod tests { fn f(task: Task<u8>) { x.unwrap() } }",
            ),
            (
                "crates/core/src/task/stream.rs",
                "enum Stream { Open { a: bool, b: Option<u8> } }
                 impl Following { fn a(&mut self) { self.why = 1; } }
                 impl Stream { fn b(&mut self) { self.why = 1; } }",
            ),
        ]);
        let found = of(&workspace);
        assert_eq!((found.fields, found.expect, found.unwrap), (3, 2, 1));
        assert_eq!((found.unreachable, found.panic), (1, 0));
        assert_eq!((found.options.in_task, found.options.in_all), (1, 2));
        assert_eq!((found.bools.in_task, found.bools.in_all), (1, 2));
        assert_eq!(
            (found.by_mut, found.by_ref, found.by_value, found.arguments),
            (1, 1, 1, 1)
        );
        assert_eq!((found.poll_writes, found.poll_writers), (3, 2));
        assert_eq!(found.region_bools[0], ("stream".to_owned(), 1));
        assert_eq!(found.region_bools[1], ("questions".to_owned(), 0));
    }
}
