//! Messages between processes: the length as four bytes, the most significant first, then MessagePack. Unlike JSON it
//! keeps every number as it is.

use std::io::{Error, ErrorKind, Read, Result, Write};

use serde::Serialize;

/// Writes a message.
///
/// # Errors
/// The other side has ended, or the message is longer than 4 GiB.
pub fn write(to: &mut impl Write, message: &impl Serialize) -> Result<()> {
    let body = rmp_serde::to_vec(message).map_err(Error::other)?;
    let length = u32::try_from(body.len()).map_err(Error::other)?;
    to.write_all(&length.to_be_bytes())?;
    to.write_all(&body)?;
    to.flush()
}

/// Reads a message; none if the other side has ended.
///
/// # Errors
/// It is longer than this many bytes (`InvalidData`), or cannot be read.
pub fn read(from: &mut impl Read, longest: u32) -> Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = u32::from_be_bytes(length);
    if length > longest {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut body = vec![];
    from.take(u64::from(length)).read_to_end(&mut body)?;
    Ok(Some(body))
}
