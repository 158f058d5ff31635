//! Plain inserts that a pipeline holds many times are sent as one statement with a row for each.
//!
//! `insert into t (a, b) values ($1, $2)` run n times costs n parses, plans, snapshots and guard checks; the same
//! rows by `select .. from unnest($1, $2)` cost one. Only that shape is merged: one row of values, no `on conflict`,
//! no `returning`, so that each step is known to have added one row.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt::Write as _;

use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, Kind, ToSql, Type};

use crate::{Sql, Step, Value};

/// The steps that one call to the server carries out, by their place in the pipeline.
pub(super) type Members = Vec<usize>;

/// Which steps of one unit of work travel together: runs of the same statement.
pub(super) fn runs(steps: &[Step]) -> Vec<Members> {
    merged(steps, 0, &[steps.len()])
}

/// Which steps of several independent units of work travel together. The units lie end to end from `first` on;
/// `lengths` says how many steps each has.
///
/// Units that consist of the same statements in the same order are carried out side by side: statement by statement
/// in the unit's own order, so a row never comes before the one that it refers to.
pub(super) fn merged(steps: &[Step], first: usize, lengths: &[usize]) -> Vec<Members> {
    let mut classes: Vec<Vec<Members>> = Vec::new();
    let mut known: HashMap<Vec<usize>, usize> = HashMap::new();
    let mut first = first;
    for length in lengths {
        let mut shape: Vec<usize> = Vec::new();
        let mut unit: Vec<Members> = Vec::new();
        for (index, step) in steps.iter().enumerate().skip(first).take(*length) {
            let key = sql(step).key();
            match unit.last_mut() {
                Some(run) if shape.last() == Some(&key) => run.push(index),
                _ => {
                    shape.push(key);
                    unit.push(vec![index]);
                }
            }
        }
        first += length;
        match known.get(&shape) {
            Some(class) => {
                for (run, more) in classes[*class].iter_mut().zip(unit) {
                    run.extend(more);
                }
            }
            None => {
                known.insert(shape, classes.len());
                classes.push(unit);
            }
        }
    }
    classes.into_iter().flatten().collect()
}

fn sql(step: &Step) -> &'static Sql {
    step.0
}

/// The statement that adds many rows at once, if the text is a plain insert of one row.
pub(super) fn text(single: &str, types: &[Type]) -> Option<String> {
    let single = single.trim();
    if types.is_empty() || !single.starts_with("insert into ") || !single.ends_with(')') {
        return None;
    }
    let (head, row) = single.split_once("values (")?;
    let row = row.strip_suffix(')')?;
    if row.contains('(') || row.contains(')') {
        return None;
    }
    let mut out = format!("{head}select {} from unnest(", row.replace('$', "r.p"));
    for (index, kind) in types.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let _ = write!(out, "{comma}${}::{}[]", index + 1, element(kind)?);
    }
    let names: Vec<_> = (1..=types.len()).map(|number| format!("p{number}")).collect();
    let _ = write!(out, ") as r ({})", names.join(", "));
    Some(out)
}

/// The types whose arrays can be bound here.
fn element(kind: &Type) -> Option<&str> {
    let plain = [
        Type::BOOL,
        Type::INT2,
        Type::INT4,
        Type::INT8,
        Type::FLOAT8,
        Type::TEXT,
        Type::BYTEA,
        Type::UUID,
        Type::JSON,
        Type::JSONB,
        Type::TIMESTAMPTZ,
    ];
    plain.contains(kind).then(|| kind.name())
}

/// One column of the rows, as an array.
#[derive(Debug)]
pub(super) struct Column<'a> {
    /// The rows' arguments.
    pub rows: &'a [&'a [Value]],
    /// Which argument.
    pub index: usize,
}

impl ToSql for Column<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        let Kind::Array(element) = ty.kind() else {
            return Err(format!("cannot bind a column to a parameter of type {ty}").into());
        };
        let nulls = self.rows.iter().any(|row| row[self.index] == Value::Null);
        // Array header of the binary format: dimensions, whether there are nulls, type, length, lower bound.
        for number in [1, i32::from(nulls)] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(&element.oid().to_be_bytes());
        for number in [i32::try_from(self.rows.len())?, 1] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        for row in self.rows {
            let start = out.len();
            out.extend_from_slice(&[0; 4]);
            let length = match row[self.index].to_sql(element, out)? {
                IsNull::Yes => -1,
                IsNull::No => i32::try_from(out.len() - start - 4)?,
            };
            out[start..start + 4].copy_from_slice(&length.to_be_bytes());
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    tokio_postgres::types::to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_insert_gets_a_text_for_many_rows() {
        let single = "\n insert into t (id, state, at, seen)\n values ($1, 'new', $2, $2)";
        let many = text(single, &[Type::UUID, Type::TIMESTAMPTZ]).unwrap();
        assert_eq!(
            many,
            "insert into t (id, state, at, seen)\n select r.p1, 'new', r.p2, r.p2 from unnest($1::uuid[], $2::timestamptz[]) as r (p1, p2)"
        );
    }

    #[test]
    fn other_shapes_stay_single() {
        let types = [Type::UUID];
        for single in [
            "insert into t (id) values ($1) on conflict do nothing",
            "insert into t (id) values ($1) returning id",
            "insert into t (id) values (lower($1))",
            "insert into t (id) select $1 where exists (select 1 from u)",
            "update t set id = $1 where a in (1)",
        ] {
            assert_eq!(text(single, &types), None, "{single}");
        }
        assert_eq!(text("insert into t (id) values ($1)", &[Type::UUID_ARRAY]), None);
    }

    #[test]
    fn units_of_the_same_shape_go_side_by_side_and_others_after_them() {
        static A: Sql = Sql::new("a", "");
        static B: Sql = Sql::new("b", "");
        let step = |sql: &'static Sql| (sql, Vec::new());
        let steps = [&A, &B, &B, &B, &A, &A, &B].map(step);
        // Units: A B B, B A, A B.
        assert_eq!(
            merged(&steps, 0, &[3, 2, 2]),
            vec![vec![0, 5], vec![1, 2, 6], vec![3], vec![4]]
        );
        assert_eq!(runs(&steps), vec![vec![0], vec![1, 2, 3], vec![4, 5], vec![6]]);
    }
}
