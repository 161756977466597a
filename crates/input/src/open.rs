//! Opens files, and decodes them as kubectl does.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use encoding_rs_io::DecodeReaderBytes;

use super::limit::{Limit, unreadable};

/// Opens a file.
///
/// # Errors
/// Why it cannot be read.
pub fn file(path: &Path, limit: &Limit) -> Result<Box<dyn BufRead + Send>, String> {
    Ok(decoded(File::open(path).map_err(|error| unreadable(&error))?, limit))
}

/// Reads what a byte order mark says is UTF-16 as UTF-8, and everything else as it is.
pub fn decoded(bytes: impl Read + Send + 'static, limit: &Limit) -> Box<dyn BufRead + Send> {
    const BUFFER: usize = 1 << 16;
    Box::new(BufReader::with_capacity(BUFFER, Whole(DecodeReaderBytes::new(limit.reader(bytes)))))
}

/// Fills whole buffers: what kind of file it is shows in the first one.
struct Whole<R>(R);

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.0.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// The whole text of a file.
///
/// # Errors
/// Why it cannot be read.
pub fn text(path: &Path, limit: &Limit) -> Result<String, String> {
    let mut bytes = vec![];
    file(path, limit)?.read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    Ok(utf8(bytes))
}

/// Bytes as text. What is no UTF-8 becomes U+FFFD, as it does for kubectl.
pub fn utf8(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
