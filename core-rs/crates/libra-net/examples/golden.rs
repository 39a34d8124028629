//! Writes the golden files of the format's present version into tests/wire/golden: the frames as hexadecimal text, and
//! beside them what stands in them, as JSON. Files of other versions are never touched.
//!
//! `cargo run -p libra-net --example golden`

#[path = "../tests/golden/samples.rs"]
mod samples;
#[path = "../tests/golden/shown.rs"]
mod shown;

use std::path::Path;
use std::{fs, io};

use libra_net::frame::{Header, MAJOR, MINOR};

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/wire/golden");
    let folder = root.join(format!("v{MAJOR}.{MINOR}"));
    fs::create_dir_all(&folder)?;
    for sample in samples::samples() {
        let lines: Vec<String> =
            (sample.frame.chunks(32)).map(|line| line.iter().map(|byte| format!("{byte:02x}")).collect()).collect();
        fs::write(folder.join(sample.name).with_extension("hex"), lines.join("\n") + "\n")?;
        let header = Header::parse(&sample.frame).map_err(io::Error::other)?;
        let shown = shown::frame(&header, sample.control.as_ref(), &sample.events);
        fs::write(folder.join(sample.name).with_extension("json"), format!("{shown:#}\n"))?;
        println!("{}: {} bytes", sample.name, sample.frame.len());
    }
    Ok(())
}
