//! A server that loads are sent to.

use std::io::{BufRead, BufReader, Error, Read, Result, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A keep-alive connection on which requests of one kind go out, one after the other.
#[derive(Debug)]
pub struct Target {
    address: String,
    /// Request line and headers that all requests share.
    head: String,
    reader: BufReader<TcpStream>,
    busy: Duration,
}

impl Target {
    /// Connects to `address`, to send protobuf to `path` with further `headers`.
    ///
    /// # Errors
    /// When there is nobody.
    pub fn connect(address: &str, path: &str, headers: &[(&str, &str)]) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        let mut head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-protobuf\r\n"
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        Ok(Self {
            address: address.to_owned(),
            head,
            reader: BufReader::new(stream),
            busy: Duration::ZERO,
        })
    }

    /// Sends one body and waits for the answer.
    ///
    /// # Errors
    /// When the server does not answer with 204, or 200 and nothing else to say.
    pub fn send(&mut self, body: &[u8]) -> Result<()> {
        let started = Instant::now();
        let head = format!("{}Content-Length: {}\r\n\r\n", self.head, body.len());
        let stream = self.reader.get_mut();
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let (status, text) = self.answer()?;
        self.busy += started.elapsed();
        match status {
            204 => Ok(()),
            200 if text.is_empty() => Ok(()),
            _ => {
                let text = String::from_utf8_lossy(&text);
                let address = &self.address;
                Err(Error::other(format!("{address} answered {status}: {text}")))
            }
        }
    }

    fn answer(&mut self) -> Result<(u16, Vec<u8>)> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|text| text.parse().ok());
        let status = status.ok_or_else(|| Error::other(format!("no status: {line:?}")))?;
        let mut length = 0;
        loop {
            line.clear();
            self.reader.read_line(&mut line)?;
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(Error::other)?;
            }
        }
        let mut text = vec![0; length];
        self.reader.read_exact(&mut text)?;
        Ok((status, text))
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Time spent on sending and waiting so far.
    #[must_use]
    pub const fn busy(&self) -> Duration {
        self.busy
    }
}
