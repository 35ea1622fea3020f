//! Each kind of bad file has a message of its own, that says where and what to do.

use std::collections::BTreeSet;

use super::read;

const BEGIN: &str = r#"{"Name":"In","Enabled":true,"ConnectorType":"OnPremises","#;

#[test]
fn each_bad_file_has_its_own_message() {
    let json = |rest: &str| format!("{BEGIN}{rest}}}");
    let list = |addresses: &str| {
        format!(
            "Name                     : In\nEnabled                  : True\nConnectorType            : OnPremises\n\
             TlsSenderCertificateName :\nSenderIPAddresses        : {addresses}\n"
        )
    };
    let cases: Vec<(String, Vec<&str>)> = vec![
        ("[{\"Name\": ".into(), vec!["not JSON", "line 1"]),
        ("[1, 2]".into(), vec!["where objects were expected"]),
        ("hello".into(), vec!["neither an export", "Get-InboundConnector"]),
        (r#"{"RecipientDomains": [], "Port": 25}"#.into(), vec!["object 1", "Port", "RecipientDomains", "none of"]),
        (
            r#"[{"DomainName":"a.b","DomainType":0},{"AddressSpaces":[],"Name":"x"}]"#.into(),
            vec!["object 2", "Get-SendConnector", "file of its own"],
        ),
        (
            json(r#""TlsSenderCertificateName":null,"SenderIPAddresses":"System.Collections.ArrayList""#),
            vec!["'In'", "SenderIPAddresses", "System.Collections.ArrayList", "flat", "ConvertTo-Json -Depth 4"],
        ),
        (
            "#TYPE X\nName,Enabled,ConnectorType,TlsSenderCertificateName,SenderIPAddresses\n\
             In,True,OnPremises,,Microsoft.Exchange.Data.MultiValuedProperty`1[Microsoft.Exchange.Data.IPRange]\n"
                .into(),
            vec!["object 1", "SenderIPAddresses", "MultiValuedProperty", "export JSON"],
        ),
        (
            list("{192.0.2.1, 192.0.2.2, 192.0.2.3...}"),
            vec!["SenderIPAddresses", "only the first values", "$FormatEnumerationLimit = -1"],
        ),
        (
            list("{192.0.2.1, 192.0.2.2, \u{2026}}"),
            vec!["only the first values", "192.0.2.2"],
        ),
        (
            list("192.0.2.1").replace(
                "TlsSenderCertificateName :\n",
                "TlsSenderCertificateName : <I>CN=CA, O=Trust\n                           Inc<S>CN=mail\n",
            ),
            vec!["TlsSenderCertificateName", "broken over lines", "-Width 4096"],
        ),
        (
            json(r#""SenderIPAddresses":[]"#),
            vec!["TlsSenderCertificateName", "not in the export"],
        ),
        (
            json(r#""TlsSenderCertificateName":null"#),
            vec!["SenderIPAddresses", "not in the export"],
        ),
        (
            json(r#""TlsSenderCertificateName":null,"SenderIPAddresses":5"#),
            vec!["'In'", "SenderIPAddresses", "'5'", "addresses"],
        ),
        (
            json(r#""TlsSenderCertificateName":null,"SenderIPAddresses":["192.0.2.0/24","203.0.113.10/99"]"#),
            vec!["'In'", "SenderIPAddresses", "203.0.113.10/99", "addresses"],
        ),
        (
            json(r#""TlsSenderCertificateName":null,"SenderIPAddresses":[],"RequireTls":"maybe""#),
            vec!["RequireTls", "'maybe'", "True or False"],
        ),
        (
            json(r#""TlsSenderCertificateName":{"x":1},"SenderIPAddresses":[]"#),
            vec!["TlsSenderCertificateName", "not one value"],
        ),
        (
            r#"{"Name":"In","Enabled":true,"ConnectorType":9,"TlsSenderCertificateName":null,"SenderIPAddresses":[]}"#.into(),
            vec!["ConnectorType", "'9'", "number that this property can have"],
        ),
        (
            r#"{"Thumbprint":"12","Issuer":"CN=x"}"#.into(),
            vec!["Thumbprint", "'12'", "40 hex digits"],
        ),
        (
            r#"{"Thumbprint":"12","RawData":"System.Byte[]"}"#.into(),
            vec!["RawData", "System.Byte[]"],
        ),
        (
            r#"{"Thumbprint":"12","RawData":"MAMCAQE="}"#.into(),
            vec!["certificate 1", "not X.509 DER"],
        ),
        (
            r#"{"Name":"EX01","SendProtocolLogPath":"D:\\x","SendProtocolLogMaxDirectorySize":"big"}"#.into(),
            vec!["SendProtocolLogMaxDirectorySize", "size in bytes"],
        ),
        ("<html></html>".into(), vec!["neither an export"]),
        ("<Objs><Obj>".into(), vec!["line 1", "ends in the middle"]),
        ("<Objs>\n<Obj></S></Objs>".into(), vec!["line 2", "not XML"]),
        ("<Objs><Obj><Props><B N=\"Enabled\">x</B></Props></Obj></Objs>".into(), vec!["not CLIXML", "neither true nor false"]),
        ("Name,Enabled\na\n".into(), vec!["line 2", "not CSV"]),
        ("Name : In\nwhat\n".into(), vec!["line 2", "Format-List", "export JSON"]),
        (
            "-----BEGIN CERTIFICATE REQUEST-----\nAA==\n-----END CERTIFICATE REQUEST-----\n".into(),
            vec!["certificate request"],
        ),
        (
            "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n".into(),
            vec!["certificate 1"],
        ),
        (
            "-----BEGIN X509 CRL-----\nAA==\n-----END X509 CRL-----\n".into(),
            vec!["no certificate in it"],
        ),
        (
            "text before\n-----BEGIN ENCRYPTED PRIVATE KEY-----\n".into(),
            vec!["private key (PEM)", "Export-Certificate"],
        ),
        (
            r#"{"Name":"x","Note":"-----BEGIN EC PRIVATE KEY-----"}"#.into(),
            vec!["private key (PEM)"],
        ),
        ("PuTTY-User-Key-File-3: ssh-rsa".into(), vec!["PuTTY"]),
        ("<RSAKeyValue><Modulus>x</Modulus><D>y</D></RSAKeyValue>".into(), vec!["RSAKeyValue"]),
    ];
    let mut messages = BTreeSet::new();
    for (text, parts) in &cases {
        let error = match read(text) {
            Err(error) => error.to_string(),
            Ok(file) => panic!("{text}\n{file:?}"),
        };
        for part in parts {
            assert!(
                error.contains(part),
                "{text}\nis answered with\n{error}\nwithout {part}"
            );
        }
        assert!(error.starts_with("export: "), "{error}");
        messages.insert(error);
    }
    assert!(messages.len() + 4 >= cases.len(), "{messages:#?}");
}

#[test]
fn bytes_that_are_no_text_are_named() {
    let bad = |bytes: &[u8]| {
        let error = crate::read_bytes("x".as_ref(), bytes).unwrap_err();
        error.to_string()
    };
    assert!(bad(b"{\"Name\": \"B\xfcro\"}").contains("byte 11 is not UTF-8"));
    assert!(bad(b"\xff\xfe\x00\xd8").contains("UTF-16"));
    assert!(bad(b"\xfe\xed\xfe\xed\x00\x00").contains("Java key store"));
    assert!(bad(&[0x30, 0x03, 0x02, 0x01, 0x05]).contains("neither"));
}

/// A device never ends; a pipe ends where it likes.
#[cfg(target_os = "linux")]
#[test]
fn b70_a_device_is_refused_and_a_pipe_is_read_within_the_limit() {
    use std::io::Write;
    use std::os::fd::AsRawFd;

    let error = crate::load("/dev/zero".as_ref()).unwrap_err().to_string();
    assert_eq!(error, "/dev/zero: cannot be read: not a file");
    let piped = |bytes: usize| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
        // Ends with an error where nobody reads on.
        let thread = std::thread::spawn(move || writer.write_all(&vec![b'x'; bytes]));
        let read = crate::load(path.as_ref());
        drop(reader);
        (read, thread.join().unwrap())
    };
    let (read, written) = piped(100_000);
    assert_eq!((read.unwrap().len(), written.is_ok()), (100_000, true));
    let (read, written) = piped(65 << 20);
    let error = read.unwrap_err().to_string();
    assert!(error.contains("67108865 bytes are too many"), "{error}");
    assert!(written.is_err());
}
