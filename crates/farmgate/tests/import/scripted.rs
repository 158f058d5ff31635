//! A server that gives the answers it was told to give.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

/// A server that knows everybody's token and gives these answers; see [`scripted_for`].
pub fn scripted(answers: Vec<Option<&'static str>>) -> (String, mpsc::Receiver<String>) {
    let known = "200 You\r\n\r\n{\"workspace_id\":\"00000000-0000-4000-8000-000000000001\"}";
    scripted_for(known, answers)
}

/// A server that answers who somebody is in one way, and the rest in these, one a connection, the last one again and
/// again; none is a connection that it closes without a word. Gives its address and what it was asked besides.
pub fn scripted_for(
    you: &'static str,
    answers: Vec<Option<&'static str>>,
) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, asked) = mpsc::channel();
    std::thread::spawn(move || {
        let mut index = 0;
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let first = request_line(&mut stream);
            let answer = if first.contains("/api/auth/me ") {
                Some(you)
            } else {
                let answer = answers[index.min(answers.len() - 1)];
                index += 1;
                let _ = sender.send(first);
                answer
            };
            if let Some(answer) = answer {
                let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, "{}"));
                let length = body.len();
                let text =
                    format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
                let _ = stream.get_mut().write_all(text.as_bytes());
            }
        }
    });
    (url, asked)
}

/// Reads a request to its end and gives its first line.
fn request_line(stream: &mut BufReader<TcpStream>) -> String {
    let (mut line, mut first, mut length) = (String::new(), String::new(), 0);
    while stream.read_line(&mut line).unwrap_or(0) > 2 {
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
        if first.is_empty() {
            first.clone_from(&line);
        }
        line.clear();
    }
    // The client may be gone already; the server of a test does not care.
    let _ = stream.read_exact(&mut vec![0; length]);
    first
}
