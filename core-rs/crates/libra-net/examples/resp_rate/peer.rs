//! The same by the `redis` crate, blocking, with RESP3 as it is.

use std::path::Path;

use crate::{CHANNEL, WINDOW, now_ns, pause};

fn connect(socket: &Path) -> redis::Connection {
    let url = format!("unix://{}?protocol=resp3", socket.display());
    redis::Client::open(url).and_then(|client| client.get_connection()).expect("a connection")
}

pub fn subscribe(socket: &Path, ready: &dyn Fn(), take: &mut dyn FnMut(&[u8]) -> bool) {
    let mut connection = connect(socket);
    let mut messages = connection.as_pubsub();
    messages.subscribe(CHANNEL).expect("it subscribes");
    ready();
    while take(messages.get_message().expect("a message").get_payload_bytes()) {}
}

/// Pipelines of half the window, so that as much is on its way as ours has on average.
pub fn publish(socket: &Path, size: usize, count: usize) {
    let mut connection = connect(socket);
    let frame = vec![b'x'; size];
    let together = (WINDOW / 2 / (size + 80)).max(4);
    let mut left = count;
    while left > 0 {
        let mut pipe = redis::pipe();
        for _ in 0..together.min(left) {
            pipe.publish(CHANNEL, &frame).ignore();
        }
        pipe.exec(&mut connection).expect("the server lives");
        left -= together.min(left);
    }
}

pub fn publish_paced(socket: &Path, size: usize, count: usize) {
    let mut connection = connect(socket);
    let mut random = fastrand::Rng::with_seed(7);
    let mut frame = vec![0; size];
    for _ in 0..count {
        pause(&mut random);
        frame[..8].copy_from_slice(&now_ns().to_le_bytes());
        let heard: i64 = redis::cmd("PUBLISH").arg(CHANNEL).arg(&frame).query(&mut connection).expect("an answer");
        assert_eq!(heard, 1);
    }
}
