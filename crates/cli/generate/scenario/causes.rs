//! One story per cause of refused mail, with the diagnosis that it calls for. They stay unmended.

use super::{
    Act, BY_ADDRESS, BY_NAME, Cause, Event, FOR_GOOD, New, PLAIN, START, State, Story, Tenant, Who,
    at, breaks, finds,
};
use crate::generate::effect::{Handshake, What, Whom};
use crate::generate::fleet::HYBRID;
use crate::generate::reply::Refusal;
use Event::{Holds, Inspected, Lasts, LeavesFrom, Proxied, Sends};
use Who::{All, One, These};

const OTHER_NAMES: New = New::Named(&["mail.contoso-group.com", "autodiscover.contoso-group.com"]);
/// When it starts: in the morning of the second day.
const ONSET: i64 = at(1, 9);

const fn because(
    cause: &'static str,
    who: Who,
    fix: &'static str,
    commands: &'static [&'static str],
) -> Option<Cause> {
    Some(Cause {
        cause,
        who,
        fix,
        commands,
    })
}

const fn tls(how: Handshake) -> Event {
    Lasts(What::Tls(how), FOR_GOOD)
}

const fn refuses(refusal: Refusal, whom: Whom) -> Event {
    Lasts(What::Refuses(refusal, whom), FOR_GOOD)
}

const NAME_OR_CERTIFICATE: &str = "send a certificate that the inbound connector's name covers, or add a connector for the new name";
const NAME_COMMANDS: &[&str] = &[
    "Set-SendConnector",
    "New-InboundConnector",
    "Set-InboundConnector",
];
const LIST_ADDRESS: &str = "add the address to SenderIPAddresses, keeping those that stand there";

const fn changed(tenant: Tenant, state: State) -> Tenant {
    Tenant {
        state,
        changed: Some(ONSET),
        ..tenant
    }
}

/// See the module.
pub const STORIES: &[Story] = &[
    Story {
        name: "cause-certificate-renamed",
        tells: "EX01's new certificate has a name that the tenant does not know",
        acts: &[Act(One(0), ONSET, Sends(OTHER_NAMES))],
        finds: &[breaks("certificate", "renamed", One(0))],
        cause: because(
            "certificate_renamed",
            One(0),
            NAME_OR_CERTIFICATE,
            NAME_COMMANDS,
        ),
        ..PLAIN
    },
    Story {
        name: "cause-certificate-renamed-front-end",
        tells: "The same on a front end: the hub's log has the refusals, its own the certificate",
        acts: &[
            Act(One(0), START, Proxied),
            Act(One(0), ONSET, Sends(OTHER_NAMES)),
        ],
        finds: &[breaks("certificate", "renamed", One(0))],
        cause: because(
            "certificate_renamed",
            One(0),
            NAME_OR_CERTIFICATE,
            NAME_COMMANDS,
        ),
        ..PLAIN
    },
    Story {
        name: "cause-direct-send-rejected",
        tells: "The same where the tenant rejects direct send: 5.7.68 is a symptom",
        acts: &[
            Act(One(0), ONSET, Sends(OTHER_NAMES)),
            Act(One(0), ONSET, refuses(Refusal::DirectSend, Whom::Everyone)),
        ],
        finds: &[breaks("certificate", "renamed", One(0))],
        cause: because(
            "certificate_renamed",
            One(0),
            NAME_OR_CERTIFICATE,
            NAME_COMMANDS,
        ),
        ..PLAIN
    },
    Story {
        name: "cause-names-lost",
        tells: "EX02's renewed certificate lacks the tenant's name",
        tenant: Tenant {
            name: Some("contoso.com"),
            ..BY_NAME
        },
        acts: &[Act(One(1), ONSET, Sends(New::Without("contoso.com")))],
        finds: &[breaks("certificate", "names_lost", One(1))],
        cause: because(
            "certificate_names_lost",
            One(1),
            NAME_OR_CERTIFICATE,
            NAME_COMMANDS,
        ),
        ..PLAIN
    },
    Story {
        name: "cause-wrong-certificate",
        tells: "EX03 chooses an internal certificate; the right one lies in its store",
        acts: &[Act(
            One(2),
            ONSET,
            Sends(New::Private(&["ex03.corp.contoso.com"])),
        )],
        finds: &[breaks("certificate", "renamed", One(2))],
        cause: because(
            "wrong_certificate_chosen",
            One(2),
            "name the right certificate on the send connector",
            &["Set-SendConnector"],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-newer-certificate-not-sent",
        tells: "EX03 keeps sending the old certificate until it ends; the new one lies in its store",
        acts: &[
            Act(All, START, Sends(New::Ending(33))),
            Act(These(&[0, 1]), at(0, 18), Sends(New::Renewal)),
            Act(One(2), at(0, 18), Holds(New::OfAct(1))),
            Act(One(2), ONSET, refuses(Refusal::Expired, Whom::Everyone)),
        ],
        finds: &[
            finds("certificate", "renewed", These(&[0, 1])),
            breaks("certificate", "expired", One(2)),
        ],
        cause: because(
            "newer_certificate_not_sent",
            One(2),
            "restart the transport service so that the newer certificate is taken",
            &["Restart-Service", "Set-SendConnector"],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-certificate-not-sent",
        tells: "EX01 sends no certificate though TLS succeeds",
        acts: &[Act(One(0), ONSET, tls(Handshake::NothingSent))],
        finds: &[breaks("certificate", "missing", One(0))],
        cause: because(
            "certificate_not_sent",
            One(0),
            "name a certificate with a private key on the send connector",
            &["Set-SendConnector"],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-no-credentials",
        tells: "EX02's certificate has lost its private key: NoCredentials, then without TLS",
        acts: &[Act(One(1), ONSET, tls(Handshake::Fails("NoCredentials")))],
        finds: &[breaks("tls", "lost", One(1))],
        cause: because(
            "no_credentials",
            One(1),
            "import the PFX again, or repair the key",
            &["certutil -repairstore", "Import-ExchangeCertificate"],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-unknown-credentials",
        tells: "EX02's certificate is not bound to SMTP: UnknownCredentials, then without TLS",
        acts: &[Act(
            One(1),
            ONSET,
            tls(Handshake::Fails("UnknownCredentials")),
        )],
        finds: &[breaks("tls", "lost", One(1))],
        cause: because(
            "unknown_credentials",
            One(1),
            "bind the certificate to SMTP",
            &["Enable-ExchangeCertificate"],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-tls-failed",
        tells: "EX03's TLS fails for want of a common algorithm; mail goes without",
        acts: &[Act(
            One(2),
            ONSET,
            tls(Handshake::Fails("AlgorithmMismatch")),
        )],
        finds: &[breaks("tls", "lost", One(2))],
        cause: because(
            "tls_failed",
            One(2),
            "enable TLS 1.2 and its cipher suites on the server",
            &[],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-tls-intercepted",
        tells: "A firewall inspects EX01's TLS and drops its certificate",
        acts: &[Act(One(0), ONSET, Inspected(FOR_GOOD))],
        finds: &[breaks("tls", "intercepted", One(0))],
        cause: because(
            "tls_intercepted",
            One(0),
            "exempt mail to Exchange Online from TLS inspection",
            &[],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-starttls-stripped",
        tells: "A firewall masks the greeting and STARTTLS of EX02's sessions",
        acts: &[Act(One(1), ONSET, tls(Handshake::Stripped))],
        finds: &[breaks("tls", "lost", One(1))],
        cause: because(
            "tls_stripped",
            One(1),
            "switch off SMTP inspection on the firewall",
            &[],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-certificate-expired",
        tells: "The certificate that all servers send ends",
        acts: &[
            Act(All, START, Sends(New::Ending(33))),
            Act(All, ONSET, refuses(Refusal::Expired, Whom::Everyone)),
        ],
        finds: &[breaks("certificate", "expired", All)],
        cause: because(
            "certificate_expired",
            All,
            "renew the certificate and name it on the send connector",
            &[
                "New-ExchangeCertificate",
                "Import-ExchangeCertificate",
                "Set-SendConnector",
            ],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-chain-probable",
        tells: "EX01's reissued certificate has an intermediate that is not installed: UntrustedRoot",
        acts: &[
            Act(One(0), ONSET, Sends(New::Reissue)),
            Act(One(0), ONSET, refuses(Refusal::TlsChannel, Whom::Everyone)),
        ],
        finds: &[breaks("certificate", "reissued", One(0))],
        cause: because(
            "chain_probable",
            One(0),
            "install the intermediate certificate in LocalMachine\\CA",
            &["Test-Certificate", "Import-Certificate"],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-chain-possible",
        tells: "EX02 is refused after a reissue whose names still match",
        acts: &[
            Act(One(1), ONSET, Sends(New::Reissue)),
            Act(One(1), ONSET, refuses(Refusal::Attribution, Whom::Outside)),
        ],
        finds: &[breaks("certificate", "reissued", One(1))],
        cause: because(
            "chain_possible",
            One(1),
            "test the chain and install what is missing of it",
            &["Test-Certificate", "Import-Certificate"],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-address-moved",
        tells: "EX01 leaves from a new address that the tenant does not list",
        tenant: BY_ADDRESS,
        acts: &[Act(One(0), ONSET, LeavesFrom(&["198.51.100.77"]))],
        finds: &[breaks("egress", "moved", One(0))],
        cause: because(
            "address_moved",
            One(0),
            LIST_ADDRESS,
            &["Set-InboundConnector"],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-address-moved-front-end",
        tells: "The same on a front end: the hub's log has the refusals, its own the address",
        tenant: BY_ADDRESS,
        acts: &[
            Act(One(0), START, Proxied),
            Act(One(0), ONSET, LeavesFrom(&["198.51.100.77"])),
        ],
        finds: &[breaks("egress", "moved", One(0))],
        cause: because(
            "address_moved",
            One(0),
            LIST_ADDRESS,
            &["Set-InboundConnector"],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-address-not-listed",
        tells: "EX02 has left from two addresses from the start, of which one is not listed",
        tenant: BY_ADDRESS,
        acts: &[Act(
            One(1),
            START,
            LeavesFrom(&["203.0.113.11", "203.0.113.99"]),
        )],
        cause: because(
            "address_not_listed",
            One(1),
            LIST_ADDRESS,
            &["Set-InboundConnector"],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-ipv6",
        tells: "EX03 reaches Exchange Online over IPv6, which no list of addresses can name",
        tenant: BY_ADDRESS,
        acts: &[Act(One(2), ONSET, LeavesFrom(&["2001:db8:10::13"]))],
        finds: &[breaks("egress", "family_changed", One(2))],
        cause: because(
            "ipv6_toward_address_connector",
            One(2),
            "match by certificate, or send over IPv4",
            &["Set-InboundConnector", "New-InboundConnector"],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-sender-domain-refused",
        tells: "Mail of a foreign sender domain is forwarded: ATTR36",
        tenant: BY_ADDRESS,
        acts: &[Act(
            All,
            ONSET,
            refuses(Refusal::NotAccepted, Whom::Strangers),
        )],
        cause: because(
            "sender_domain_not_accepted",
            All,
            "match by a certificate of an accepted domain, or rewrite the sender",
            &[],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-sender-dependent",
        tells: "In one session own senders pass, foreign and null senders are refused",
        tenant: BY_ADDRESS,
        acts: &[Act(
            All,
            ONSET,
            refuses(Refusal::Attribution, Whom::Strangers),
        )],
        cause: because(
            "sender_domain_not_accepted",
            All,
            "match by a certificate of an accepted domain, or rewrite the sender",
            &[],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-wrong-region",
        tells: "The smart host belongs to another region: ATTR35",
        acts: &[Act(
            All,
            ONSET,
            refuses(Refusal::WrongRegion, Whom::Everyone),
        )],
        cause: because(
            "wrong_region",
            All,
            "send to the tenant's own MX host",
            &["Set-SendConnector"],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-cloud-side-changed",
        tells: "An administrator of the tenant changes the connector's name: all servers at once",
        tenant: Tenant {
            name: Some("*.contoso-group.com"),
            also: Some("*.contoso.com"),
            ..changed(BY_NAME, State::Enabled)
        },
        acts: &[Act(
            All,
            ONSET,
            refuses(Refusal::Attribution, Whom::Outside),
        )],
        cause: because(
            "cloud_side_changed",
            All,
            "put the inbound connector's name back",
            &["Set-InboundConnector"],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-connector-disabled",
        tells: "The inbound connector is disabled",
        tenant: changed(BY_NAME, State::Disabled),
        acts: &[Act(
            All,
            ONSET,
            refuses(Refusal::Attribution, Whom::Outside),
        )],
        cause: because(
            "connector_disabled",
            All,
            "enable the inbound connector",
            &["Set-InboundConnector"],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-connector-missing",
        tells: "The inbound connector is removed",
        tenant: changed(BY_NAME, State::Missing),
        acts: &[Act(
            All,
            ONSET,
            refuses(Refusal::Attribution, Whom::Outside),
        )],
        cause: because(
            "connector_missing",
            All,
            "create an inbound connector of type OnPremises",
            &["New-InboundConnector"],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-connector-partner",
        tells: "The only inbound connector is a partner connector: 5.7.51",
        tenant: changed(BY_NAME, State::Partner),
        acts: &[Act(All, ONSET, refuses(Refusal::Partner, Whom::Everyone))],
        cause: because(
            "connector_partner",
            All,
            "create an inbound connector of type OnPremises beside it",
            &["New-InboundConnector"],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-connector-blocked",
        tells: "Microsoft blocks the connector as compromised: 5.7.711",
        tenant: changed(BY_NAME, State::Blocked),
        acts: &[Act(
            All,
            ONSET,
            refuses(Refusal::BlockedConnector, Whom::Everyone),
        )],
        cause: because(
            "blocked_connector",
            All,
            "investigate the compromise before anything is unblocked",
            &["Get-BlockedConnector"],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-tenant-limit",
        tells: "The tenant's limit for outside recipients is reached: 5.7.233",
        acts: &[Act(
            All,
            ONSET,
            refuses(Refusal::TenantLimit, Whom::Outside),
        )],
        cause: because(
            "tenant_limit",
            All,
            "wait, and find what sends so much",
            &[],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-trial-limit",
        tells: "The limit of a trial tenant is reached: 5.7.232",
        acts: &[Act(All, ONSET, refuses(Refusal::TrialLimit, Whom::Outside))],
        cause: because(
            "tenant_limit",
            All,
            "wait, and find what sends so much",
            &[],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-tenant-blocked",
        tells: "The tenant is blocked for spam: 5.7.705",
        acts: &[Act(
            All,
            ONSET,
            refuses(Refusal::TenantBlocked, Whom::Outside),
        )],
        cause: because(
            "tenant_blocked",
            All,
            "stop the source, then ask Microsoft Support",
            &[],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-reputation",
        tells: "A new tenant's mail is not taken from this address: 5.7.708",
        acts: &[Act(All, ONSET, refuses(Refusal::Reputation, Whom::Outside))],
        cause: because(
            "reputation",
            All,
            "ask Microsoft Support to release the address",
            &[],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-address-banned",
        tells: "EX01 moves to an address that is banned: 5.7.606",
        acts: &[
            Act(One(0), ONSET, LeavesFrom(&["198.51.100.66"])),
            Act(One(0), ONSET, refuses(Refusal::Banned, Whom::Everyone)),
        ],
        finds: &[finds("egress", "moved", One(0))],
        cause: because(
            "reputation",
            One(0),
            "delist the address at sender.office.com",
            &[],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-address-throttled",
        tells: "EX02 moves to an address without a name: 4.7.500 throttles it",
        acts: &[
            Act(One(1), ONSET, LeavesFrom(&["198.51.100.67"])),
            Act(One(1), ONSET, refuses(Refusal::Busy, Whom::Everyone)),
        ],
        finds: &[finds("egress", "moved", One(1))],
        cause: because(
            "reputation",
            One(1),
            "warm the address up, or go back to the old one",
            &[],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-version-throttled",
        tells: "EX03's build is out of date: throttled with 4.7.230",
        acts: &[Act(
            One(2),
            ONSET,
            refuses(Refusal::VersionThrottled, Whom::Everyone),
        )],
        cause: because("server_version", One(2), "update Exchange", &[]),
        ..PLAIN
    },
    Story {
        name: "cause-version-blocked",
        tells: "EX03's build is out of date: blocked with 5.7.230",
        acts: &[Act(
            One(2),
            ONSET,
            refuses(Refusal::VersionBlocked, Whom::Everyone),
        )],
        cause: because("server_version", One(2), "update Exchange", &[]),
        ..PLAIN
    },
    Story {
        name: "cause-recipient-side",
        tells: "One recipient domain refuses its own addresses: 5.4.1",
        acts: &[Act(
            All,
            ONSET,
            refuses(Refusal::Recipient, Whom::In("adatum.com")),
        )],
        cause: because(
            "recipient_side",
            All,
            "ask the recipient's administrators",
            &[],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-shared-tenant",
        tells: "Another tenant's connector takes the same name: mail is attributed there, ATTR36",
        tenant: Tenant {
            shared: true,
            changed: Some(ONSET),
            ..BY_NAME
        },
        acts: &[Act(
            All,
            ONSET,
            refuses(Refusal::NotAccepted, Whom::Outside),
        )],
        cause: because(
            "shared_tenant",
            All,
            "give each tenant a certificate name or address of its own",
            &["Set-InboundConnector"],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-silence",
        tells: "EX02's TlsCertificateName is in no store: mail waits (454 4.7.5), nothing is logged",
        servers: 2,
        days: 35,
        rate: 1_500,
        acts: &[
            Act(All, START, Holds(New::Reissue)),
            Act(One(1), at(33, 7), Lasts(What::Silent, FOR_GOOD)),
        ],
        finds: &[finds("silence", "silence", One(1))],
        cause: because(
            "silence_after_traffic",
            One(1),
            "install the certificate that the send connector names, or name one that is there",
            &["Set-SendConnector", "Import-ExchangeCertificate"],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-partial-roll-out",
        tells: "A new certificate and a new connector name reach all servers but EX03",
        tenant: Tenant {
            name: Some("*.contoso-group.com"),
            also: Some("*.contoso.com"),
            ..changed(BY_NAME, State::Enabled)
        },
        acts: &[
            Act(These(&[0, 1]), ONSET, Sends(OTHER_NAMES)),
            Act(One(2), ONSET, Holds(New::OfAct(0))),
            Act(One(2), ONSET, refuses(Refusal::Attribution, Whom::Outside)),
        ],
        finds: &[finds("certificate", "renamed", These(&[0, 1]))],
        cause: because(
            "partial_rollout",
            One(2),
            "send the new certificate from the server that was left out, or add a connector for the old name",
            &["Set-SendConnector", "New-InboundConnector"],
        ),
        ..PLAIN
    },
    Story {
        name: "cause-silent-degradation",
        tells: "EX01's mail to the tenant is taken as anonymous: nothing is refused",
        connector: HYBRID,
        acts: &[Act(One(0), ONSET, Sends(OTHER_NAMES))],
        finds: &[finds("certificate", "renamed", One(0))],
        cause: because(
            "silent_degradation",
            One(0),
            NAME_OR_CERTIFICATE,
            NAME_COMMANDS,
        ),
        ..PLAIN
    },
];
