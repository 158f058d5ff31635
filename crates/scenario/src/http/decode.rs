//! Undoing `Content-Encoding`, with a bound: a small answer must not become gigabytes.

use std::io::Read;

use bytes::Bytes;

use super::error::{Error, Reason};
use super::response::Response;

/// Why a body could not be decoded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DecodeError {
    /// The server named an encoding that is not known.
    Unknown(String),
    /// The bytes are not what the header says.
    Corrupt(&'static str),
    /// The result is larger than the limit.
    TooLarge(usize),
}

impl Response {
    /// The body with every `Content-Encoding` undone (gzip, deflate, br, zstd), at most `max` bytes.
    ///
    /// # Errors
    /// [`Reason::BodyTooLarge`] past the limit, [`Reason::Protocol`] for an unknown encoding or corrupt data.
    pub fn decoded(&self, max: usize) -> Result<Bytes, Error> {
        decode(self, max).map_err(|e| match e {
            DecodeError::TooLarge(limit) => Error::body_too_large(limit),
            DecodeError::Unknown(name) => {
                Error::new(Reason::Protocol, format!("compression {name} is not supported"))
            }
            DecodeError::Corrupt(name) => Error::new(
                Reason::Protocol,
                format!("could not uncompress response with {name}"),
            ),
        })
    }
}

/// Hurl undoes the encodings in the order in which the header names them, and so do we: for the one encoding
/// that servers use there is no difference.
pub(crate) fn decode(response: &Response, max: usize) -> Result<Bytes, DecodeError> {
    let mut body = response.body.clone();
    let Some(encodings) = response.headers.get("content-encoding") else {
        return Ok(body);
    };
    for encoding in encodings.split(',').map(str::trim) {
        body = match encoding {
            "identity" => body,
            "gzip" => bounded(flate2::read::MultiGzDecoder::new(body.as_ref()), max, "gzip")?,
            "deflate" => bounded(flate2::read::ZlibDecoder::new(body.as_ref()), max, "zlib")?,
            "br" => bounded(
                brotli_decompressor::Decompressor::new(body.as_ref(), 4096),
                max,
                "brotli",
            )?,
            "zstd" => zstd(&body, max)?,
            other => return Err(DecodeError::Unknown(other.to_string())),
        };
    }
    Ok(body)
}

fn zstd(body: &[u8], max: usize) -> Result<Bytes, DecodeError> {
    let decoder = ruzstd::decoding::StreamingDecoder::new(body).map_err(|_| DecodeError::Corrupt("zstd"))?;
    bounded(decoder, max, "zstd")
}

fn bounded(reader: impl Read, max: usize, name: &'static str) -> Result<Bytes, DecodeError> {
    let mut out = Vec::new();
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    reader
        .take(limit)
        .read_to_end(&mut out)
        .map_err(|_| DecodeError::Corrupt(name))?;
    if out.len() > max {
        Err(DecodeError::TooLarge(max))
    } else {
        Ok(out.into())
    }
}
