//! A server that answers as an old one, a foreign one or a wrong one would.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

/// Answers each command (its words, with a blank between them) by what the function gives. Gives the port.
pub fn start(answer: impl Fn(&str) -> String + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| serve(stream, &answer)));
    port
}

fn serve(mut stream: TcpStream, answer: &impl Fn(&str) -> String) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    while let Some(Ok(header)) = lines.next() {
        let count: usize = header[1..].parse().unwrap();
        let words: Vec<String> = (0..count).filter_map(|_| lines.nth(1)?.ok()).collect();
        if stream.write_all(answer(&words.join(" ")).as_bytes()).is_err() {
            return;
        }
    }
}
