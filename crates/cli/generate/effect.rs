//! What happens to a server's sessions for a while, beside the certificates and addresses they show.

use super::fleet::Server;
use super::reply::Refusal;

/// One thing that holds from a time until another one.
#[derive(Debug, Clone, Copy)]
pub struct Effect {
    /// From when on.
    pub from: i64,
    /// Until when.
    pub until: i64,
    /// Index of the connector that it touches.
    pub connector: usize,
    /// What holds.
    pub what: What,
}

/// See [`Effect`].
#[derive(Debug, Clone, Copy)]
pub enum What {
    /// TLS toward Exchange Online goes another way than usual.
    Tls(Handshake),
    /// Exchange Online refuses, whatever it is shown.
    Refuses(Refusal, Whom),
    /// No session of the connector begins.
    Silent,
    /// No session of any connector begins: nothing is logged.
    Down,
    /// So many per cent of the usual traffic.
    Load(u64),
    /// Connections stay cached for a long time.
    Lingers,
}

/// How TLS toward Exchange Online goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    /// Our certificate is sent, theirs received.
    Usual,
    /// It succeeds with one of these rows, each front door with its own.
    Speaks(&'static [&'static [u8]]),
    /// It succeeds, and no certificate of ours is sent.
    NothingSent,
    /// It fails with this error; the second try does without.
    Fails(&'static str),
    /// A box in between answers with the certificate of this index and drops ours.
    Intercepted(u32),
    /// STARTTLS is not offered.
    NotOffered,
    /// A box in between overwrites the greeting and STARTTLS.
    Stripped,
    /// The second try after a failure: offered, not asked for.
    Skipped,
}

impl Handshake {
    /// True if our certificate reaches Exchange Online.
    pub fn presents(self) -> bool {
        matches!(self, Handshake::Usual | Handshake::Speaks(_))
    }
}

/// Whose mail is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// Recipients outside the tenant.
    Outside,
    /// All recipients.
    Everyone,
    /// Recipients outside the tenant, if the sender is foreign or null.
    Strangers,
    /// Recipients in one domain.
    In(&'static str),
}

impl Server {
    fn effects(&self, connector: usize, at: i64) -> impl Iterator<Item = What> + '_ {
        self.effects
            .iter()
            .filter(move |effect| {
                let ours = effect.connector == connector || matches!(effect.what, What::Down);
                ours && (effect.from..effect.until).contains(&at)
            })
            .map(|effect| effect.what)
    }

    /// How TLS of a session goes that begins at a time.
    pub fn handshake(&self, connector: usize, at: i64) -> Handshake {
        let told = self.effects(connector, at).filter_map(|what| match what {
            What::Tls(handshake) => Some(handshake),
            _ => None,
        });
        told.last().unwrap_or(Handshake::Usual)
    }

    /// What Exchange Online refuses at a time, whatever it is shown.
    pub fn refusal(&self, connector: usize, at: i64) -> Option<(Refusal, Whom)> {
        let told = self.effects(connector, at).filter_map(|what| match what {
            What::Refuses(refusal, whom) => Some((refusal, whom)),
            _ => None,
        });
        told.last()
    }

    /// True if no session of the connector begins at a time.
    pub fn rests(&self, connector: usize, at: i64) -> bool {
        self.effects(connector, at)
            .any(|what| matches!(what, What::Silent | What::Down))
    }

    /// True if connections of that time stay cached for long.
    pub fn lingers(&self, connector: usize, at: i64) -> bool {
        self.effects(connector, at)
            .any(|what| matches!(what, What::Lingers))
    }

    /// Traffic at a time, in per cent of the usual.
    pub fn load(&self, at: i64) -> u64 {
        let told = self
            .effects
            .iter()
            .rev()
            .find_map(|effect| match effect.what {
                What::Load(percent) if (effect.from..effect.until).contains(&at) => Some(percent),
                _ => None,
            });
        told.unwrap_or(100)
    }
}
