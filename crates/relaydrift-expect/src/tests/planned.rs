//! Planned changes: the same in each form, and an error that says what is wrong where.

use relaydrift_parse::time;

use crate::{Form, PlannedChange, Rows, read_bytes, read_planned};

const SHA1: &str = "876059653398F964233F59CC0E9A8BADBB978E8E";

fn planned(text: &str) -> (Form, Vec<PlannedChange>) {
    let file = read_planned("planned".as_ref(), text.as_bytes()).unwrap();
    // An import knows the file by its content.
    let known = read_bytes("planned".as_ref(), text.as_bytes()).unwrap();
    assert_eq!((&known.rows, known.form), (&file.rows, file.form));
    match file.rows {
        Some(Rows::PlannedChanges(rows)) => (file.form, rows),
        other => panic!("{other:?}"),
    }
}

fn micros(text: &str) -> i64 {
    time::parse(text.as_bytes()).unwrap()
}

#[test]
fn a_table_and_objects_say_the_same() {
    let json = format!(
        r#"[{{"Id":"CHG-1","Connector":"Outbound to Office 365","Thumbprint":"{SHA1}","From":"2026-10-05","Until":"2026-10-06"}},
            {{"id":"CHG-2","connector":"Out","address":"203.0.113.0/28","from":"2026-10-05T18:00:00+02:00","until":"/Date(1791230400000)/"}}]"#
    );
    let spaced = SHA1.to_lowercase();
    let spaced: Vec<&str> = (0..20).map(|at| &spaced[2 * at..2 * at + 2]).collect();
    let csv = format!(
        "id;connector;thumbprint;address;from;until;note\r\n\
         CHG-1;Outbound to Office 365;{};;2026-10-05 00:00;2026-10-06;renewal\r\n\
         CHG-2;Out;;203.0.113.0/28;2026-10-05 16:00:00;2026-10-05T20:00:00Z;\r\n",
        spaced.join(" ")
    );
    let (json_form, from_json) = planned(&json);
    let (csv_form, from_csv) = planned(&csv);
    assert_eq!((json_form, csv_form), (Form::Json, Form::Csv));
    assert_eq!(from_json, from_csv);
    let first = PlannedChange {
        id: "CHG-1".into(),
        connector: "Outbound to Office 365".into(),
        thumbprint: Some(SHA1.into()),
        address: None,
        from: micros("2026-10-05T00:00:00Z"),
        // A date alone holds to the end of the day.
        until: micros("2026-10-06T23:59:59.999999Z"),
    };
    assert_eq!(from_json[0], first);
    assert_eq!(from_json[1].address.as_deref(), Some("203.0.113.0/28"));
    assert_eq!(from_json[1].from, micros("2026-10-05T16:00:00Z"));
    assert_eq!(from_json[1].until, micros("2026-10-05T20:00:00Z"));
    // One object alone, and a table with the byte-order mark of a spreadsheet.
    let one = r#"{"id":"1","connector":"a","address":"2001:db8::1","from":"2026-10-05","until":"2026-10-05"}"#;
    assert_eq!(planned(one).1.len(), 1);
    let marked = format!("\u{feff}{csv}");
    assert_eq!(planned(&marked).1, from_csv);
}

#[test]
fn each_mistake_is_named_with_its_place() {
    let row = |row: &str| {
        format!(
            "connector,thumbprint,address,from,until,id\nOut,,203.0.113.1,2026-10-05,2026-10-06,CHG-1\n{row}\n"
        )
    };
    let cases = [
        (
            row("Out,,,2026-10-05,2026-10-06,CHG-2"),
            vec!["line 3", "'CHG-2'", "Thumbprint", "nor Address"],
        ),
        (
            row("Out,AB,,2026-10-05,2026-10-06,CHG-2"),
            vec!["line 3", "Thumbprint", "'AB'", "40 hexadecimal"],
        ),
        (
            row("Out,,203.0.113.0/33,2026-10-05,2026-10-06,CHG-2"),
            vec!["line 3", "Address", "203.0.113.0/33"],
        ),
        (
            row("Out,,mail.contoso.com,2026-10-05,2026-10-06,CHG-2"),
            vec!["Address", "an address or a network"],
        ),
        (
            row("Out,,203.0.113.2,5/10/2026,2026-10-06,CHG-2"),
            vec!["line 3", "From", "'5/10/2026'", "a time"],
        ),
        (
            row("Out,,203.0.113.2,2026-10-06,2026-10-05,CHG-2"),
            vec!["line 3", "Until", "after its From"],
        ),
        (
            row("Out,,203.0.113.2,2026-10-05,,CHG-2"),
            vec!["line 3", "Until"],
        ),
        (
            row(",,203.0.113.2,2026-10-05,2026-10-06,CHG-2"),
            vec!["Connector"],
        ),
        (
            row("Out,,203.0.113.2,2026-10-05,2026-10-06,"),
            vec!["line 3", "Id"],
        ),
        (row("Out,,203.0.113.2"), vec!["line 3", "not CSV"]),
        (
            r#"[{"connector":"Out","address":"203.0.113.1","from":"2026-10-05","id":"1"}]"#.into(),
            vec!["object 1", "'1'", "Until"],
        ),
        (r#"[{"connector":"#.into(), vec!["not JSON", "line 1"]),
        // A file of something else, named as one of planned changes.
        (
            r#"{"Name":"In","SenderIPAddresses":[]}"#.into(),
            vec![
                "object 1",
                "connector, thumbprint or address, from, until and id",
            ],
        ),
        ("hello".into(), vec!["no planned change"]),
        (String::new(), vec!["no planned change"]),
    ];
    for (text, said) in cases {
        let error = read_planned("planned.csv".as_ref(), text.as_bytes());
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("planned.csv: "), "{error}");
        for part in said {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}
