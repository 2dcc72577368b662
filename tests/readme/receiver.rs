//! Takes what webhooks post.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;

use crate::stage::PATIENCE;

/// An HTTP server on loopback that accepts every post.
pub struct Receiver {
    address: String,
    posts: mpsc::Receiver<Post>,
}

/// One request.
#[derive(Debug)]
pub struct Post {
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Receiver {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let (sender, posts) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if sender.send(take(stream)).is_err() {
                    break;
                }
            }
        });
        Self { address, posts }
    }

    /// The address with this path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// The next post.
    pub fn next(&self) -> Post {
        self.posts
            .recv_timeout(PATIENCE)
            .expect("something is posted")
    }
}

impl Post {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(known, _)| known == name)?;
        Some(value)
    }
}

fn take(stream: TcpStream) -> Post {
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("the time is not zero");
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line of HTTP");
        line.trim_end().to_owned()
    };
    let request = line();
    let headers: Vec<_> = std::iter::from_fn(|| Some(line()).filter(|line| !line.is_empty()))
        .filter_map(|line| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_lowercase(), value.to_owned()))
        })
        .collect();
    let mut post = Post {
        path: request.split(' ').nth(1).unwrap_or_default().into(),
        headers,
        body: String::new(),
    };
    let length = post.header("content-length").unwrap_or("0");
    let mut body = vec![0; length.parse().expect("a length")];
    reader.read_exact(&mut body).expect("a body");
    post.body = String::from_utf8(body).expect("a body is UTF-8");
    let answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
    reader.get_mut().write_all(answer).expect("it listens");
    post
}
