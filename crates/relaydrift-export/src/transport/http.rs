//! What the HTTP transports share: one client, and what a status means.

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use url::{Host, Url};

use crate::Error;
use crate::transport::{Failure, Trust};

/// Bytes of an answer that are read.
const ANSWER: u64 = 8 << 20;

/// An HTTP client for one receiver: it verifies certificates and follows no redirects.
pub struct Client {
    agent: ureq::Agent,
    /// The receiver, without secrets.
    pub(crate) target: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub retry_after: Option<Duration>,
    pub body: String,
}

impl Client {
    /// A client for this address.
    ///
    /// # Errors
    /// [`Error::Target`] for an address with a user in it, without TLS to another machine than this
    /// one, or of a link-local network, where clouds keep their metadata.
    pub fn new(url: &Url, trust: &Trust) -> Result<Client, Error> {
        Client::named(url, shown(url), trust, Duration::from_secs(60))
    }

    /// The same, of another name, and with another limit for a request and its answer.
    pub(crate) fn named(
        url: &Url,
        target: String,
        trust: &Trust,
        limit: Duration,
    ) -> Result<Client, Error> {
        check(url, &target)?;
        let authorities = trust.certificates().iter();
        let roots: Vec<_> = authorities
            .map(|one| Certificate::from_der(one).to_owned())
            .collect();
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(RootCerts::Specific(Arc::new(roots)))
            .build();
        let config = ureq::Agent::config_builder()
            .tls_config(tls)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .user_agent(concat!("relaydrift/", env!("CARGO_PKG_VERSION")))
            .timeout_global(Some(limit))
            .build();
        Ok(Client {
            agent: config.new_agent(),
            target,
        })
    }

    /// Sends a body and reads the answer.
    pub(crate) fn post(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, Failure> {
        let mut request = self.agent.post(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = request.send(body).map_err(|error| self.failed(error))?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after");
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let body = response
            .body_mut()
            .with_config()
            .limit(ANSWER)
            .read_to_vec();
        let body = body.map_err(|error| self.failed(error))?;
        Ok(Answer {
            status,
            retry_after: retry_after.map(Duration::from_secs),
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }

    fn failed(&self, error: ureq::Error) -> Failure {
        let wrong_certificate = match &error {
            ureq::Error::Rustls(rustls::Error::InvalidCertificate(_)) => true,
            ureq::Error::Io(error) => error
                .get_ref()
                .and_then(|error| error.downcast_ref::<rustls::Error>())
                .is_some_and(|error| matches!(error, rustls::Error::InvalidCertificate(_))),
            _ => false,
        };
        let answer = error.to_string();
        if wrong_certificate {
            return self.stop(answer);
        }
        Failure::Again {
            answer,
            after: None,
        }
    }

    /// The receiver will not take it, in its own words.
    pub(crate) fn stop(&self, answer: String) -> Failure {
        Failure::Stop(Error::Refused {
            target: self.target.clone(),
            answer,
        })
    }

    /// What an answer means that has no meaning of its own in a receiver's protocol.
    pub(crate) fn judge(&self, answer: &Answer) -> Failure {
        let text = answer.text();
        match answer.status {
            408 | 429 | 500 | 502..=504 => Failure::Again {
                answer: text,
                after: answer.retry_after,
            },
            413 => Failure::Split(text),
            300..=399 => self.stop(format!(
                "{text} (redirects are not followed: name the address it leads to)"
            )),
            _ => self.stop(text),
        }
    }
}

impl Answer {
    /// Status and text, as long as a message should be.
    pub fn text(&self) -> String {
        let body = self.body.trim();
        let text = crate::text::cut(body, 600);
        format!("{} {text}", self.status).trim_end().to_owned()
    }
}

/// The address without user, query or fragment.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // These fail only for addresses without a host, which `check` refuses.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

fn check(url: &Url, target: &str) -> Result<(), Error> {
    let wrong = |problem| {
        Err(Error::Target {
            target: target.to_owned(),
            problem,
        })
    };
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("a user in the address: name a secret with --secret-file instead");
    }
    let Some(host) = url.host() else {
        return wrong("an address without a host");
    };
    let addresses: Vec<IpAddr> = match host {
        Host::Ipv4(ip) => vec![ip.into()],
        Host::Ipv6(ip) => vec![ip.into()],
        // A name that does not resolve now may do so later.
        Host::Domain(name) => (name, url.port_or_known_default().unwrap_or(443))
            .to_socket_addrs()
            .map(|all| all.map(|one| one.ip()).collect())
            .unwrap_or_default(),
    };
    if addresses.iter().any(is_link_local) {
        return wrong("a link-local address, where no receiver belongs");
    }
    let here = !addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback);
    match url.scheme() {
        "https" => Ok(()),
        "http" if here => Ok(()),
        _ => wrong("not https (http is for receivers on this machine)"),
    }
}

fn is_link_local(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => {
            ip.is_unicast_link_local() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_link_local())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_judged_before_anything_is_sent() {
        let judged = |text: &str| {
            let url = Url::parse(text).unwrap();
            check(&url, &shown(&url))
        };
        for right in [
            "https://198.51.100.1/x",
            "http://127.0.0.1:8088/",
            "http://[::1]/",
            "https://[2001:db8::1]/",
        ] {
            judged(right).unwrap();
        }
        for wrong in [
            "http://198.51.100.1/",
            "https://169.254.169.254/latest",
            "https://[fe80::1]/",
            "https://[::ffff:169.254.169.254]/",
            "https://user:secret@198.51.100.1/",
            "ftp://127.0.0.1/",
        ] {
            let error = judged(wrong).unwrap_err().to_string();
            assert!(!error.contains("secret@"), "{error}");
        }
    }
}
