//! A story as a fleet: what is always so is set, what happens is entered, what follows is noted.

use super::{Event, FOR_GOOD, New, START, Story};
use crate::generate::calendar::{DAY, HOUR, MINUTE};
use crate::generate::certificate::Certificate;
use crate::generate::drift::appoint_around;
use crate::generate::effect::{Effect, Handshake, What};
use crate::generate::fleet::{Fleet, Match, Timeline};
use crate::generate::plan::{
    INTRA_ORG, ISSUER, OTHER_ISSUER, OUTLOOK_ISSUERS, Outline, PRIVATE_ISSUER, SMART_HOST, lay_out,
    settle, subject,
};
use crate::generate::rng::Rng;

/// A value that took the place of another one.
#[derive(Debug, Clone, Copy)]
pub struct Swap {
    /// `certificate` or `egress`.
    pub kind: &'static str,
    /// Index of the server.
    pub server: usize,
    /// Indexes of the certificates or addresses.
    pub values: (u32, u32),
}

/// A story ready to be written.
#[derive(Debug)]
pub struct Staged {
    /// The fleet.
    pub fleet: Fleet,
    /// Changes of the cloud connector, in order of time on each server.
    pub swaps: Vec<Swap>,
    /// Certificates in a store that are not sent: server and index.
    pub held: Vec<(usize, u32)>,
}

/// Turns a story into a fleet that begins at `start`.
pub fn stage(story: &Story, seed: u64, start: i64) -> Staged {
    let mut rng = Rng::new(seed, 0);
    let tenant = &story.tenant;
    let fleet = lay_out(
        &Outline {
            seed,
            servers: story.servers,
            days: story.days,
            start,
            matched_by: match tenant.name {
                Some(_) => Match::Certificate,
                None => Match::Address,
            },
            drift: false,
            incidents: 0,
        },
        &mut rng,
    );
    let mut stage = Stage {
        story,
        fleet,
        rng,
        swaps: Vec::new(),
        held: Vec::new(),
        brought: Vec::new(),
    };
    stage.clear();
    for act in story.acts {
        let (who, at, event) = (act.0, act.1, act.2);
        let at = if at == START { START } else { start + at };
        let servers = (0..story.servers).filter(|server| who.has(*server));
        stage.happens(&servers.collect::<Vec<_>>(), at, event);
    }
    let Stage {
        mut fleet,
        swaps,
        held,
        ..
    } = stage;
    settle(&mut fleet);
    Staged { fleet, swaps, held }
}

struct Stage<'a> {
    story: &'a Story,
    fleet: Fleet,
    rng: Rng,
    swaps: Vec<Swap>,
    held: Vec<(usize, u32)>,
    /// Per act the certificate that it brought.
    brought: Vec<Option<u32>>,
}

impl Stage<'_> {
    /// Takes away what a fleet has of its own accord, so that nothing but the story is told.
    fn clear(&mut self) {
        let story = self.story;
        let names = [story.tenant.name, story.tenant.also];
        self.fleet.inbound_names = names
            .into_iter()
            .flatten()
            .map(|name| (i64::MIN, name.to_string()))
            .collect();
        self.fleet.addresses.clear();
        for index in 0..self.fleet.servers.len() {
            let address = self.address(&format!("203.0.113.{}", 10 + index));
            let shared = *self.fleet.servers[0].sending[story.connector].at(START).1;
            let server = &mut self.fleet.servers[index];
            server.egress = Timeline::always(vec![address]);
            server.restart = None;
            server.proxied = false;
            server.own = Timeline::always(*server.own.at(START).1);
            for sending in &mut server.sending {
                *sending = Timeline::always(shared);
            }
            server.sending[INTRA_ORG] = server.own.clone();
            server.shares = vec![(story.connector, 60), (INTRA_ORG, 24), (SMART_HOST, 16)];
        }
    }

    fn happens(&mut self, servers: &[usize], at: i64, event: Event) {
        let connector = self.story.connector;
        let mut brought = None;
        match event {
            Event::Sends(new) => brought = self.sends(servers, at, connector, new),
            Event::SendsOn(connector, new) => brought = self.sends(servers, at, connector, new),
            Event::Alternates(new, minutes) => {
                for server in servers {
                    let first = self.sent(*server, connector, START);
                    let second = self.certificate(new, *server, connector, START);
                    let (mut time, mut turn) = (self.fleet.start + minutes * MINUTE, 1);
                    while time < self.fleet.end {
                        let next = [first, second][turn % 2];
                        self.fleet.servers[*server].sending[connector].change(time, next);
                        (time, turn) = (time + minutes * MINUTE, turn + 1);
                    }
                }
            }
            Event::Holds(new) => {
                for server in servers {
                    let held = self.certificate(new, *server, connector, at);
                    self.held.push((*server, held));
                }
            }
            Event::LeavesFrom(addresses) => self.leaves_from(servers, at, addresses),
            Event::Lasts(what, until) => self.lasts(servers, at, until, what),
            Event::Inspected(until) => {
                let name = "tls-inspection.corp.contoso.com";
                let issuer = "CN=Contoso TLS Inspection CA, DC=corp, DC=contoso, DC=com";
                let subject = format!("CN={name}");
                let fleet = &mut self.fleet;
                let shown = fleet.certificate(&mut self.rng, &subject, issuer, &[name], -30);
                let intercepted = What::Tls(Handshake::Intercepted(shown));
                self.lasts(servers, at, until, intercepted);
            }
            Event::FrontDoorsShow(new) => {
                let shown = self.certificate(new, servers[0], connector, at);
                for door in &mut self.fleet.front_doors {
                    let before = *door.certificate.at(START).1;
                    door.certificate = Timeline::always(before);
                    door.certificate.change(at, shown);
                }
                self.appoint(at);
            }
            Event::Proxied => {
                for server in servers {
                    self.fleet.servers[*server].proxied = true;
                }
            }
            Event::RenewsItself => {
                for server in servers {
                    let before = *self.fleet.servers[*server].own.at(at).1;
                    let renewed = self.fleet.renewal(&mut self.rng, before, at);
                    let server = &mut self.fleet.servers[*server];
                    server.own.change(at, renewed);
                    server.sending[INTRA_ORG].change(at, renewed);
                }
            }
            Event::Uses(connector, share) => {
                for server in servers {
                    self.fleet.servers[*server].shares.push((connector, share));
                }
            }
            Event::Forest(folder, first) => {
                for server in servers {
                    let name = format!("EX{:02}", server - first + 1);
                    let server = &mut self.fleet.servers[*server];
                    server.parent = folder;
                    server.host = format!("{name}.{folder}.contoso.com");
                    server.name = name;
                }
            }
        }
        self.brought.push(brought);
    }

    /// The certificate in use.
    fn sent(&self, server: usize, connector: usize, at: i64) -> u32 {
        *self.fleet.servers[server].sending[connector].at(at).1
    }

    /// Servers that act together get one certificate together.
    fn sends(&mut self, servers: &[usize], at: i64, connector: usize, new: New) -> Option<u32> {
        let mut shared = None;
        for server in servers {
            let before = self.sent(*server, connector, at);
            let after = match (shared, new) {
                (Some(after), _) => after,
                (None, New::Back) => self.before(*server)?,
                _ => self.certificate(new, *server, connector, at),
            };
            shared = Some(after);
            let sending = &mut self.fleet.servers[*server].sending[connector];
            if at == START {
                *sending = Timeline::always(after);
                continue;
            }
            sending.change(at, after);
            if connector == self.story.connector {
                self.swaps.push(Swap {
                    kind: "certificate",
                    server: *server,
                    values: (before, after),
                });
            }
        }
        self.appoint(at);
        shared
    }

    /// The certificate that the last swap of a server put out of use.
    fn before(&self, server: usize) -> Option<u32> {
        let own = |swap: &&Swap| swap.kind == "certificate" && swap.server == server;
        self.swaps.iter().rev().find(own).map(|swap| swap.values.0)
    }

    fn certificate(&mut self, new: New, server: usize, connector: usize, at: i64) -> u32 {
        let used = self.sent(server, connector, at);
        let old = self.fleet.certificates[used as usize].clone();
        let rng = &mut self.rng;
        let days = match at {
            START => -100,
            _ => (at - self.fleet.start) / DAY - 3,
        };
        let names: Vec<&str> = old.names.iter().map(String::as_str).collect();
        match new {
            New::Renewal => self.fleet.renewal(rng, used, at),
            New::Reissue => self
                .fleet
                .certificate(rng, &old.subject, OTHER_ISSUER, &names, days),
            New::Named(names) => {
                self.fleet
                    .certificate(rng, &subject(names[0]), ISSUER, names, days)
            }
            New::Private(names) => {
                let subject = format!("CN={}", names[0]);
                self.fleet
                    .certificate(rng, &subject, PRIVATE_ISSUER, names, days)
            }
            New::Without(lost) => {
                let kept: Vec<&str> = names.into_iter().filter(|name| *name != lost).collect();
                self.fleet
                    .certificate(rng, &old.subject, &old.issuer, &kept, days)
            }
            New::Ending(hours) => {
                let end = self.fleet.start + hours * HOUR;
                let life = (end - 397 * DAY, end);
                let (subject, issuer) = (&old.subject, &old.issuer);
                let ending = Certificate::mint_for(rng, subject, issuer, &old.names, life);
                self.fleet.add(ending)
            }
            New::Back => self.before(server).unwrap_or(used),
            New::OfAct(act) => self.brought.get(act).copied().flatten().unwrap_or(used),
            New::Microsoft(names) => {
                let subject = format!(
                    "CN={}, O=Microsoft Corporation, L=Redmond, S=WA, C=US",
                    names[0]
                );
                self.fleet
                    .certificate(rng, &subject, OUTLOOK_ISSUERS[1], names, days)
            }
        }
    }

    /// The index of an address, which the tenant lists or does not.
    fn address(&mut self, text: &str) -> u32 {
        match self.fleet.addresses.iter().position(|one| one.text == text) {
            Some(at) => at as u32,
            None => {
                let listed = self.story.tenant.lists(text);
                let from = if listed { i64::MIN } else { i64::MAX };
                self.fleet.address(text.into(), from)
            }
        }
    }

    fn leaves_from(&mut self, servers: &[usize], at: i64, addresses: &[&str]) {
        let after: Vec<u32> = addresses.iter().map(|text| self.address(text)).collect();
        for server in servers {
            let egress = &mut self.fleet.servers[*server].egress;
            if at == START {
                *egress = Timeline::always(after.clone());
                continue;
            }
            let before = egress.at(at).1[0];
            egress.change(at, after.clone());
            self.swaps.push(Swap {
                kind: "egress",
                server: *server,
                values: (before, after[0]),
            });
        }
        self.appoint(at);
    }

    fn lasts(&mut self, servers: &[usize], at: i64, until: i64, what: What) {
        let connector = self.story.connector;
        let until = match until {
            FOR_GOOD => i64::MAX,
            _ => self.fleet.start + until,
        };
        for server in servers {
            self.fleet.servers[*server].effects.push(Effect {
                from: at,
                until,
                connector,
                what,
            });
        }
        if matches!(what, What::Tls(_) | What::Refuses(..)) {
            self.appoint(at);
        }
    }

    /// Sessions around a time, also on the servers to which nothing happens.
    fn appoint(&mut self, at: i64) {
        if at == START {
            return;
        }
        for server in &mut self.fleet.servers {
            appoint_around(server, self.story.connector, at);
        }
    }
}

impl super::Tenant {
    /// True if the inbound connector lists an address, alone or in a network of 256.
    fn lists(&self, address: &str) -> bool {
        self.addresses.iter().any(|listed| {
            let network = listed.strip_suffix("0/24");
            *listed == address || network.is_some_and(|network| address.starts_with(network))
        })
    }
}
