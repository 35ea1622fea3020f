//! Scenarios: small fleets that tell exactly one story each.
//!
//! A story is data: a few servers and days, what happens to whom and when, and what has to be said
//! about it. [`stage`] turns it into a [`Fleet`](super::fleet::Fleet) like any other, so that its logs
//! are written by the same hands; [`expected`] writes the exports that an administrator would have.

mod causes;
mod classes;
pub mod expected;
mod look_alikes;
pub mod stage;

use super::calendar::{DAY, HOUR, MINUTE, SECOND};
use super::effect::What;
use super::fleet::RELAY;

/// One story.
#[derive(Debug, Clone, Copy)]
pub struct Story {
    /// As the command line names it.
    pub name: &'static str,
    /// What happens, in one line.
    pub tells: &'static str,
    /// Number of servers.
    pub servers: usize,
    /// Number of days.
    pub days: i64,
    /// Sessions per server and hour on the mean of a working day, in thousandths.
    pub rate: u64,
    /// Index of the connector toward Exchange Online.
    pub connector: usize,
    /// The tenant's side.
    pub tenant: Tenant,
    /// What happens, in order of time on each server.
    pub acts: &'static [Act],
    /// What `drift` has to find, and nothing else.
    pub finds: &'static [Find],
    /// What `diagnosis` has to say.
    pub cause: Option<Cause>,
}

/// To whom, when (in milliseconds from the first midnight, or [`START`]), and what happens.
#[derive(Debug, Clone, Copy)]
pub struct Act(pub Who, pub i64, pub Event);

/// Before the first row: it was always so.
pub const START: i64 = i64::MIN;
/// Longer than any story.
pub const FOR_GOOD: i64 = i64::MAX;

/// A time on a day, at an odd minute as people do things.
pub const fn at(day: i64, hour: i64) -> i64 {
    day * DAY + hour * HOUR + 7 * MINUTE + 12 * SECOND + 340
}

/// Servers by their place.
#[derive(Debug, Clone, Copy)]
pub enum Who {
    /// Every server.
    All,
    /// One of them.
    One(usize),
    /// Several.
    These(&'static [usize]),
}

impl Who {
    /// True if a server is meant.
    pub fn has(self, server: usize) -> bool {
        match self {
            Who::All => true,
            Who::One(one) => one == server,
            Who::These(these) => these.contains(&server),
        }
    }
}

/// What happens.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    /// The cloud connector sends another certificate.
    Sends(New),
    /// Another connector sends another certificate.
    SendsOn(usize, New),
    /// The cloud connector sends by turns two certificates, each so many minutes.
    Alternates(New, i64),
    /// A certificate lies in the store and is not sent.
    Holds(New),
    /// Exchange Online sees it under these addresses.
    LeavesFrom(&'static [&'static str]),
    /// Something holds until a time.
    Lasts(What, i64),
    /// A box that inspects TLS stands in between until a time.
    Inspected(i64),
    /// Front doors show a certificate of another family.
    FrontDoorsShow(New),
    /// The cloud connector goes through the server's front end.
    Proxied,
    /// The server's certificate inside the organization is renewed.
    RenewsItself,
    /// Mail of another connector, with its share.
    Uses(usize, u64),
    /// The server belongs to another forest, where it is the server of this place.
    Forest(&'static str, usize),
}

/// A certificate.
#[derive(Debug, Clone, Copy)]
pub enum New {
    /// The names, subject and issuer that are in use.
    Renewal,
    /// The names and subject that are in use, from another issuer.
    Reissue,
    /// A public one with these names, the first in the subject.
    Named(&'static [&'static str]),
    /// The same from the organization's own authority.
    Private(&'static [&'static str]),
    /// The one that is in use without one of its names.
    Without(&'static str),
    /// Names, subject and issuer that are in use, with a life that ends so many hours after the
    /// first midnight.
    Ending(i64),
    /// The one before.
    Back,
    /// The one that the act of this number brought.
    OfAct(usize),
    /// One of Microsoft's mail hosts under another name.
    Microsoft(&'static [&'static str]),
}

/// The tenant's side.
#[derive(Debug, Clone, Copy)]
pub struct Tenant {
    /// `TlsSenderCertificateName`.
    pub name: Option<&'static str>,
    /// The same before [`changed`](Tenant::changed), or of another forest's tenant.
    pub also: Option<&'static str>,
    /// `SenderIPAddresses`.
    pub addresses: &'static [&'static str],
    /// What became of the connector.
    pub state: State,
    /// When an administrator of the tenant changed it last.
    pub changed: Option<i64>,
    /// Another tenant's connector has the same name or address.
    pub shared: bool,
}

/// What became of the inbound connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Enabled, OnPremises.
    Enabled,
    /// Disabled.
    Disabled,
    /// Removed.
    Missing,
    /// Turned into a partner connector.
    Partner,
    /// Blocked by Microsoft.
    Blocked,
}

/// A tenant that knows the fleet by a certificate name.
pub const BY_NAME: Tenant = Tenant {
    name: Some("*.contoso.com"),
    also: None,
    addresses: &[],
    state: State::Enabled,
    changed: None,
    shared: false,
};
/// A tenant that knows the fleet by its addresses.
pub const BY_ADDRESS: Tenant = Tenant {
    name: None,
    addresses: &["203.0.113.10", "203.0.113.11", "203.0.113.12"],
    ..BY_NAME
};

/// A finding of `drift`.
#[derive(Debug, Clone, Copy)]
pub struct Find {
    /// `certificate`, `egress`, `tls`, …
    pub kind: &'static str,
    /// See the view of that kind.
    pub class: &'static str,
    /// On which servers.
    pub who: Who,
    /// Mail was refused for it.
    pub breaking: bool,
}

/// A finding that breaks nothing.
pub const fn finds(kind: &'static str, class: &'static str, who: Who) -> Find {
    Find {
        kind,
        class,
        who,
        breaking: false,
    }
}

/// A finding that breaks mail.
pub const fn breaks(kind: &'static str, class: &'static str, who: Who) -> Find {
    Find {
        kind,
        class,
        who,
        breaking: true,
    }
}

/// A diagnosis.
#[derive(Debug, Clone, Copy)]
pub struct Cause {
    /// The cause's name.
    pub cause: &'static str,
    /// On which servers.
    pub who: Who,
    /// What has to be done about it.
    pub fix: &'static str,
    /// Cmdlets of which one does it; none where no command does.
    pub commands: &'static [&'static str],
}

/// What stories begin with: three servers, one of each certificate form, on two days.
const PLAIN: Story = Story {
    name: "",
    tells: "",
    servers: 3,
    days: 2,
    rate: 2_000,
    connector: RELAY,
    tenant: BY_NAME,
    acts: &[],
    finds: &[],
    cause: None,
};

/// The kinds of stories, as the list names them.
pub const GROUPS: [(&str, &[Story]); 3] = [
    ("classes of drift", classes::STORIES),
    ("what looks like it", look_alikes::STORIES),
    ("causes of refusals", causes::STORIES),
];

/// The story of a name.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn parse(name: &str) -> Result<&'static Story, String> {
    GROUPS
        .iter()
        .flat_map(|(_, stories)| stories.iter())
        .find(|story| story.name == name)
        .ok_or_else(|| {
            format!("no scenario `{name}`: `relaydrift generate --list-scenarios` lists them")
        })
}
