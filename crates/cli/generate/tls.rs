//! STARTTLS and the rows about certificates that surround it.

use super::certificate::{Form, LABELS_A, LABELS_B, LABELS_C};
use super::fleet::Fleet;
use super::rng::Rng;
use super::rows::{Fact, Rows};

const SUCCESS: [&[u8]; 2] = [
    b"TLS protocol SP_PROT_TLS1_2_CLIENT negotiation succeeded using bulk encryption algorithm CALG_AES_256 with strength 256 bits, MAC hash algorithm CALG_SHA_384 with strength 0 bits and key exchange algorithm CALG_ECDH_EPHEM with strength 384 bits",
    b"TLS protocol SP_PROT_TLS1_2_CLIENT negotiation succeeded using bulk encryption algorithm CALG_AES_128 with strength 128 bits, MAC hash algorithm CALG_SHA_256 with strength 0 bits and key exchange algorithm CALG_ECDH_EPHEM with strength 256 bits",
];
const FAILURES: [&[u8]; 3] = [
    b"TLS negotiation failed with error ConnectionReset",
    b"TLS negotiation failed with error TimedOut",
    b"TLS negotiation failed with error InvalidToken",
];

/// The row of success with TLS 1.0.
pub const OLD: &[&[u8]] = &[
    b"TLS protocol SP_PROT_TLS1_0_CLIENT negotiation succeeded using bulk encryption algorithm CALG_AES_256 with strength 256 bits, MAC hash algorithm CALG_SHA1 with strength 160 bits and key exchange algorithm CALG_ECDH_EPHEM with strength 256 bits",
];
/// Rows of success with TLS 1.3 and 1.2, with several ciphers, and with a number where the build
/// has no name.
pub const MODERN: &[&[u8]] = &[
    b"TLS protocol SP_PROT_TLS1_3_CLIENT negotiation succeeded using bulk encryption algorithm CALG_AES_256 with strength 256 bits, MAC hash algorithm CALG_SHA_384 with strength 384 bits and key exchange algorithm CALG_ECDH_EPHEM with strength 256 bits",
    b"TLS protocol 8192 negotiation succeeded using bulk encryption algorithm CALG_AES_128 with strength 128 bits, MAC hash algorithm CALG_SHA_256 with strength 0 bits and key exchange algorithm CALG_ECDH_EPHEM with strength 256 bits",
    SUCCESS[0],
    SUCCESS[1],
];

/// How a negotiation ends.
#[derive(Debug, Clone, Copy)]
pub enum End {
    /// It succeeds.
    Success,
    /// It succeeds with this row.
    Row(&'static [u8]),
    /// The connection breaks.
    Break,
    /// It fails with this error.
    Error(&'static str),
}

/// STARTTLS, with a certificate of our own if one is `sent`. False if the negotiation failed; the
/// session is over then.
pub fn start(
    rows: &mut Rows,
    fleet: &Fleet,
    form: Form,
    sent: Option<u32>,
    received: u32,
    end: End,
    rng: &mut Rng,
) -> bool {
    rows.sent(b"STARTTLS");
    rows.wait(rng.between(1, 40));
    rows.received(b"220 2.0.0 SMTP server ready");
    if let Some(sent) = sent {
        spell(rows, fleet, form, b"Sending certificate", sent);
        rows.tells(Fact::Certificate(sent));
    }
    rows.wait(rng.between(15, 90));
    let success = match end {
        End::Break => {
            rows.note(rng.pick::<&[u8]>(&FAILURES));
            rows.disconnected(b"Local");
            return false;
        }
        End::Error(error) => {
            rows.note(format!("TLS negotiation failed with error {error}").as_bytes());
            rows.disconnected(b"Local");
            return false;
        }
        End::Row(row) => Some(row),
        End::Success => None,
    };
    spell(rows, fleet, form, b"Remote certificate", received);
    let usual = SUCCESS[usize::from(!rng.permille(920))];
    rows.note(success.unwrap_or(usual));
    received_row(rows, fleet, received);
    true
}

/// The row that tells that an Edge server's certificate is the subscribed one.
pub fn direct_trust(rows: &mut Rows, fleet: &Fleet, form: Form, received: u32) {
    spell(rows, fleet, form, b"DirectTrust certificate", received);
}

/// X-ANONYMOUSTLS: no certificate of our own.
pub fn anonymous(rows: &mut Rows, fleet: &Fleet, received: u32, rng: &mut Rng) {
    rows.sent(b"X-ANONYMOUSTLS");
    rows.wait(rng.between(1, 5));
    rows.received(b"220 2.0.0 SMTP server ready");
    rows.wait(rng.between(5, 20));
    rows.note(SUCCESS[0]);
    received_row(rows, fleet, received);
}

fn received_row(rows: &mut Rows, fleet: &Fleet, received: u32) {
    rows.note(b"Received certificate");
    let certificate = &fleet.certificates[received as usize];
    rows.fact_row(certificate.thumbprint.as_bytes(), LABELS_A[3]);
}

fn spell(rows: &mut Rows, fleet: &Fleet, form: Form, heading: &[u8], certificate: u32) {
    let certificate = &fleet.certificates[certificate as usize];
    match form {
        Form::A => {
            rows.note(heading);
            for (field, label) in certificate.fields_a.iter().zip(LABELS_A) {
                rows.fact_row(field, label);
            }
        }
        Form::B => rows.fact_row(&certificate.field_b, &[heading, LABELS_B].concat()),
        Form::C => rows.fact_row(&certificate.field_c, &[heading, LABELS_C].concat()),
    }
}
