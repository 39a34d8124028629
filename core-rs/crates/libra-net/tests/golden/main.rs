//! The golden files in tests/wire/golden: today's writer makes those of its version, byte for byte, and the reader reads
//! those of all versions. `cargo run -p libra-net --example golden` makes the files of a new version.

mod samples;
mod shown;

use std::fs;
use std::path::{Path, PathBuf};

use libra_kernel::Event;
use libra_net::frame::{FrameReader, Header, MAJOR, MINOR};
use samples::Sample;
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/wire/golden")
}

fn bytes_of(file: &Path) -> Vec<u8> {
    bytes_in(&fs::read_to_string(file).unwrap().split_whitespace().collect::<String>())
}

fn bytes_in(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len() / 2).map(|byte| digit(2 * byte)).collect()
}

fn expected(file: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(file.with_extension("json")).unwrap()).unwrap()
}

#[test]
fn todays_writer_makes_the_files_of_its_version() {
    let folder = folder().join(format!("v{MAJOR}.{MINOR}"));
    let samples = samples::samples();
    for Sample { name, frame, control, events } in &samples {
        let file = folder.join(name).with_extension("hex");
        assert_eq!(&bytes_of(&file), frame, "{name}: the format changed, which needs a version of its own");
        let header = Header::parse(frame).unwrap();
        assert_eq!(expected(&file), shown::frame(&header, control.as_ref(), events), "{name}");
    }
    let files = fs::read_dir(&folder).unwrap().count();
    assert_eq!(files, 2 * samples.len(), "a file that no sample makes");
}

#[test]
fn the_reader_reads_the_files_of_all_versions() {
    let mut read = 0;
    for version in fs::read_dir(folder()).unwrap() {
        for file in fs::read_dir(version.unwrap().path()).unwrap() {
            let file = file.unwrap().path();
            if file.extension().is_some_and(|extension| extension == "hex") {
                let (bytes, mut reader) = (bytes_of(&file), FrameReader::new());
                let frame = reader.read(&bytes).unwrap();
                let events: Vec<Event> = frame.events().map(|(_, event)| event.unwrap()).collect();
                let found = shown::frame(&frame.header, frame.control().unwrap().as_ref(), &events);
                assert_eq!(found, expected(&file), "{}", file.display());
                read += 1;
            }
        }
    }
    assert!(read >= samples::samples().len());
}

/// What each frame of tests/wire/refused.json is refused as, or its first event, which the reader in Python says too.
#[test]
fn what_the_document_refuses_is_refused_by_its_code() {
    let file = folder().join("../refused.json");
    let cases: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let cases = cases.as_array().unwrap();
    assert!(cases.len() > 40);
    for case in cases {
        let (bytes, mut reader) = (bytes_in(case["hex"].as_str().unwrap()), FrameReader::new());
        let mut skipped = Vec::new();
        let refused = reader.read(&bytes).and_then(|frame| {
            frame.control()?;
            skipped.extend(frame.events().map(|(_, event)| event.err().map(|skip| skip.code())));
            Ok(())
        });
        let what = &case["what"];
        assert_eq!(refused.err().map(|error| error.code()), case["frame"].as_str(), "{what}");
        assert_eq!(skipped.first().copied().flatten(), case["event"].as_str(), "{what}");
        assert!(skipped.iter().skip(1).all(Option::is_none), "{what}: the others are read");
    }
}
