//! What the rules look at: a source file reduced to functions, types, imports and expressions.
//!
//! Syntax trees of `syn` cannot leave the thread that parsed them and carry far more than the rules need, so each
//! file is lowered to this form at once. Nothing here is resolved: paths stand as they were written.

/// A place in a file; both numbers start at 1, columns count characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pos {
    pub line: u32,
    pub col: u32,
}

/// A type as written; references, lifetimes and pointers are left out.
#[derive(Clone, Debug, Default)]
pub enum TypeRef {
    /// A named type or trait with the type arguments of its last segment.
    Path {
        path: String,
        args: Vec<TypeRef>,
    },
    Tuple(Vec<TypeRef>),
    /// A slice or an array.
    Slice(Box<TypeRef>),
    #[default]
    Unknown,
}

#[derive(Clone, Debug)]
pub struct Expr {
    pub pos: Pos,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub enum Kind {
    Path(String),
    Field(Box<Expr>, String),
    Method {
        receiver: Box<Expr>,
        name: String,
        args: Vec<Expr>,
    },
    Call {
        callee: Box<Expr>,
        args: Vec<Expr>,
    },
    Struct {
        path: String,
        fields: Vec<Expr>,
    },
    Await(Box<Expr>),
    Try(Box<Expr>),
    Borrow(Box<Expr>),
    Deref(Box<Expr>),
    Cast(Box<Expr>, TypeRef),
    Index(Box<Expr>, Box<Expr>),
    /// `a && b`, `a || b`: the temporaries of `b` end with `b`.
    Lazy(Box<Expr>, Box<Expr>),
    Assign(Box<Expr>, Box<Expr>),
    Block(Block),
    Async(Block),
    Closure(Closure),
    If {
        condition: Box<Expr>,
        then: Block,
        otherwise: Option<Box<Expr>>,
    },
    /// `let PAT = EXPR` as a condition.
    Let(Box<Pat>, Box<Expr>),
    Match {
        on: Box<Expr>,
        arms: Vec<Arm>,
    },
    While {
        condition: Box<Expr>,
        body: Block,
    },
    Loop(Block),
    For {
        pat: Box<Pat>,
        over: Box<Expr>,
        body: Block,
    },
    Jump(Jump, Option<Box<Expr>>),
    /// A tuple or an array: it owns its parts.
    Tuple(Vec<Expr>),
    /// Operands evaluated in order whose values are only looked at.
    Operands(Vec<Expr>),
    /// `select!`: all futures are awaited, then one handler runs.
    Select(Vec<Branch>),
    /// `join!`, `try_join!`: all futures are awaited.
    Join(Vec<Expr>),
    /// Any other macro whose input could be read as expressions.
    Macro {
        name: String,
        args: Vec<Expr>,
    },
    Text,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jump {
    Return,
    Break,
    Continue,
}

#[derive(Clone, Debug, Default)]
pub struct Block {
    pub stmts: Vec<Stmt>,
    pub tail: Option<Box<Expr>>,
}

#[derive(Clone, Debug)]
pub enum Stmt {
    Let {
        pat: Pat,
        ty: Option<TypeRef>,
        init: Option<Expr>,
        otherwise: Option<Expr>,
    },
    Expr(Expr),
}

#[derive(Clone, Debug)]
pub struct Closure {
    pub params: Vec<Pat>,
    pub body: Box<Expr>,
    pub is_async: bool,
}

#[derive(Clone, Debug)]
pub struct Arm {
    pub pat: Pat,
    pub guard: Option<Expr>,
    pub body: Expr,
}

#[derive(Clone, Debug)]
pub struct Branch {
    pub pat: Pat,
    pub future: Option<Expr>,
    pub guard: Option<Expr>,
    pub body: Expr,
}

#[derive(Clone, Debug)]
pub enum Pat {
    Bind {
        name: String,
        inner: Option<Box<Pat>>,
    },
    Typed(Box<Pat>, TypeRef),
    Tuple(Vec<Pat>),
    /// A tuple struct or an enum variant.
    Variant {
        path: String,
        parts: Vec<Pat>,
    },
    Struct {
        path: String,
        fields: Vec<(String, Pat)>,
    },
    Slice(Vec<Pat>),
    Or(Vec<Pat>),
    /// `_`, literals, ranges, constants: binds nothing.
    Nothing,
}

/// A function, method, or a trait's function with or without a body.
#[derive(Clone, Debug)]
pub struct FnDef {
    pub name: String,
    /// The module it stands in, as `crate_name::a::b`.
    pub module: String,
    pub self_ty: Option<TypeRef>,
    /// The trait it implements or belongs to.
    pub trait_: Option<String>,
    /// It is declared by the trait itself.
    pub declared_in_trait: bool,
    pub is_async: bool,
    pub has_self: bool,
    pub params: Vec<(Pat, TypeRef)>,
    pub ret: Option<TypeRef>,
    pub generics: Vec<(String, TypeRef)>,
    /// Imports written inside the body.
    pub uses: Vec<(String, String)>,
    pub body: Option<Block>,
    pub pos: Pos,
}

#[derive(Clone, Debug)]
pub struct StructDef {
    pub name: String,
    pub module: String,
    pub generics: Vec<(String, TypeRef)>,
    pub fields: Vec<FieldDef>,
}

#[derive(Clone, Debug)]
pub struct FieldDef {
    pub name: String,
    pub ty: TypeRef,
    pub pos: Pos,
}

#[derive(Clone, Debug)]
pub struct AliasDef {
    pub name: String,
    pub module: String,
    pub generics: Vec<(String, TypeRef)>,
    pub ty: TypeRef,
    pub pos: Pos,
}

#[derive(Clone, Debug)]
pub struct StaticDef {
    pub name: String,
    pub module: String,
    pub ty: TypeRef,
    pub pos: Pos,
}

#[derive(Clone, Debug, Default)]
pub struct Module {
    pub path: String,
    pub imports: Vec<Import>,
    /// Imports of all names of a module; their own name is empty.
    pub globs: Vec<Import>,
    /// Names of the items defined here.
    pub items: Vec<String>,
}

/// A `use` of one name, or of all names of a module.
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// The name here.
    pub name: String,
    /// The path as written.
    pub target: String,
    /// Whether modules outside see it too: `pub`, however narrow.
    pub public: bool,
}

/// All that is known about one file after parsing it.
#[derive(Clone, Debug, Default)]
pub struct FileFacts {
    pub modules: Vec<Module>,
    pub fns: Vec<FnDef>,
    pub structs: Vec<StructDef>,
    pub aliases: Vec<AliasDef>,
    pub statics: Vec<StaticDef>,
    pub traits: Vec<(String, String)>,
    /// Out-of-line modules declared under `#[cfg(test)]`.
    pub test_modules: Vec<String>,
    /// First and last line of every item, field, statement and arm: what a silence above it covers.
    pub extents: Vec<(u32, u32)>,
}

impl Block {
    /// Calls `visit` with every expression of the block, closures and async blocks included, outermost first.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Expr)) {
        for stmt in &self.stmts {
            match stmt {
                Stmt::Let { init, otherwise, .. } => {
                    init.iter().chain(otherwise).for_each(|expr| expr.walk(visit));
                }
                Stmt::Expr(expr) => expr.walk(visit),
            }
        }
        if let Some(tail) = &self.tail {
            tail.walk(visit);
        }
    }
}

impl Expr {
    /// Calls `visit` with this expression and every one inside it.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Expr)) {
        visit(self);
        match &self.kind {
            Kind::Path(_) | Kind::Text | Kind::Unknown | Kind::Jump(_, None) => {}
            Kind::Field(a, _)
            | Kind::Await(a)
            | Kind::Try(a)
            | Kind::Borrow(a)
            | Kind::Deref(a)
            | Kind::Cast(a, _)
            | Kind::Let(_, a)
            | Kind::Jump(_, Some(a)) => a.walk(visit),
            Kind::Closure(closure) => closure.body.walk(visit),
            Kind::Index(a, b) | Kind::Lazy(a, b) | Kind::Assign(a, b) => {
                a.walk(visit);
                b.walk(visit);
            }
            Kind::Method {
                receiver: first,
                args,
                ..
            }
            | Kind::Call { callee: first, args } => {
                first.walk(visit);
                args.iter().for_each(|arg| arg.walk(visit));
            }
            Kind::Struct { fields: parts, .. }
            | Kind::Tuple(parts)
            | Kind::Operands(parts)
            | Kind::Join(parts)
            | Kind::Macro { args: parts, .. } => parts.iter().for_each(|part| part.walk(visit)),
            _ => self.walk_control(visit),
        }
    }

    fn walk_control<'a>(&'a self, visit: &mut dyn FnMut(&'a Expr)) {
        match &self.kind {
            Kind::Block(block) | Kind::Async(block) | Kind::Loop(block) => block.walk(visit),
            Kind::If {
                condition,
                then,
                otherwise,
            } => {
                condition.walk(visit);
                then.walk(visit);
                otherwise.iter().for_each(|expr| expr.walk(visit));
            }
            Kind::While {
                condition: head,
                body,
            }
            | Kind::For { over: head, body, .. } => {
                head.walk(visit);
                body.walk(visit);
            }
            Kind::Match { on, arms } => {
                on.walk(visit);
                arms.iter().for_each(|arm| {
                    arm.guard.iter().for_each(|guard| guard.walk(visit));
                    arm.body.walk(visit);
                });
            }
            Kind::Select(branches) => branches.iter().for_each(|branch| {
                branch
                    .future
                    .iter()
                    .chain(&branch.guard)
                    .for_each(|expr| expr.walk(visit));
                branch.body.walk(visit);
            }),
            _ => {}
        }
    }
}

impl Pat {
    /// The name, if the pattern is a single variable.
    pub fn single(&self) -> Option<&str> {
        match self {
            Pat::Bind { name, inner: None } => Some(name),
            Pat::Typed(inner, _) => inner.single(),
            _ => None,
        }
    }
}
