//! The ways of this crate.

use std::io::{IoSlice, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use libra_net::resp::{Connection, Endpoint, Inbox, Limits, Options, Reply, wait};

use crate::{CHANNEL, WINDOW, now_ns, pause};

fn connect(socket: &Path) -> Connection {
    Connection::connect(&Endpoint::unix(socket), &Options::new("bench")).expect("a connection")
}

pub fn subscribe(socket: &Path, ready: &dyn Fn(), take: &mut dyn FnMut(&[u8]) -> bool) {
    let mut connection = connect(socket);
    connection.commands().push(&[b"SUBSCRIBE", CHANNEL.as_bytes()]);
    connection.flush().expect("it is sent");
    loop {
        wait(&mut [connection.watch()], None).expect("a descriptor");
        connection.fill().expect("the server lives");
        while let Some(reply) = connection.next_reply().expect("a reply") {
            match reply.message() {
                Some((_, payload)) if !take(payload) => return,
                Some(_) => {}
                None => ready(),
            }
        }
    }
}

pub fn publish_in_place(socket: &Path, size: usize, count: usize) {
    let frame = vec![b'x'; size];
    publish(socket, size, count, |connection| {
        let mut command = connection.commands().command(3);
        command.bulk(b"PUBLISH").bulk(CHANNEL.as_bytes()).bulk_with(size, |bytes| bytes.extend_from_slice(&frame));
    });
}

pub fn publish_copied(socket: &Path, size: usize, count: usize) {
    let source = vec![b'x'; size];
    let mut frame = Vec::with_capacity(size);
    publish(socket, size, count, |connection| {
        frame.clear();
        frame.extend_from_slice(&source);
        connection.commands().publish(CHANNEL.as_bytes(), std::hint::black_box(&frame));
    });
}

/// Writes some 64 KB at once, and waits for answers when the window is full.
fn publish(socket: &Path, size: usize, count: usize, mut append: impl FnMut(&mut Connection)) {
    let mut connection = connect(socket);
    let (window, batch) = sizes(size);
    let (mut sent, mut answered) = (0, 0);
    while answered < count {
        while sent < count && sent - answered < window && connection.commands().unsent().len() < batch {
            append(&mut connection);
            sent += 1;
        }
        connection.flush().expect("the server lives");
        if sent - answered == window || sent == count || connection.wants_write() {
            wait(&mut [connection.watch()], None).expect("a descriptor");
            connection.fill().expect("the server lives");
            while let Some(reply) = connection.next_reply().expect("a reply") {
                assert_eq!(reply, Reply::Int(1));
                answered += 1;
            }
        }
    }
}

/// How many messages may be on their way, and how many bytes go at once.
fn sizes(size: usize) -> (usize, usize) {
    ((WINDOW / (size + 80)).max(4), 64 * 1024)
}

pub fn publish_gathered(socket: &Path, size: usize, count: usize) {
    let source = vec![b'x'; size];
    let head = format!("*3\r\n$7\r\nPUBLISH\r\n${}\r\n{CHANNEL}\r\n${size}\r\n", CHANNEL.len());
    let mut stream = UnixStream::connect(socket).expect("a connection");
    let (window, batch) = sizes(size);
    let together = (batch / (size + head.len())).clamp(1, 300);
    let mut frames = vec![Vec::with_capacity(size); together];
    let mut inbox = Inbox::new(Limits::default());
    let (mut sent, mut answered) = (0, 0);
    while answered < count {
        let now = together.min(count - sent).min(window - (sent - answered));
        for frame in &mut frames[..now] {
            frame.clear();
            frame.extend_from_slice(&source);
        }
        let mut slices: Vec<IoSlice<'_>> =
            frames[..now].iter().flat_map(|frame| [head.as_bytes(), frame, b"\r\n"].map(IoSlice::new)).collect();
        let mut left = &mut slices[..];
        while !left.is_empty() {
            let written = stream.write_vectored(left).expect("the server lives");
            IoSlice::advance_slices(&mut left, written);
        }
        sent += now;
        if sent - answered == window || sent == count {
            inbox.fill(|room| std::io::Read::read(&mut stream, room)).expect("the server lives");
            while inbox.next_reply().expect("a reply").is_some() {
                answered += 1;
            }
        }
    }
}

pub fn publish_paced(socket: &Path, size: usize, count: usize) {
    let mut connection = connect(socket);
    let mut random = fastrand::Rng::with_seed(7);
    let mut frame = vec![0; size];
    for _ in 0..count {
        pause(&mut random);
        frame[..8].copy_from_slice(&now_ns().to_le_bytes());
        assert_eq!(connection.call(&[b"PUBLISH", CHANNEL.as_bytes(), &frame]).expect("an answer"), Reply::Int(1));
    }
}
