//! From tokens to an expression (XPath 1.0, section 3).

use super::InvalidXPath;
use super::ast::{Arithmetic, Axis, Comparison, Expr, Step, Test};
use super::lexer::{Token, tokens};

/// Deeper nesting is refused.
const MAX_DEPTH: usize = 64;

type Parse<T> = Result<T, InvalidXPath>;

pub(super) fn expression(text: &str) -> Parse<Expr> {
    let tokens = tokens(text)?;
    let mut parser = Parser {
        tokens: &tokens,
        depth: 0,
    };
    let expression = parser.or()?;
    if parser.tokens.is_empty() {
        Ok(expression)
    } else {
        Err(InvalidXPath)
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    depth: usize,
}

fn boxed(left: Expr, right: Expr) -> (Box<Expr>, Box<Expr>) {
    (Box::new(left), Box::new(right))
}

impl Parser<'_> {
    fn next_is(&self, symbol: &str) -> bool {
        matches!(self.tokens.first(), Some(Token::Symbol(s)) if *s == symbol)
    }

    fn take(&mut self, symbol: &str) -> bool {
        let found = self.next_is(symbol);
        if found {
            self.tokens = &self.tokens[1..];
        }
        found
    }

    fn expect(&mut self, symbol: &str) -> Parse<()> {
        if self.take(symbol) {
            Ok(())
        } else {
            Err(InvalidXPath)
        }
    }

    fn or(&mut self) -> Parse<Expr> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(InvalidXPath);
        }
        let mut left = self.and()?;
        while self.take("or") {
            let (l, r) = boxed(left, self.and()?);
            left = Expr::Or(l, r);
        }
        self.depth -= 1;
        Ok(left)
    }

    fn and(&mut self) -> Parse<Expr> {
        let mut left = self.equality()?;
        while self.take("and") {
            let (l, r) = boxed(left, self.equality()?);
            left = Expr::And(l, r);
        }
        Ok(left)
    }

    fn equality(&mut self) -> Parse<Expr> {
        let operators = [("=", Comparison::Equal), ("!=", Comparison::NotEqual)];
        let mut left = self.relational()?;
        while let Some((_, operator)) = operators.into_iter().find(|(s, _)| self.take(s)) {
            let (l, r) = boxed(left, self.relational()?);
            left = Expr::Compare(operator, l, r);
        }
        Ok(left)
    }

    fn relational(&mut self) -> Parse<Expr> {
        let operators = [
            ("<=", Comparison::LessOrEqual),
            ("<", Comparison::Less),
            (">=", Comparison::GreaterOrEqual),
            (">", Comparison::Greater),
        ];
        let mut left = self.additive()?;
        while let Some((_, operator)) = operators.into_iter().find(|(s, _)| self.take(s)) {
            let (l, r) = boxed(left, self.additive()?);
            left = Expr::Compare(operator, l, r);
        }
        Ok(left)
    }

    fn additive(&mut self) -> Parse<Expr> {
        let operators = [("+", Arithmetic::Add), ("-", Arithmetic::Subtract)];
        let mut left = self.multiplicative()?;
        while let Some((_, operator)) = operators.into_iter().find(|(s, _)| self.take(s)) {
            let (l, r) = boxed(left, self.multiplicative()?);
            left = Expr::Arithmetic(operator, l, r);
        }
        Ok(left)
    }

    fn multiplicative(&mut self) -> Parse<Expr> {
        let operators = [
            ("multiply", Arithmetic::Multiply),
            ("div", Arithmetic::Divide),
            ("mod", Arithmetic::Modulo),
        ];
        let mut left = self.unary()?;
        while let Some((_, operator)) = operators.into_iter().find(|(s, _)| self.take(s)) {
            let (l, r) = boxed(left, self.unary()?);
            left = Expr::Arithmetic(operator, l, r);
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parse<Expr> {
        let mut signs = 0;
        while self.take("-") {
            signs += 1;
            if signs > MAX_DEPTH {
                return Err(InvalidXPath);
            }
        }
        let operand = self.union()?;
        Ok((0..signs).fold(operand, |inner, _| Expr::Negate(Box::new(inner))))
    }

    fn union(&mut self) -> Parse<Expr> {
        let mut left = self.path()?;
        while self.take("|") {
            let (l, r) = boxed(left, self.path()?);
            left = Expr::Union(l, r);
        }
        Ok(left)
    }

    fn path(&mut self) -> Parse<Expr> {
        if !self.begins_filter() {
            return self.location_path();
        }
        let base = Box::new(self.primary()?);
        let predicates = self.predicates()?;
        let mut steps = Vec::new();
        if self.next_is("/") || self.next_is("//") {
            self.more_steps(&mut steps)?;
        }
        if predicates.is_empty() && steps.is_empty() {
            return Ok(*base);
        }
        Ok(Expr::Filter {
            base,
            predicates,
            steps,
        })
    }

    /// A literal, number, parenthesis or function call; the tests of node types look like calls.
    fn begins_filter(&self) -> bool {
        match self.tokens {
            [Token::Symbol("(") | Token::Literal(_) | Token::Number(_), ..] => true,
            [Token::Name { prefix: None, local }, Token::Symbol("("), ..] => {
                !["comment", "text", "node", "processing-instruction"].contains(&local.as_str())
            }
            _ => false,
        }
    }

    fn primary(&mut self) -> Parse<Expr> {
        let (first, rest) = self.tokens.split_first().ok_or(InvalidXPath)?;
        self.tokens = rest;
        match first {
            Token::Literal(text) => Ok(Expr::Literal(text.clone())),
            Token::Number(value) => Ok(Expr::Number(*value)),
            Token::Name { local, .. } => {
                self.expect("(")?;
                let mut arguments = Vec::new();
                if !self.take(")") {
                    arguments.push(self.or()?);
                    while self.take(",") {
                        arguments.push(self.or()?);
                    }
                    self.expect(")")?;
                }
                Ok(Expr::Call(local.clone(), arguments))
            }
            _ => {
                let inner = self.or()?;
                self.expect(")")?;
                Ok(inner)
            }
        }
    }

    fn location_path(&mut self) -> Parse<Expr> {
        let absolute = self.next_is("/") || self.next_is("//");
        let mut steps = Vec::new();
        if self.next_is("/") && !self.begins_step(1) {
            self.take("/");
            return Ok(Expr::Path { absolute, steps });
        }
        if !absolute {
            steps.push(self.step()?);
        }
        self.more_steps(&mut steps)?;
        Ok(Expr::Path { absolute, steps })
    }

    fn begins_step(&self, at: usize) -> bool {
        match self.tokens.get(at) {
            Some(Token::Name { .. } | Token::AnyIn(_)) => true,
            Some(Token::Symbol(symbol)) => matches!(*symbol, "." | ".." | "@" | "*"),
            _ => false,
        }
    }

    fn more_steps(&mut self, steps: &mut Vec<Step>) -> Parse<()> {
        loop {
            if self.take("//") {
                let test = Test::Node;
                steps.push(Step {
                    axis: Axis::DescendantOrSelf,
                    test,
                    predicates: Vec::new(),
                });
            } else if !self.take("/") {
                return Ok(());
            }
            steps.push(self.step()?);
        }
    }

    fn step(&mut self) -> Parse<Step> {
        for (symbol, axis) in [("..", Axis::Parent), (".", Axis::Itself)] {
            if self.take(symbol) {
                return Ok(Step {
                    axis,
                    test: Test::Node,
                    predicates: Vec::new(),
                });
            }
        }
        let axis = self.axis()?;
        let test = self.test()?;
        Ok(Step {
            axis,
            test,
            predicates: self.predicates()?,
        })
    }

    fn axis(&mut self) -> Parse<Axis> {
        if self.take("@") {
            return Ok(Axis::Attribute);
        }
        let [
            Token::Name { prefix: None, local },
            Token::Symbol("::"),
            rest @ ..,
        ] = self.tokens
        else {
            return Ok(Axis::Child);
        };
        self.tokens = rest;
        Ok(match local.as_str() {
            "ancestor" => Axis::Ancestor,
            "ancestor-or-self" => Axis::AncestorOrSelf,
            "attribute" => Axis::Attribute,
            "child" => Axis::Child,
            "descendant" => Axis::Descendant,
            "descendant-or-self" => Axis::DescendantOrSelf,
            "following" => Axis::Following,
            "following-sibling" => Axis::FollowingSibling,
            "namespace" => Axis::Namespace,
            "parent" => Axis::Parent,
            "preceding" => Axis::Preceding,
            "preceding-sibling" => Axis::PrecedingSibling,
            "self" => Axis::Itself,
            _ => return Err(InvalidXPath),
        })
    }

    fn test(&mut self) -> Parse<Test> {
        let (first, rest) = self.tokens.split_first().ok_or(InvalidXPath)?;
        self.tokens = rest;
        match first {
            Token::Symbol("*") => Ok(Test::Any),
            Token::AnyIn(prefix) => Ok(Test::AnyIn(prefix.clone())),
            Token::Name { prefix: None, local } if self.take("(") => self.node_type(local),
            Token::Name { prefix, local } => Ok(Test::Name {
                prefix: prefix.clone(),
                local: local.clone(),
            }),
            _ => Err(InvalidXPath),
        }
    }

    fn node_type(&mut self, name: &str) -> Parse<Test> {
        let test = match name {
            "node" => Test::Node,
            "text" => Test::Text,
            "comment" => Test::Comment,
            "processing-instruction" => {
                let target = match self.tokens.first() {
                    Some(Token::Literal(target)) => Some(target.clone()),
                    _ => None,
                };
                if target.is_some() {
                    self.tokens = &self.tokens[1..];
                }
                Test::Instruction(target)
            }
            _ => return Err(InvalidXPath),
        };
        self.expect(")")?;
        Ok(test)
    }

    fn predicates(&mut self) -> Parse<Vec<Expr>> {
        let mut predicates = Vec::new();
        while self.take("[") {
            predicates.push(self.or()?);
            self.expect("]")?;
        }
        Ok(predicates)
    }
}
