use super::*;

/// Rows given as `event,data,context`, a second apart, as entries of one session.
fn entries(rows: &[&str]) -> Vec<Entry> {
    let entry = |(at, row): (usize, &&str)| Entry {
        line: format!(
            "2026-10-05T10:00:{at:02}.000Z,To cloud,08DF1F4EEFBDC000,{at},,192.0.2.1:25,{row}"
        )
        .into_bytes()
        .into(),
        place: 0,
        source: 0,
        number: at as u64 + 6,
    };
    rows.iter().enumerate().map(entry).collect()
}

/// For each reply the number of its command and how long it took, in seconds.
fn answers(rows: &[&str]) -> Vec<(usize, Option<usize>, Option<i64>)> {
    let entries = entries(rows);
    let talks = talks(&entries).unwrap();
    let talk = &talks[0];
    let replies = (0..talk.steps.len()).filter(|at| talk.steps[*at].row.record.event() == b"<");
    replies
        .map(|at| {
            let wait = talk.wait(at).map(|micros| micros / 1_000_000);
            (at, talk.steps[at].answers, wait)
        })
        .collect()
}

#[test]
fn replies_stand_beside_their_commands_first_in_first_out() {
    let found = answers(&[
        "+,,",
        "<,220 mx.example ready,",
        ">,EHLO a.example,",
        "<,250-mx.example Hello [192.0.2.9],",
        "<,250 PIPELINING,",
        ">,MAIL FROM:<a@a.example>,",
        ">,RCPT TO:<b@b.example>,",
        ">,RCPT TO:<c@b.example>,",
        ">,DATA,",
        "<,250 2.1.0 Sender OK,",
        "<,550 5.1.1 no,",
        "<,250 2.1.5 Recipient OK,",
        "<,354 go on,",
        "<,250 2.6.0 queued,",
        "-,,Local",
    ]);
    let want = [
        (1, None, None),
        (3, Some(2), Some(1)),
        (4, Some(2), Some(2)),
        (9, Some(5), Some(4)),
        (10, Some(6), Some(4)),
        (11, Some(7), Some(4)),
        (12, Some(8), Some(4)),
        // The message was sent after the 354: its reply counts from there.
        (13, Some(8), Some(1)),
    ];
    assert_eq!(found, want);
}

#[test]
fn a_reply_whose_command_is_missing_belongs_to_none() {
    let found = answers(&[
        ">,RCPT TO:<b@b.example>,",
        "<,250 2.1.0 Sender OK,",
        "<,250 2.1.5 ok,",
    ]);
    assert_eq!(found, [(1, None, None), (2, Some(0), Some(2))]);
}

#[test]
fn missing_rows_and_pauses_are_told() {
    let mut rows = entries(&["+,,", "<,220 x,", ">,QUIT,", "-,,Local"]);
    rows.remove(1);
    let talks = talks(&rows).unwrap();
    let steps = &talks[0].steps;
    assert_eq!((steps[1].missing, steps[1].pause), (1, 2_000_000));
    assert_eq!(talks[0].session.gaps, 1);
}

#[test]
fn an_id_used_again_is_two_sessions() {
    let rows = entries(&["+,,", "-,,Local", "+,,", "-,,Local"]);
    assert_eq!(talks(&rows).unwrap().len(), 2);
}

#[test]
fn certificates_of_all_forms_are_spelled_out() {
    let print = "7D4FAF5D11F41A32CCCB70C6FF8E07683EF9A839";
    let whole = |labels: &str, dates: &str| {
        format!(
            "*,\" CN=mx.example, O=X CN=R3, C=US 0A {print} {dates}mx.example\",Sending certificate{labels}"
        )
    };
    let form_b = whole(
        " Certificate subject Certificate issuer name Certificate serial number Certificate thumbprint Certificate alternate names",
        "",
    );
    let form_c = whole(
        " Subject Issuer name Serial number Thumbprint Not before Not after Subject alternate names",
        "2026-01-01T00:00:00.000Z 2027-01-01T00:00:00.000Z ",
    );
    let thumbprint = format!("*,{print},Certificate thumbprint");
    let rows = entries(&[
        "*,,Sending certificate",
        "*,\"CN=mx.example, O=X\",Certificate subject",
        &thumbprint,
        &form_b,
        &form_c,
    ]);
    let talks = talks(&rows).unwrap();
    let found: Vec<_> = (0..5).map(|at| certificate_at(&talks[0], at)).collect();
    assert!(found[1].is_none() && found[2].is_none());
    for (at, rows) in [(0, 3), (3, 1), (4, 1)] {
        let (_, certificate, taken) = found[at].as_ref().unwrap();
        assert_eq!(certificate.thumbprint.as_deref(), Some(print));
        assert_eq!(certificate.subject.as_deref(), Some("CN=mx.example, O=X"));
        assert_eq!(*taken, rows);
    }
    assert!(found[4].as_ref().unwrap().1.not_after.is_some());
}
