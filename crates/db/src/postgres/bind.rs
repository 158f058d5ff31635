//! Values in PostgreSQL's binary format.

use std::error::Error as StdError;

use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type};

use crate::Value;
use crate::row::POSTGRES_EPOCH_MICROS;

type Encoded = Result<IsNull, Box<dyn StdError + Sync + Send>>;

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Encoded {
        match (self, ty) {
            (Self::Null, _) => Ok(IsNull::Yes),
            (Self::Bool(v), &Type::BOOL) => v.to_sql(ty, out),
            (Self::I64(v), _) => integer(*v, ty, out),
            (Self::F64(v), &Type::FLOAT8) => v.to_sql(ty, out),
            (Self::Text(v), _) => text(v, ty, out),
            (Self::Static(v), _) => text(v, ty, out),
            (Self::Bytes(v), &Type::BYTEA) => v.to_sql(ty, out),
            (Self::Uuid(v), &Type::UUID) => v.to_sql(ty, out),
            (Self::Json(v), &Type::JSONB | &Type::JSON) => v.to_sql(ty, out),
            // What others made: our own columns are json.
            (Self::JsonText(v), &Type::JSONB) => {
                out.extend_from_slice(&[1]);
                raw(v.as_bytes(), out)
            }
            (Self::JsonText(v), &Type::JSON) => raw(v.as_bytes(), out),
            (Self::Time(v), &Type::TIMESTAMPTZ) => {
                let since_2000 = v
                    .checked_sub(POSTGRES_EPOCH_MICROS)
                    .ok_or("the time is out of range")?;
                raw(&since_2000.to_be_bytes(), out)
            }
            (Self::Uuids(v), &Type::UUID_ARRAY) => v.to_sql(ty, out),
            (Self::Texts(v), &Type::TEXT_ARRAY) => v.to_sql(ty, out),
            (Self::I64s(v), &Type::INT8_ARRAY) => v.to_sql(ty, out),
            _ => Err(mismatch(self, ty)),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    tokio_postgres::types::to_sql_checked!();
}

fn mismatch(value: &Value, ty: &Type) -> Box<dyn StdError + Sync + Send> {
    format!("cannot bind {} to a parameter of type {ty}", value.kind()).into()
}

fn raw(bytes: &[u8], out: &mut BytesMut) -> Encoded {
    out.extend_from_slice(bytes);
    Ok(IsNull::No)
}

fn integer(value: i64, ty: &Type, out: &mut BytesMut) -> Encoded {
    match *ty {
        Type::INT8 => raw(&value.to_be_bytes(), out),
        Type::INT4 => raw(&i32::try_from(value)?.to_be_bytes(), out),
        Type::INT2 => raw(&i16::try_from(value)?.to_be_bytes(), out),
        _ => Err(mismatch(&Value::I64(value), ty)),
    }
}

fn text(value: &str, ty: &Type, out: &mut BytesMut) -> Encoded {
    match *ty {
        Type::TEXT | Type::VARCHAR | Type::NAME | Type::BPCHAR => raw(value.as_bytes(), out),
        _ => Err(mismatch(&Value::Static(""), ty)),
    }
}
