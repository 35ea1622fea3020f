//! The changes that are planted: on cloud connectors of distinct servers, away from the first day.

use super::calendar::{DAY, HOUR, MINUTE};
use super::fleet::{Change, Fleet, HYBRID, Match, RELAY, Server};
use super::plan::{ISSUER, OTHER_ISSUER, subject};
use super::rng::Rng;

/// One story; the first ones are told first where servers are few.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plot {
    /// The matched name is gone from the new certificate; the inbound connector is changed.
    NamesLost,
    /// Another name; the inbound connector is changed.
    RenamedFixed,
    /// Another name; the old certificate is put back.
    RenamedReverted,
    /// Same names, same issuer.
    Renewed,
    /// Same names, another issuer.
    Reissued,
    /// Renewed, and the old one put back: nothing is refused.
    Reverted,
    /// Another address that does not matter.
    Moved,
    /// Another address that is not listed; the inbound connector is changed.
    MovedRefused,
}

impl Plot {
    fn refuses(self) -> bool {
        use Plot::*;
        matches!(
            self,
            NamesLost | RenamedFixed | RenamedReverted | MovedRefused
        )
    }
}

const BY_CERTIFICATE: [Plot; 7] = [
    Plot::NamesLost,
    Plot::RenamedFixed,
    Plot::RenamedReverted,
    Plot::Renewed,
    Plot::Reissued,
    Plot::Reverted,
    Plot::Moved,
];
const BY_ADDRESS: [Plot; 2] = [Plot::MovedRefused, Plot::Renewed];

/// Plants what fits into the fleet, each story on a server of its own, and the story of a certificate that is
/// refused until the old one is put back again and again, until so many have mail refused.
pub fn plant(fleet: &mut Fleet, rng: &mut Rng, days: i64, refused: usize) {
    let mut free: Vec<usize> = (0..fleet.servers.len()).collect();
    for at in (1..free.len()).rev() {
        free.swap(at, rng.below(at as u64 + 1) as usize);
    }
    let plots: &[Plot] = match fleet.matched_by {
        Match::Certificate => &BY_CERTIFICATE,
        Match::Address => &BY_ADDRESS,
    };
    let told = plots.iter().filter(|plot| plot.refuses()).count();
    let more = std::iter::repeat_n(&Plot::RenamedReverted, refused.saturating_sub(told));
    for plot in plots.iter().chain(more) {
        let fits = |server: &&usize| {
            let server = &fleet.servers[**server];
            let single = server.egress.at(fleet.start).1.len() == 1;
            let moves = matches!(plot, Plot::Moved | Plot::MovedRefused);
            (single || !moves) && !(server.proxied && plot.refuses())
        };
        let Some(server) = free.iter().find(fits).copied() else {
            continue;
        };
        free.retain(|other| *other != server);
        let day = if days > 2 {
            rng.between(1, days - 2)
        } else {
            days - 1
        };
        let at = fleet.start + day * DAY + rng.between(8 * 60, 12 * 60) * MINUTE;
        let at = at + rng.between(0, 59_999);
        let fixed = at + rng.between(3 * 60, 6 * 60) * MINUTE + rng.between(0, 59_999);
        tell(fleet, rng, *plot, server, at, fixed);
    }
}

fn tell(fleet: &mut Fleet, rng: &mut Rng, plot: Plot, server: usize, at: i64, fixed: i64) {
    let before = *fleet.servers[server].sending[RELAY].at(at).1;
    let old = fleet.certificates[before as usize].clone();
    let kept: Vec<&str> = old
        .names
        .iter()
        .map(String::as_str)
        .filter(|name| *name != "contoso.com")
        .collect();
    let names: Vec<&str> = old.names.iter().map(String::as_str).collect();
    let issued = (at - fleet.start) / DAY - 2;
    let both: &[usize] = &[RELAY, HYBRID];
    let sends = |fleet: &mut Fleet, connectors: &[usize], class, after, fixed| {
        change_certificate(fleet, server, connectors, class, before, after, at, fixed);
    };
    match plot {
        Plot::NamesLost => {
            let after = fleet.certificate(rng, &old.subject, &old.issuer, &kept, issued);
            sends(fleet, both, "names_lost", after, Some(fixed));
            fleet.inbound_names.push((fixed, "*.contoso.com".into()));
        }
        Plot::RenamedFixed => {
            let names = ["mail.contoso-group.com", "autodiscover.contoso-group.com"];
            let after = fleet.certificate(rng, &subject(names[0]), ISSUER, &names, issued);
            sends(fleet, &[RELAY], "renamed", after, Some(fixed));
            fleet
                .inbound_names
                .push((fixed, "*.contoso-group.com".into()));
        }
        Plot::RenamedReverted => {
            let names = ["relay.contoso-test.net"];
            let after = fleet.certificate(rng, &subject(names[0]), OTHER_ISSUER, &names, issued);
            sends(fleet, &[RELAY], "renamed", after, Some(fixed));
            change_certificate(
                fleet,
                server,
                &[RELAY],
                "reverted",
                after,
                before,
                fixed,
                None,
            );
        }
        Plot::Renewed => {
            let after = fleet.renewal(rng, before, at);
            sends(fleet, both, "renewed", after, None);
        }
        Plot::Reissued => {
            let after = fleet.certificate(rng, &old.subject, OTHER_ISSUER, &names, issued);
            sends(fleet, both, "reissued", after, None);
        }
        Plot::Reverted => {
            let after = fleet.renewal(rng, before, at);
            sends(fleet, both, "renewed", after, None);
            change_certificate(fleet, server, both, "reverted", after, before, fixed, None);
        }
        Plot::Moved => move_egress(fleet, server, at, i64::MAX),
        Plot::MovedRefused => move_egress(fleet, server, at, fixed),
    }
}

#[allow(clippy::too_many_arguments)] // one change has that many facts
fn change_certificate(
    fleet: &mut Fleet,
    server: usize,
    connectors: &[usize],
    class: &'static str,
    before: u32,
    after: u32,
    at: i64,
    fixed: Option<i64>,
) {
    for connector in connectors.iter().copied() {
        fleet.servers[server].sending[connector].change(at, after);
        let kind = "certificate";
        let change = Change {
            kind,
            class,
            connector,
            server,
            before,
            after,
            at,
            fixed,
        };
        appoint(fleet, &change);
        fleet.changes.push(change);
    }
}

/// The address is the server's: both cloud connectors show the new one.
fn move_egress(fleet: &mut Fleet, server: usize, at: i64, accepted_from: i64) {
    let before = fleet.servers[server].egress.at(at).1[0];
    let after = fleet.address(format!("198.51.100.{}", 200 + server % 50), accepted_from);
    fleet.servers[server].egress.change(at, vec![after]);
    let fixed = (accepted_from < i64::MAX).then_some(accepted_from);
    for connector in [RELAY, HYBRID] {
        let (kind, class) = ("egress", "moved");
        let change = Change {
            kind,
            class,
            connector,
            server,
            before,
            after,
            at,
            fixed,
        };
        appoint(fleet, &change);
        fleet.changes.push(change);
    }
}

/// Sessions that take place however little traffic there is, so that each change is seen and its
/// refusals follow: before it, in it, and after the tenant accepts again.
fn appoint(fleet: &mut Fleet, change: &Change) {
    let after = [45, 420, 960, 2_100, 4_500, 7_000].map(|seconds| change.at + seconds * 1000);
    let again = [60, 600, 1_200, 5_000].map(|seconds| change.fixed.map(|at| at + seconds * 1000));
    let before = [change.at - 2 * HOUR, change.at - 25 * MINUTE].map(Some);
    let times = before
        .into_iter()
        .chain(after.map(Some))
        .chain(again)
        .flatten();
    let appointments = times.map(|time| (time, change.connector));
    fleet.servers[change.server]
        .appointments
        .extend(appointments);
}

/// The same for a story, where the first quarter of an hour has to suffice for an incident.
pub(super) fn appoint_around(server: &mut Server, connector: usize, at: i64) {
    let before = [-2 * HOUR, -25 * MINUTE, -4 * MINUTE];
    let after = [45, 200, 420, 650, 850, 960, 2_100, 4_500, 7_000].map(|seconds| seconds * 1000);
    let times = before.into_iter().chain(after);
    server
        .appointments
        .extend(times.map(|time| (at + time, connector)));
}
