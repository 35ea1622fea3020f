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

/// STARTTLS with a certificate of our own. False if the negotiation failed; the session is over
/// then.
pub fn start(
    rows: &mut Rows,
    fleet: &Fleet,
    form: Form,
    sent: u32,
    received: u32,
    fails: bool,
    rng: &mut Rng,
) -> bool {
    rows.sent(b"STARTTLS");
    rows.wait(rng.between(1, 40));
    rows.received(b"220 2.0.0 SMTP server ready");
    spell(rows, fleet, form, b"Sending certificate", sent);
    rows.tells(Fact::Certificate(sent));
    rows.wait(rng.between(15, 90));
    if fails {
        rows.note(rng.pick::<&[u8]>(&FAILURES));
        rows.disconnected(b"Local");
        return false;
    }
    spell(rows, fleet, form, b"Remote certificate", received);
    rows.note(if rng.permille(920) {
        SUCCESS[0]
    } else {
        SUCCESS[1]
    });
    received_row(rows, fleet, received);
    true
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
