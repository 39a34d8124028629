//! A node without Python, for `benches/bridge.py`: a loop at the seam of a real bridge, as a process.
//!
//! `bridge_node publish|consume ENDPOINT KEY=VALUE...`, the endpoint the path of a Unix socket. A publisher waits until its consumer is
//! there, publishes for a while, waits until what is durable was applied, and prints one JSON object; a consumer does so when
//! its input ends and nothing comes any more. Keys: `seconds`, `shards`, `market` (trades/s; 0 for none, -1 for as many as
//! leave), `orders` (lone durable events/s), `durable` (durable events as many as leave, published so many at a time; 0 for
//! none).

mod consume;
mod load;
mod publish;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use libra_kernel::native::NativePolicy;
use libra_kernel::wake::Waker;
use libra_net::bridge::link::{Link, LinkSettings};
use libra_net::bridge::{NodeSide, SeamSettings};
use libra_net::resp::Endpoint;
use load::Load;

/// A node at its bridge.
struct Node {
    side: NodeSide,
    link: Link,
    waker: Arc<Waker>,
}

impl Node {
    fn start(name: &str, endpoint: &str, load: &Load) -> io::Result<Node> {
        let mut settings = LinkSettings::new("bench", name, &["pub", "con"], Endpoint::unix(endpoint))
            .map_err(|error| io::Error::other(error.to_string()))?;
        settings.shards = load.shards;
        let waker = Arc::new(Waker::new()?);
        let seam = SeamSettings { credits: settings.credits(), shards: load.shards, ..SeamSettings::new(name) };
        let (side, mut link) = Link::new(settings, &seam, waker.clone())?;
        link.start(NativePolicy::default()).map_err(io::Error::other)?;
        Ok(Node { side, link, waker })
    }

    /// Sleeps until the bridge has something, as a loop does, at most so long.
    fn sleep(&self, most: Duration, is_idle: impl FnOnce() -> bool) {
        if self.waker.park(is_idle) {
            let mut poll = libc::pollfd { fd: self.waker.fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: one valid pollfd, of a descriptor that is open as long as the waker lives.
            unsafe { libc::poll(&mut poll, 1, i32::try_from(most.as_millis()).unwrap_or(i32::MAX)) };
        }
        self.waker.unpark();
    }
}

/// What this process has used of the processors, in seconds.
fn cpu_s() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists, and the pointer is to a valid timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [role, endpoint, keys @ ..] = &arguments[..] else {
        return Err("publish|consume ENDPOINT KEY=VALUE...".into());
    };
    let load = Load::parse(keys)?;
    let found = match role.as_str() {
        "publish" => publish::run(Node::start("pub", endpoint, &load)?, &load)?,
        "consume" => consume::run(Node::start("con", endpoint, &load)?)?,
        other => return Err(format!("no role: {other}").into()),
    };
    writeln!(io::stdout(), "{found}")?;
    Ok(())
}
