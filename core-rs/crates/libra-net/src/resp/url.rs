//! Reads an [`Endpoint`] from a URL. Errors never repeat what was read: it may be a password in the wrong place.

use std::path::PathBuf;
use std::str::FromStr;

use super::endpoint::{Endpoint, Host, Place, TlsFiles};
use super::error::EndpointError;
use super::secret::Secret;

/// The port of Redis and Valkey.
const PORT: u16 = 6379;

/// The port of Sentinel.
const SENTINEL_PORT: u16 = 26379;

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(url: &str) -> Result<Self, EndpointError> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("it has no scheme like redis://"))?;
        let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, query)| (rest, query));
        let (tls, kind) = match scheme {
            "redis" | "valkey" => (false, Kind::Tcp),
            "rediss" | "valkeys" => (true, Kind::Tcp),
            "unix" | "redis+unix" | "valkey+unix" => (false, Kind::Unix),
            "redis+sentinel" | "valkey+sentinel" => (false, Kind::Sentinel),
            "rediss+sentinel" | "valkeys+sentinel" => (true, Kind::Sentinel),
            _ => {
                return Err(wrong(
                    "its scheme is none of redis, rediss, valkey, valkeys, unix, redis+sentinel, rediss+sentinel",
                ));
            }
        };
        let (login, rest) = match kind {
            Kind::Unix => rest
                .find('/')
                .map(|at| rest.split_at(at))
                .map_or(("", rest), |(login, path)| (login.trim_end_matches('@'), path)),
            _ => {
                let authority = rest.split('/').next().unwrap_or_default().len();
                rest[..authority].rfind('@').map_or(("", rest), |at| (&rest[..at], &rest[at + 1..]))
            }
        };
        let mut endpoint = match kind {
            Kind::Tcp => tcp(rest)?,
            Kind::Unix => unix(rest)?,
            Kind::Sentinel => sentinel(rest)?,
        };
        endpoint.tls = tls.then(TlsFiles::default);
        let (user, password) = login.split_once(':').map_or((login, ""), |parts| parts);
        if !user.is_empty() {
            endpoint.user = Some(decoded(user)?);
        }
        if !password.is_empty() {
            endpoint.password = Some(Secret::Given(decoded(password)?));
        }
        for option in query.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').ok_or_else(|| wrong("an option after ? has no value"))?;
            set(&mut endpoint, name, decoded(value)?)?;
        }
        check(&endpoint)?;
        Ok(endpoint)
    }
}

enum Kind {
    Tcp,
    Unix,
    Sentinel,
}

fn tcp(rest: &str) -> Result<Endpoint, EndpointError> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut endpoint = Endpoint::at(Place::Tcp(host(authority, PORT)?));
    endpoint.database = database(path)?;
    Ok(endpoint)
}

fn unix(rest: &str) -> Result<Endpoint, EndpointError> {
    match rest.starts_with('/') && rest.len() > 1 {
        true => Ok(Endpoint::unix(PathBuf::from(decoded(rest)?))),
        false => Err(wrong("the path of a Unix socket begins with /: unix:///run/valkey.sock")),
    }
}

fn sentinel(rest: &str) -> Result<Endpoint, EndpointError> {
    let mut parts = rest.splitn(3, '/');
    let hosts = parts.next().unwrap_or_default();
    let master = decoded(parts.next().unwrap_or_default())?;
    if master.is_empty() {
        return Err(wrong("the master's name is missing: redis+sentinel://HOST,HOST/MASTER"));
    }
    let sentinels = hosts.split(',').map(|text| host(text, SENTINEL_PORT)).collect::<Result<Vec<_>, _>>()?;
    let mut endpoint = Endpoint::at(Place::Sentinel { sentinels, master, user: None, password: None });
    endpoint.database = database(parts.next().unwrap_or_default())?;
    Ok(endpoint)
}

fn set(endpoint: &mut Endpoint, name: &str, value: String) -> Result<(), EndpointError> {
    let filled = || match value.is_empty() {
        true => Err(wrong(&format!("option {name} is empty"))),
        false => Ok(value.clone()),
    };
    match name {
        "user" => endpoint.user = Some(filled()?),
        "password_env" => one(&mut endpoint.password, Secret::Environment(filled()?))?,
        "password_file" => one(&mut endpoint.password, Secret::File(filled()?.into()))?,
        "db" => endpoint.database = database(&value)?,
        "ca_file" | "cert_file" | "key_file" | "server_name" => {
            let tls = endpoint.tls.as_mut().ok_or_else(|| wrong(&format!("option {name} needs TLS: rediss://")))?;
            match name {
                "ca_file" => tls.authorities = Some(filled()?.into()),
                "cert_file" => tls.certificate = Some(filled()?.into()),
                "key_file" => tls.key = Some(filled()?.into()),
                _ => tls.server_name = Some(filled()?),
            }
        }
        "sentinel_user" | "sentinel_password_env" | "sentinel_password_file" => {
            let Place::Sentinel { user, password, .. } = &mut endpoint.place else {
                return Err(wrong(&format!("option {name} needs redis+sentinel://")));
            };
            match name {
                "sentinel_user" => *user = Some(filled()?),
                "sentinel_password_env" => one(password, Secret::Environment(filled()?))?,
                _ => one(password, Secret::File(filled()?.into()))?,
            }
        }
        // The name is not repeated: after a ? in a password that was not percent-encoded, it would be a part of it.
        _ => {
            return Err(wrong(
                "unknown option after ?; there are user, password_env, password_file, db, ca_file, cert_file, key_file, \
                 server_name, sentinel_user, sentinel_password_env, sentinel_password_file",
            ));
        }
    }
    Ok(())
}

fn one(place: &mut Option<Secret>, secret: Secret) -> Result<(), EndpointError> {
    match place.replace(secret) {
        None => Ok(()),
        Some(_) => Err(wrong("a password is given twice")),
    }
}

fn check(endpoint: &Endpoint) -> Result<(), EndpointError> {
    if endpoint.user.is_some() && endpoint.password.is_none() {
        return Err(wrong("a user without a password: add password_env or password_file"));
    }
    if matches!(&endpoint.place, Place::Sentinel { user: Some(_), password: None, .. }) {
        return Err(wrong("a sentinel_user without a password: add sentinel_password_env or sentinel_password_file"));
    }
    match &endpoint.tls {
        Some(tls) if tls.certificate.is_some() != tls.key.is_some() => Err(wrong("cert_file and key_file go together")),
        _ => Ok(()),
    }
}

fn database(text: &str) -> Result<u32, EndpointError> {
    match text {
        "" => Ok(0),
        _ => text.parse().map_err(|_| wrong("the database is not a number")),
    }
}

fn host(text: &str, port: u16) -> Result<Host, EndpointError> {
    let (name, rest) = match text.strip_prefix('[') {
        Some(inner) => inner.split_once(']').ok_or_else(|| wrong("an address begins with [ and has no ]"))?,
        None => text.find(':').map_or((text, ""), |at| text.split_at(at)),
    };
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => port,
        Some(digits) => digits
            .parse()
            .ok()
            .filter(|&port| port > 0)
            .ok_or_else(|| wrong("a port is not a number from 1 to 65535"))?,
        None => return Err(wrong("something follows an address in brackets")),
    };
    match name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '@') {
        true => Err(wrong("a host's name is missing or has blanks")),
        false => Ok(Host { name: name.into(), port }),
    }
}

/// Takes percent-encoding away.
fn decoded(text: &str) -> Result<String, EndpointError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |at: usize| after.get(at).and_then(|&digit| (digit as char).to_digit(16));
        let (Some(high), Some(low)) = (digit(0), digit(1)) else {
            return Err(wrong("a % without two hexadecimal digits"));
        };
        bytes.push((high * 16 + low) as u8);
        rest = &after[2..];
    }
    String::from_utf8(bytes).map_err(|_| wrong("percent-encoded bytes that are no UTF-8"))
}

fn wrong(reason: &str) -> EndpointError {
    EndpointError::Url(reason.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Endpoint {
        url.parse().unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    #[test]
    fn urls_of_every_kind_are_read() {
        assert_eq!(read("redis://localhost"), Endpoint::tcp("localhost", 6379));
        assert_eq!(read("valkey://[::1]:7000/"), Endpoint::tcp("::1", 7000));
        assert_eq!(read("unix:///run/a%20b.sock"), Endpoint::unix("/run/a b.sock"));
        let full = read("rediss://trader:p%40ss%3A1@10.0.0.1:6380/3?ca_file=/ca.pem&server_name=redis");
        assert_eq!((full.user.as_deref(), full.database), (Some("trader"), 3));
        assert_eq!(full.password, Some(Secret::Given("p@ss:1".into())));
        assert_eq!(full.tls.as_ref().unwrap().authorities, Some("/ca.pem".into()));
        assert!(full.holds_password());
        let unix = read("unix://:secret@/run/v.sock?db=2");
        assert_eq!((unix.database, unix.password), (2, Some(Secret::Given("secret".into()))));
        let sentinel = read("redis+sentinel://:pw@a:1,b,[::2]:3/mymaster/4?sentinel_password_env=S");
        let Place::Sentinel { sentinels, master, password, .. } = &sentinel.place else { panic!() };
        assert_eq!(sentinels.iter().map(Host::to_string).collect::<Vec<_>>(), ["a:1", "b:26379", "[::2]:3"]);
        assert_eq!((master.as_str(), sentinel.database), ("mymaster", 4));
        assert_eq!(password, &Some(Secret::Environment("S".into())));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for wrong in [
            "",
            "localhost",
            "http://localhost",
            "redis://",
            "redis://:1:2",
            "redis://h:0",
            "redis://h:99999",
            "redis://h/x",
            "redis://[::1",
            "redis://h?db",
            "redis://h?nonsense=1",
            "redis://h?ca_file=/x",
            "rediss://h?ca_file=",
            "rediss://h?cert_file=/x",
            "unix://run/v.sock",
            "unix://",
            "redis+sentinel://h",
            "redis+sentinel://h,/m",
            "redis://user@h",
            "redis://:a@h?password_env=B",
            "redis://h/%zz?db=%zz",
            "redis://h?sentinel_user=x",
            "redis://h?password=x",
        ] {
            assert!(wrong.parse::<Endpoint>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let url = "rediss://trader:hunter2hunter2@host:6380/3?ca_file=/ca.pem";
        let endpoint = read(url);
        assert_eq!(endpoint.to_string(), "rediss://host:6380/3");
        assert!(!format!("{endpoint:?} {endpoint:#?}").contains("hunter2"));
        for broken in [
            "rediss://trader:hunter2hunter2@host:hunter2",
            "redis+nothing://a:hunter2@h",
            "redis://a:hunter2@h?hunter2=1",
            "redis://a:hunter2%zz@h",
            "redis://h?password=hunter2",
            "redis://h/hunter2",
            "hunter2",
            "redis://h?hunter2",
        ] {
            let error = broken.parse::<Endpoint>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn passwords_come_from_the_first_lines_of_files() {
        let path = std::env::temp_dir().join(format!("libra-secret-{}", std::process::id()));
        std::fs::write(&path, "pass word \r\n").unwrap();
        assert_eq!(Secret::File(path.clone()).reveal("password"), Ok("pass word ".into()));
        std::fs::write(&path, "new\nwho changed it, and when\n").unwrap();
        assert_eq!(Secret::File(path.clone()).reveal("password"), Ok("new".into()));
        std::fs::write(&path, "\nold").unwrap();
        let error = Secret::File(path.clone()).reveal("password").unwrap_err().to_string();
        assert!(error.contains("holds nothing"), "{error}");
        std::fs::remove_file(&path).unwrap();
        assert!(Secret::File(path).reveal("password").is_err());
        let missing = Secret::Environment("LIBRA_TEST_NO_SUCH_VARIABLE".into()).reveal("password").unwrap_err();
        assert!(missing.to_string().contains("LIBRA_TEST_NO_SUCH_VARIABLE"), "{missing}");
    }
}
