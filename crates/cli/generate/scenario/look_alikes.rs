//! What looks like drift and is none: each story yields no finding, or one for information.

use super::{Act, BY_ADDRESS, Event, FOR_GOOD, New, PLAIN, START, Story, Tenant, Who, at, finds};
use crate::generate::effect::{Handshake, What, Whom};
use crate::generate::fleet::RELAY;
use crate::generate::plan::{EDGE, INTERNET_COMMA, INTRA_ORG};
use crate::generate::reply::Refusal;
use crate::generate::tls;
use Event::{Alternates, Forest, Lasts, LeavesFrom, Proxied, RenewsItself, Sends, SendsOn, Uses};
use Who::{All, One, These};

/// Five weeks of thin traffic.
const LONG: Story = Story {
    servers: 2,
    days: 35,
    rate: 1_500,
    ..PLAIN
};
const DEFAULT: New = New::Private(&["ex.corp.contoso.com"]);

/// See the module.
pub const STORIES: &[Story] = &[
    Story {
        name: "quiet-intra-organization",
        tells: "Every server has a self-signed certificate inside the organization and renews it",
        acts: &[
            Act(All, START, Uses(INTRA_ORG, 60)),
            Act(One(0), at(1, 8), RenewsItself),
            Act(One(1), at(1, 10), RenewsItself),
            Act(One(2), at(1, 12), RenewsItself),
        ],
        ..PLAIN
    },
    Story {
        name: "quiet-edge-subscription",
        tells: "An Edge server's certificate comes from the subscription and is renewed",
        acts: &[
            Act(All, START, Uses(EDGE, 40)),
            Act(All, at(1, 8), RenewsItself),
        ],
        ..PLAIN
    },
    Story {
        name: "quiet-opportunistic-tls",
        tells: "Mail to the internet goes with a default certificate, then with another",
        acts: &[
            Act(All, START, Uses(INTERNET_COMMA, 50)),
            Act(All, START, SendsOn(INTERNET_COMMA, DEFAULT)),
            Act(
                One(1),
                at(1, 9),
                SendsOn(INTERNET_COMMA, New::Private(&["ex2.corp.contoso.com"])),
            ),
        ],
        ..PLAIN
    },
    Story {
        name: "quiet-renewal",
        tells: "All servers renew at once, with the same names",
        acts: &[Act(All, at(1, 9), Sends(New::Renewal))],
        finds: &[finds("certificate", "renewed", All)],
        ..PLAIN
    },
    Story {
        name: "quiet-own-certificates",
        tells: "Every server has a certificate of its own, and all match",
        days: 3,
        acts: &[
            Act(One(0), START, Sends(New::Named(&["mx1.contoso.com"]))),
            Act(One(1), START, Sends(New::Named(&["mx2.contoso.com"]))),
            Act(One(2), START, Sends(New::Named(&["mx3.contoso.com"]))),
        ],
        ..PLAIN
    },
    Story {
        name: "quiet-rolling-renewal",
        tells: "A renewal rolls over four servers within a working day",
        servers: 4,
        days: 3,
        rate: 1_500,
        acts: &[
            Act(One(0), at(1, 8), Sends(New::Renewal)),
            Act(One(1), at(1, 11), Sends(New::OfAct(0))),
            Act(One(2), at(1, 14), Sends(New::OfAct(0))),
            Act(One(3), at(1, 20), Sends(New::OfAct(0))),
        ],
        finds: &[finds("certificate", "renewed", All)],
        ..PLAIN
    },
    Story {
        name: "quiet-two-certificates",
        tells: "Two certificates are sent by turns, chosen by name, from the start",
        acts: &[Act(
            One(0),
            START,
            Alternates(New::Named(&["mx1.contoso.com"]), 40),
        )],
        ..PLAIN
    },
    Story {
        name: "quiet-new-address",
        tells: "EX03 leaves from a new address under a certificate that matches",
        acts: &[Act(One(2), at(1, 9), LeavesFrom(&["198.51.100.80"]))],
        finds: &[finds("egress", "moved", One(2))],
        ..PLAIN
    },
    Story {
        name: "quiet-nat-pool",
        tells: "EX01 leaves from a pool of four addresses",
        tenant: Tenant {
            addresses: &["203.0.113.0/24", "198.51.100.0/24"],
            ..BY_ADDRESS
        },
        acts: &[Act(
            One(0),
            START,
            LeavesFrom(&[
                "198.51.100.0",
                "198.51.100.1",
                "198.51.100.2",
                "198.51.100.3",
            ]),
        )],
        ..PLAIN
    },
    Story {
        name: "quiet-sd-wan",
        tells: "EX02 leaves by two lines that take turns with the load",
        acts: &[
            Act(
                One(1),
                START,
                LeavesFrom(&["203.0.113.11", "198.51.100.81"]),
            ),
            Act(One(1), at(0, 9), LeavesFrom(&["203.0.113.11"])),
            Act(One(1), at(0, 15), LeavesFrom(&["198.51.100.81"])),
            Act(One(1), at(1, 8), LeavesFrom(&["203.0.113.11"])),
            Act(One(1), at(1, 11), LeavesFrom(&["198.51.100.81"])),
            Act(One(1), at(1, 14), LeavesFrom(&["203.0.113.11"])),
            Act(One(1), at(1, 17), LeavesFrom(&["198.51.100.81"])),
        ],
        ..PLAIN
    },
    Story {
        name: "quiet-cloud-rotation",
        tells: "Exchange Online's leaves, hosts and addresses rotate",
        days: 3,
        ..PLAIN
    },
    Story {
        name: "quiet-modern-tls",
        tells: "TLS 1.2 becomes 1.3, with a cipher per front door",
        acts: &[Act(
            All,
            at(1, 9),
            Lasts(What::Tls(Handshake::Speaks(tls::MODERN)), FOR_GOOD),
        )],
        ..PLAIN
    },
    Story {
        name: "quiet-other-tenant",
        tells: "Another tenant no longer hosts a recipient's domain: its 5.7.64 is not ours",
        acts: &[
            Act(All, START, Uses(RELAY, 40)),
            Act(
                One(0),
                at(1, 9),
                Event::Lasts(What::Refuses(Refusal::Attribution, Whom::Outside), FOR_GOOD),
            ),
        ],
        connector: INTERNET_COMMA,
        ..PLAIN
    },
    Story {
        name: "quiet-nights-and-holidays",
        tells: "Little mail at night, on weekends and on a holiday",
        acts: &[
            Act(All, at(30, 0), Lasts(What::Load(4), at(31, 1))),
            Act(All, at(32, 18), Lasts(What::Silent, at(33, 6))),
        ],
        ..LONG
    },
    Story {
        name: "quiet-maintenance",
        tells: "EX02 is down for maintenance for nine hours",
        acts: &[Act(One(1), at(32, 8), Lasts(What::Down, at(32, 17)))],
        ..LONG
    },
    Story {
        name: "quiet-drained",
        tells: "EX02 is drained: it goes on logging, and EX01 carries its load",
        acts: &[
            Act(One(0), at(32, 7), Lasts(What::Load(200), FOR_GOOD)),
            Act(One(1), at(32, 7), Lasts(What::Silent, FOR_GOOD)),
        ],
        ..LONG
    },
    Story {
        name: "quiet-decommissioned",
        tells: "EX02 is decommissioned and EX01 carries its load",
        acts: &[
            Act(One(0), at(28, 7), Lasts(What::Load(200), FOR_GOOD)),
            Act(One(1), at(28, 7), Lasts(What::Down, FOR_GOOD)),
        ],
        ..LONG
    },
    Story {
        name: "quiet-logging-off",
        tells: "Protocol logging of EX02 is switched off for three days",
        acts: &[Act(One(1), at(28, 7), Lasts(What::Down, at(31, 9)))],
        ..LONG
    },
    Story {
        name: "quiet-first-day",
        tells: "The first day of data shows what there is, for the first time",
        days: 1,
        rate: 4_000,
        acts: &[Act(One(1), START, Sends(New::Named(&["mx2.contoso.com"])))],
        ..PLAIN
    },
    Story {
        name: "quiet-planned-change",
        tells: "A planned change of provider: the tenant lists the new addresses beforehand",
        tenant: Tenant {
            addresses: &["203.0.113.0/24", "198.51.100.0/24"],
            ..BY_ADDRESS
        },
        acts: &[
            Act(One(0), at(1, 8), LeavesFrom(&["198.51.100.90"])),
            Act(One(1), at(1, 8), LeavesFrom(&["198.51.100.91"])),
            Act(One(2), at(1, 8), LeavesFrom(&["198.51.100.92"])),
        ],
        finds: &[finds("egress", "moved", All)],
        ..PLAIN
    },
    Story {
        name: "quiet-cached-connections",
        tells: "Connections stay cached over hours and files; handshakes show once in each",
        acts: &[Act(All, START, Lasts(What::Lingers, FOR_GOOD))],
        ..PLAIN
    },
    Story {
        name: "quiet-proxied",
        tells: "Front ends proxy: the hub's half shows neither certificate nor address",
        acts: &[Act(All, START, Proxied)],
        ..PLAIN
    },
    Story {
        name: "quiet-two-forests",
        tells: "Two forests, same server and connector names, other certificates and addresses",
        servers: 4,
        tenant: Tenant {
            also: Some("*.fabrikam-group.com"),
            ..super::BY_NAME
        },
        acts: &[
            Act(These(&[0, 1]), START, Forest("forest1", 0)),
            Act(These(&[2, 3]), START, Forest("forest2", 2)),
            Act(
                These(&[2, 3]),
                START,
                Sends(New::Named(&["mail.fabrikam-group.com"])),
            ),
        ],
        ..PLAIN
    },
];
