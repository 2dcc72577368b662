//! Lines of a program's output, none longer than what is kept of it.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// The longest line in bytes.
pub const LINE_MAX: usize = 64 * 1024;

/// A line without its end.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    pub text: String,
    /// It was longer: this is its beginning.
    pub is_cut: bool,
}

/// Reads lines; what is read of one is kept where the wait for its rest is given up.
pub struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    is_cut: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub fn new(reader: R) -> Self {
        Self {
            reader: BufReader::new(reader),
            line: Vec::new(),
            is_cut: false,
        }
    }

    /// The next line; `None` at the end. What is not UTF-8 is replaced.
    pub async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let chunk = self.reader.fill_buf().await?;
            if chunk.is_empty() {
                return Ok((!self.line.is_empty()).then(|| self.take()));
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let part = &chunk[..end.unwrap_or(chunk.len())];
            let room = LINE_MAX - self.line.len();
            self.is_cut |= part.len() > room;
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            let used = end.map_or(chunk.len(), |end| end + 1);
            self.reader.consume(used);
            if end.is_some() {
                return Ok(Some(self.take()));
            }
        }
    }

    fn take(&mut self) -> Line {
        let line = std::mem::take(&mut self.line);
        Line {
            text: String::from_utf8_lossy(&line)
                .trim_end_matches('\r')
                .to_owned(),
            is_cut: std::mem::take(&mut self.is_cut),
        }
    }
}
