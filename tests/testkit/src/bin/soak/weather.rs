//! What goes wrong at the vendor, and when.

use std::time::Duration;

use laaffic_simulator::{Fault, FaultPlan, Scope, Vendor};

use crate::scene::ACCOUNTS;

/// How many of all requests meet a fault.
const SHARE_OF_FAULTS: f64 = 0.2;

/// The chance of a fault that makes the exporter leave a whole account alone for a while: rare, or nothing would be asked most of the time.
const RARE: f64 = 0.0005;

/// How long an account is refused, and how long it is not.
const STORM: Duration = Duration::from_secs(40);
const CALM: Duration = Duration::from_secs(50);

/// Every fault there is, at all times; and again and again one account after the other is refused altogether, which blocks it.
pub(crate) async fn change(vendor: Vendor) {
    vendor.set_faults(&Scope::Everywhere, Some(every_fault())).unwrap();
    for (account, code) in ACCOUNTS.into_iter().zip([-1, -2]).cycle() {
        let scope = Scope::Account(account.to_owned());
        tokio::time::sleep(CALM).await;
        let refusal = FaultPlan::always(Fault::code(code));
        vendor.set_faults(&scope, Some(refusal)).unwrap();
        tokio::time::sleep(STORM).await;
        vendor.set_faults(&scope, None).unwrap();
    }
}

/// From now on nothing goes wrong, so that all that is under way comes to an end.
pub(crate) fn clear(vendor: &Vendor) {
    let accounts = ACCOUNTS.map(|account| Scope::Account(account.to_owned()));
    for scope in accounts.iter().chain([&Scope::Everywhere]) {
        vendor.set_faults(scope, None).unwrap();
    }
}

fn every_fault() -> FaultPlan {
    let faults = Fault::all();
    let often = SHARE_OF_FAULTS / faults.len() as f64;
    FaultPlan::mix(faults.into_iter().map(|fault| match fault {
        Fault::HttpStatus { status: 429, .. } => (RARE, fault),
        _ => (often, fault),
    }))
}
