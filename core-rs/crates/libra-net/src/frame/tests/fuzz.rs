//! Whatever comes in: an error or a frame, never a panic; and damage is seen.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{ROOMY, seal, writer};
use crate::frame::*;

/// Reads all that can be read of it.
fn exhaust(bytes: &[u8]) -> Result<usize, FrameError> {
    let _ = Header::parse(bytes);
    let mut reader = FrameReader::with_name_limit(64);
    let frame = reader.read(bytes)?;
    let _ = frame.control();
    Ok(frame.events().filter(|(_, event)| event.is_ok()).count())
}

/// Proptest's own number of cases, or very many at length.
fn runner() -> TestRunner {
    let long = std::env::var_os("LIBRA_LONG").is_some();
    TestRunner::new(if long { Config::with_cases(200_000) } else { Config::default() })
}

fn frames() -> impl Strategy<Value = Vec<u8>> {
    let with_message = (proptest::option::of(super::any::control()), vec(super::any::event(), 1..5));
    with_message.prop_map(|(control, events)| {
        let mut writer = writer(ROOMY);
        if let Some(control) = &control {
            writer.begin(control).unwrap();
        }
        let has_events = matches!(control, None | Some(Control::Snapshot(_)));
        for event in events.iter().filter(|_| has_events) {
            assert_eq!(writer.append(event), Ok(Append::Written));
        }
        writer.finish(1, 1).unwrap().to_vec()
    })
}

#[test]
fn arbitrary_bytes_are_refused() {
    runner()
        .run(&vec(any::<u8>(), 0..300), |mut bytes| {
            prop_assert!(exhaust(&bytes).is_err());
            // With the start and the lengths of a frame, the same bytes come further.
            if bytes.len() >= 60 {
                bytes[..6].copy_from_slice(b"LBRF\x01\x00");
                bytes[10..12].copy_from_slice(&60u16.to_le_bytes());
                let body = (bytes.len() - 60) as u32;
                bytes[36..40].copy_from_slice(&body.to_le_bytes());
                seal(&mut bytes);
                let _ = exhaust(&bytes);
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn damage_is_refused() {
    let damage = vec((any::<u32>(), any::<u8>()), 1..6);
    runner()
        .run(&(frames(), damage), |(frame, damage)| {
            let mut damaged = frame.clone();
            for (at, value) in damage {
                let at = at as usize % damaged.len();
                damaged[at] = value;
            }
            prop_assert!(exhaust(&frame).is_ok());
            prop_assert!(damaged == frame || exhaust(&damaged).is_err());
            Ok(())
        })
        .unwrap();
}

#[test]
fn damage_under_a_right_checksum_never_panics() {
    let damage = vec((any::<u32>(), any::<u8>()), 1..6);
    runner()
        .run(&(frames(), damage, any::<u32>()), |(mut frame, damage, cut)| {
            for (at, value) in damage {
                let at = at as usize % frame.len();
                frame[at] = value;
            }
            seal(&mut frame);
            let _ = exhaust(&frame);
            frame.truncate((cut as usize % frame.len()).max(16));
            seal(&mut frame);
            prop_assert!(exhaust(&frame).is_err());
            Ok(())
        })
        .unwrap();
}
