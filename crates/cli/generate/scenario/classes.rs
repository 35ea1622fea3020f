//! One story per class of drift: each yields its own finding and no other.

use super::{
    Act, BY_ADDRESS, Event, FOR_GOOD, New, PLAIN, START, Story, Tenant, Who, at, breaks, finds,
};
use crate::generate::effect::{Handshake, What};
use crate::generate::tls;
use Event::{Inspected, Lasts, LeavesFrom, Sends};
use Who::{All, One};

const OTHER_NAMES: New = New::Named(&["mail.contoso-group.com", "autodiscover.contoso-group.com"]);

/// See the module.
pub const STORIES: &[Story] = &[
    Story {
        name: "certificate-renewed",
        tells: "EX01 renews its certificate: same subject, issuer and names",
        acts: &[Act(One(0), at(1, 9), Sends(New::Renewal))],
        finds: &[finds("certificate", "renewed", One(0))],
        ..PLAIN
    },
    Story {
        name: "certificate-reissued",
        tells: "EX02 sends a certificate of another issuer, with the same names",
        acts: &[Act(One(1), at(1, 9), Sends(New::Reissue))],
        finds: &[finds("certificate", "reissued", One(1))],
        ..PLAIN
    },
    Story {
        name: "certificate-renamed",
        tells: "EX03 sends a certificate of another name and is refused",
        acts: &[Act(One(2), at(1, 9), Sends(OTHER_NAMES))],
        finds: &[breaks("certificate", "renamed", One(2))],
        ..PLAIN
    },
    Story {
        name: "certificate-names-lost",
        tells: "EX01's new certificate lacks the name that the tenant asks for",
        tenant: Tenant {
            name: Some("contoso.com"),
            ..super::BY_NAME
        },
        acts: &[Act(One(0), at(1, 9), Sends(New::Without("contoso.com")))],
        finds: &[breaks("certificate", "names_lost", One(0))],
        ..PLAIN
    },
    Story {
        name: "certificate-reverted",
        tells: "EX02 renews, and puts the old certificate back in the afternoon",
        acts: &[
            Act(One(1), at(1, 8), Sends(New::Renewal)),
            Act(One(1), at(1, 14), Sends(New::Back)),
        ],
        finds: &[
            finds("certificate", "renewed", One(1)),
            finds("certificate", "reverted", One(1)),
        ],
        ..PLAIN
    },
    Story {
        name: "certificate-flapping",
        tells: "EX01 goes back and forth between two certificates",
        acts: &[
            Act(One(0), at(1, 6), Sends(New::Renewal)),
            Act(One(0), at(1, 8), Sends(New::Back)),
            Act(One(0), at(1, 10), Sends(New::Back)),
            Act(One(0), at(1, 12), Sends(New::Back)),
            Act(One(0), at(1, 14), Sends(New::Back)),
        ],
        finds: &[finds("certificate", "flapping", One(0))],
        ..PLAIN
    },
    Story {
        name: "certificate-diverged",
        tells: "EX03 is refused from the first day on, its siblings are not",
        days: 3,
        acts: &[Act(One(2), START, Sends(OTHER_NAMES))],
        finds: &[breaks("certificate", "diverged", One(2))],
        ..PLAIN
    },
    Story {
        name: "certificate-missing",
        tells: "EX02 no longer sends a certificate; the tenant knows it by its address",
        tenant: BY_ADDRESS,
        acts: &[Act(
            One(1),
            at(1, 9),
            Lasts(What::Tls(Handshake::NothingSent), FOR_GOOD),
        )],
        finds: &[finds("certificate", "missing", One(1))],
        ..PLAIN
    },
    Story {
        name: "certificate-expired",
        tells: "All servers send a certificate that ends; the tenant knows them by address",
        tenant: BY_ADDRESS,
        acts: &[Act(All, START, Sends(New::Ending(33)))],
        finds: &[finds("certificate", "expired", All)],
        ..PLAIN
    },
    Story {
        name: "certificate-expiring",
        tells: "The certificate that all servers send ends in five days",
        acts: &[Act(All, START, Sends(New::Ending(7 * 24)))],
        finds: &[finds("certificate", "expiring", All)],
        ..PLAIN
    },
    Story {
        name: "tls-lost",
        tells: "STARTTLS is no longer offered to EX01; the tenant knows it by its address",
        tenant: BY_ADDRESS,
        acts: &[Act(
            One(0),
            at(1, 9),
            Lasts(What::Tls(Handshake::NotOffered), FOR_GOOD),
        )],
        finds: &[finds("tls", "lost", One(0))],
        ..PLAIN
    },
    Story {
        name: "tls-downgraded",
        tells: "EX03 falls back to TLS 1.0",
        acts: &[Act(
            One(2),
            at(1, 9),
            Lasts(What::Tls(Handshake::Speaks(tls::OLD)), FOR_GOOD),
        )],
        finds: &[finds("tls", "downgraded", One(2))],
        ..PLAIN
    },
    Story {
        name: "tls-intercepted",
        tells: "A box inspects EX02's TLS; the tenant knows the server by its address",
        tenant: BY_ADDRESS,
        acts: &[Act(One(1), at(1, 9), Inspected(FOR_GOOD))],
        finds: &[finds("tls", "intercepted", One(1))],
        ..PLAIN
    },
    Story {
        name: "egress-moved",
        tells: "EX01 leaves from an address that the tenant does not list",
        tenant: BY_ADDRESS,
        acts: &[Act(One(0), at(1, 9), LeavesFrom(&["198.51.100.77"]))],
        finds: &[breaks("egress", "moved", One(0))],
        ..PLAIN
    },
    Story {
        name: "egress-outside-expected",
        tells: "EX02 leaves from outside the listed addresses; its certificate still matches",
        tenant: Tenant {
            addresses: BY_ADDRESS.addresses,
            ..super::BY_NAME
        },
        acts: &[Act(One(1), at(1, 9), LeavesFrom(&["198.51.100.78"]))],
        finds: &[finds("egress", "outside_expected", One(1))],
        ..PLAIN
    },
    Story {
        name: "egress-flapping",
        tells: "EX03 goes back and forth between a listed and an unlisted address",
        tenant: BY_ADDRESS,
        acts: &[
            Act(One(2), at(1, 6), LeavesFrom(&["198.51.100.79"])),
            Act(One(2), at(1, 8), LeavesFrom(&["203.0.113.12"])),
            Act(One(2), at(1, 10), LeavesFrom(&["198.51.100.79"])),
            Act(One(2), at(1, 12), LeavesFrom(&["203.0.113.12"])),
            Act(One(2), at(1, 14), LeavesFrom(&["198.51.100.79"])),
        ],
        finds: &[breaks("egress", "flapping", One(2))],
        ..PLAIN
    },
    Story {
        name: "egress-family-changed",
        tells: "EX01 reaches Exchange Online over IPv6; its certificate still matches",
        acts: &[Act(One(0), at(1, 9), LeavesFrom(&["2001:db8:10::11"]))],
        finds: &[finds("egress", "family_changed", One(0))],
        ..PLAIN
    },
    Story {
        name: "silence",
        tells: "EX02 stops sending to Exchange Online and goes on logging",
        servers: 2,
        days: 35,
        rate: 1_500,
        acts: &[Act(One(1), at(33, 7), Lasts(What::Silent, FOR_GOOD))],
        finds: &[finds("silence", "silence", One(1))],
        ..PLAIN
    },
    Story {
        name: "peer-changed",
        tells: "Exchange Online's hosts show certificates of another family of names",
        acts: &[Act(
            All,
            at(1, 9),
            Event::FrontDoorsShow(New::Microsoft(&["mx.microsoft", "*.mx.microsoft"])),
        )],
        finds: &[finds("peer", "family_changed", All)],
        ..PLAIN
    },
];
