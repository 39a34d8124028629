//! Orders that somebody has changed at the venue, as looks find them.

use super::reconcile::{Venue, opened};
use super::*;
use crate::gate::IncidentCode;
use crate::reconcile::Taken;
use crate::risk::RiskCode;

#[test]
fn an_order_under_another_client_id_is_known_by_the_venues() {
    let (mut gate, mut venue) = opened();
    let id = place(&mut gate, T0, &buy(1, 10)).unwrap();
    gate.on_report(T0, &VenueReport { venue_order_id: "v9".into(), ..report(id, VenueOutcome::Accepted) }).unwrap();
    venue.lists(Some(id), 10);
    let listed = &mut venue.look.orders[0];
    (listed.client_order_id, listed.venue_order_id) = (None, "v9".into());
    let taken = venue.look(&mut gate);
    assert_eq!((taken.ask, taken.report.foreign, taken.amended), (vec![], 0, vec![]));
    // The same number in another instrument is another order.
    venue.look.orders[0].instrument = Some(spot().id);
    assert_eq!(venue.look(&mut gate).report.foreign, 1);
}

#[test]
fn other_terms_are_told_once_and_a_larger_order_is_an_incident_as_long_as_it_works() {
    let file = TempLog::new();
    let (mut gate, mut venue) = (file.open(RiskLimits::default(), T0).0, Venue::new(money(10_000)));
    (0..2).for_each(|_| drop(venue.look(&mut gate)));
    let id = place(&mut gate, T0, &buy(1, 10)).unwrap();
    gate.on_report(T0, &report(id, VenueOutcome::Accepted)).unwrap();
    venue.lists(Some(id), 10);
    assert_eq!(venue.look(&mut gate).amended, []);
    let told = |taken: Taken| taken.amended.iter().map(ToString::to_string).collect::<Vec<_>>();
    venue.look.orders[0].size = 4;
    assert_eq!(told(venue.look(&mut gate)), [format!("{id}: the venue has it with size 0.004, not 0.01")]);
    assert_eq!(told(venue.look(&mut gate)), [""; 0], "told once");
    venue.look.orders[0].price = PRICE - 150;
    let both = "the venue has it with size 0.004, not 0.01 and price 59998.5 USDT, not 60000 USDT";
    assert_eq!(told(venue.look(&mut gate)), [format!("{id}: {both}")]);
    assert!(gate.incident().is_none(), "what is smaller or dearer is counted here as it was asked for");

    // What a venue does not tell, or what fits no unit, is no difference.
    (venue.look.orders[0].size, venue.look.orders[0].price) = (0, 0);
    assert_eq!(told(venue.look(&mut gate)), [""; 0]);

    (venue.look.orders[0].size, venue.look.orders[0].price) = (300, PRICE);
    let taken = venue.look(&mut gate);
    assert!(matches!(&taken.events[..], [GateEvent::Incident(incident)]
        if incident.code == IncidentCode::OrderDiffers && incident.client_order_id == id
            && incident.detail == "the venue has it with size 0.3, not 0.01"));
    assert_eq!(told(taken), [""; 0]);
    assert_eq!(gate.reserve(venue.now_ns, &buy(2, 10)).unwrap_err().code, RiskCode::Incident);
    let digest = gate.state_digest();
    drop(gate);
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    assert_eq!((gate.state_digest(), gate.strays().count()), (digest, 0), "it is open here, and cancelled as such");
    assert_eq!(venue.look(&mut gate).events, [], "it stands");
    gate.resume(venue.now_ns).unwrap();
    assert_eq!(venue.look(&mut gate).events.len(), 1, "it is larger still");
    gate.resume(venue.now_ns).unwrap();
    venue.look.orders.clear();
    assert_eq!(venue.look(&mut gate).events, []);
}

#[test]
fn what_is_executed_there_and_not_here_is_asked_for_and_the_other_way_round_told() {
    let (mut gate, mut venue) = opened();
    let id = place(&mut gate, venue.now_ns, &buy(1, 10)).unwrap();
    gate.on_report(venue.now_ns, &report(id, VenueOutcome::Accepted)).unwrap();
    venue.lists(Some(id), 10);
    venue.look.orders[0].filled = 4;
    venue.executes(Some(id), 1, OrderSide::Buy, 3);
    let taken = venue.look(&mut gate);
    assert_eq!((taken.ask, taken.report.unsettled), (vec![id], 1), "3 of 4 are in the look's list");
    venue.executes(Some(id), 2, OrderSide::Buy, 1);
    venue.holds("0.004", 60_000);
    venue.has(money(9_998));
    assert_eq!(venue.look(&mut gate).ask, [], "the look's own executions are all of it");
    venue.look.orders[0].filled = 3;
    assert_eq!(venue.look(&mut gate).amended, [], "the list may lag");
    venue.now_ns += 2 * SECOND;
    let told = venue.look(&mut gate).amended;
    assert_eq!(told[0].detail, "the venue has it with 0.003 executed, not 0.004");
    assert!(!told[0].enlarges && gate.incident().is_none());
}

#[test]
fn what_is_over_here_and_listed_lingers_once_the_list_must_know() {
    let (mut gate, mut venue) = opened();
    let id = place(&mut gate, venue.now_ns, &buy(1, 10)).unwrap();
    gate.on_report(venue.now_ns, &report(id, VenueOutcome::Accepted)).unwrap();
    gate.on_report(venue.now_ns, &filled(id, 1, PRICE, 10)).unwrap();
    venue.holds("0.010", 60_000);
    venue.lists(Some(id), 300);
    venue.look.orders[0].filled = 10;
    let taken = venue.look(&mut gate);
    assert_eq!((taken.ask, taken.report.settled), (vec![id], true));
    assert!(!venue.looks.lingers(id) && venue.looks.is_wanted(), "the next look may know");
    venue.look(&mut gate);
    assert!(venue.looks.lingers(id) && !venue.looks.is_wanted());
    venue.looks.begin_anew();
    assert!(!venue.looks.lingers(id), "it was another time");
    venue.look(&mut gate);
    assert!(venue.looks.lingers(id) && gate.incident().is_none(), "the venue has the last word");
    venue.look.orders.clear();
    venue.look(&mut gate);
    assert!(!venue.looks.lingers(id));
}
