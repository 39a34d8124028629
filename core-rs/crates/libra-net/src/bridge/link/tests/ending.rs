//! What a link leaves behind when it has stopped.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use libra_kernel::wake::Waker;

use super::super::Link;
use super::settings;
use crate::bridge::SeamSettings;

#[test]
fn a_dial_under_way_when_its_link_stops_is_told_to_end() {
    let (_, link) = Link::new(settings(), &SeamSettings::new("pub"), Arc::new(Waker::new().unwrap())).unwrap();
    let common = link.common.clone();
    let dials = super::super::connector(&common, "test", None);
    assert!(!common.ended.load(Ordering::Acquire) && Arc::ptr_eq(dials.ended(), &common.ended));
    drop(link);
    assert!(common.ended.load(Ordering::Acquire));
}
