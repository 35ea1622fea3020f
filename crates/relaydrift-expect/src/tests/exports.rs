//! The same object in every format, and each kind in the shapes it comes in.

use std::path::Path;

use crate::tests::rows_of;
use crate::{Form, InboundConnector, Kind, Rows, read, read_bytes};

/// An inbound connector as all the formats below spell it.
fn inbound() -> InboundConnector {
    InboundConnector {
        tenant: None,
        guid: Some("159eb7c4-75d7-43e2-95fe-ced44b3e0a56".into()),
        name: "Inbound from Büro".into(),
        enabled: Some(true),
        connector_type: Some("OnPremises".into()),
        connector_source: Some("HybridWizard".into()),
        sender_ip_addresses: vec!["192.0.2.0/24".into(), "198.51.100.7".into()],
        sender_domains: vec!["*".into()],
        tls_sender_certificate_name: Some("*.contoso.com".into()),
        require_tls: Some(true),
        restrict_domains_to_ip_addresses: Some(false),
        restrict_domains_to_certificate: Some(false),
        cloud_services_mail_enabled: Some(true),
        treat_messages_as_internal: Some(false),
        when_changed: Some(1_696_848_000_000_000),
        when_created: None,
    }
}

const JSON: &str = r#"{"Enabled": true, "ConnectorType": "OnPremises", "ConnectorSource": "HybridWizard",
    "Comment": null, "SenderIPAddresses": ["192.0.2.0/24", "198.51.100.7"], "SenderDomains": ["smtp:*;1"],
    "TrustedOrganizations": [], "RequireTls": true, "RestrictDomainsToIPAddresses": false,
    "RestrictDomainsToCertificate": false, "CloudServicesMailEnabled": true, "TreatMessagesAsInternal": false,
    "TlsSenderCertificateName": "*.contoso.com", "EFSkipIPs": [], "Name": "Inbound from Büro",
    "WhenChangedUTC": "2023-10-09T10:40:00Z", "WhenCreatedUTC": null,
    "Guid": "159eb7c4-75d7-43e2-95fe-ced44b3e0a56"}"#;

/// Windows PowerShell: numbers for enumerations, dates as milliseconds.
const JSON_5: &str = r#"[{"Enabled": true, "ConnectorType": 1, "ConnectorSource": {"value": 2, "Value": "HybridWizard"},
    "SenderIPAddresses": {"value": ["192.0.2.0/24", "198.51.100.7"], "Count": 2}, "SenderDomains": ["smtp:*;1"],
    "RequireTls": true, "RestrictDomainsToIPAddresses": false, "RestrictDomainsToCertificate": false,
    "CloudServicesMailEnabled": true, "TreatMessagesAsInternal": false,
    "TlsSenderCertificateName": "*.contoso.com", "Name": "Inbound from Büro",
    "WhenChangedUTC": "\/Date(1696848000000)\/", "Guid": "159eb7c4-75d7-43e2-95fe-ced44b3e0a56"}]"#;

const CLIXML: &str = r#"<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">
  <Obj RefId="0">
    <TN RefId="0"><T>Deserialized.Microsoft.Exchange.Data.Directory.SystemConfiguration.TenantInboundConnector</T><T>System.Object</T></TN>
    <ToString>Inbound from Büro</ToString>
    <Props>
      <B N="Enabled">true</B>
      <Obj N="ConnectorType" RefId="1"><ToString>OnPremises</ToString><I32>1</I32></Obj>
      <Obj N="ConnectorSource" RefId="2"><ToString>HybridWizard</ToString><I32>2</I32></Obj>
      <Obj N="SenderIPAddresses" RefId="3"><TN RefId="1"><T>System.Collections.ArrayList</T></TN>
        <LST><Obj RefId="4"><ToString>192.0.2.0/24</ToString></Obj><S>198.51.100.7</S></LST></Obj>
      <Obj N="SenderDomains" RefId="5"><TNRef RefId="1" /><LST><S>smtp:*;1</S></LST></Obj>
      <Nil N="Comment" />
      <B N="RequireTls">true</B><B N="RestrictDomainsToIPAddresses">false</B>
      <B N="RestrictDomainsToCertificate">false</B><B N="CloudServicesMailEnabled">true</B>
      <B N="TreatMessagesAsInternal">false</B>
      <Obj N="TlsSenderCertificateName" RefId="6"><ToString>*.contoso.com</ToString></Obj>
      <S N="Name">Inbound from Büro</S>
      <DT N="WhenChangedUTC">2023-10-09T10:40:00Z</DT>
      <G N="Guid">159eb7c4-75d7-43e2-95fe-ced44b3e0a56</G>
    </Props>
    <MS><S N="PSComputerName">outlook.office365.com</S></MS>
  </Obj>
</Objs>"#;

/// Lists joined by whoever exported; a culture with semicolons.
const CSV: &str = "#TYPE Selected.System.Management.Automation.PSCustomObject\r\n\
    \"Name\";\"Guid\";\"Enabled\";\"ConnectorType\";\"ConnectorSource\";\"SenderIPAddresses\";\"SenderDomains\";\"TlsSenderCertificateName\";\"RequireTls\";\"RestrictDomainsToIPAddresses\";\"RestrictDomainsToCertificate\";\"CloudServicesMailEnabled\";\"TreatMessagesAsInternal\";\"WhenChangedUTC\"\r\n\
    \"Inbound from Büro\";\"159eb7c4-75d7-43e2-95fe-ced44b3e0a56\";\"True\";\"OnPremises\";\"HybridWizard\";\"192.0.2.0/24,198.51.100.7\";\"smtp:*;1\";\"*.contoso.com\";\"True\";\"False\";\"False\";\"True\";\"False\";\"2023-10-09T10:40:00Z\"\r\n";

const LIST: &str = "\r\n\r\nEnabled                      : True\r\n\
    ConnectorType                : OnPremises\r\n\
    ConnectorSource              : HybridWizard\r\n\
    Comment                      :\r\n\
    SenderIPAddresses            : {192.0.2.0/24,\r\n\
    \x20                              198.51.100.7}\r\n\
    SenderDomains                : {smtp:*;1}\r\n\
    RequireTls                   : True\r\n\
    RestrictDomainsToIPAddresses : False\r\n\
    RestrictDomainsToCertificate : False\r\n\
    CloudServicesMailEnabled     : True\r\n\
    TreatMessagesAsInternal      : False\r\n\
    TlsSenderCertificateName     : *.contoso.com\r\n\
    Name                         : Inbound from Büro\r\n\
    WhenChangedUTC               : 2023-10-09 10:40:00\r\n\
    Guid                         : 159eb7c4-75d7-43e2-95fe-ced44b3e0a56\r\n\r\n";

#[test]
fn every_format_in_every_encoding_says_the_same() {
    let forms = [
        (JSON, Form::Json),
        (JSON_5, Form::Json),
        (CLIXML, Form::Clixml),
        (CSV, Form::Csv),
        (LIST, Form::List),
    ];
    for (text, form) in forms {
        let units: Vec<u16> = text.encode_utf16().collect();
        let units =
            |order: fn(u16) -> [u8; 2]| units.iter().flat_map(|unit| order(*unit)).collect();
        let (little, big): (Vec<u8>, Vec<u8>) = (units(u16::to_le_bytes), units(u16::to_be_bytes));
        for bytes in [
            text.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            [b"\xff\xfe".as_slice(), &little].concat(),
            [b"\xfe\xff".as_slice(), &big].concat(),
        ] {
            let file = read_bytes(Path::new("x"), &bytes).unwrap();
            assert_eq!(file.form, form);
            assert_eq!(
                file.rows,
                Some(Rows::InboundConnectors(vec![inbound()])),
                "{form:?}"
            );
            assert_eq!(file.notes, Vec::<String>::new());
        }
    }
}

#[test]
fn send_connectors_from_a_session_and_from_the_server_itself() {
    let remote = rows_of!(
        SendConnectors,
        r#"[{"Name": "Outbound to Office 365", "Guid": "a", "Enabled": true, "Fqdn": "mail.contoso.com",
        "SmartHosts": [], "AddressSpaces": ["smtp:contoso.mail.onmicrosoft.com;1"],
        "SourceTransportServers": ["EX01", "EX02.contoso.local"],
        "TlsCertificateName": "<I>CN=CA<S>CN=mail.contoso.com", "TlsAuthLevel": 4, "ProtocolLoggingLevel": 1}]"#
    );
    assert_eq!(remote[0].source_transport_servers, ["EX01", "EX02"]);
    assert_eq!(remote[0].address_spaces, ["contoso.mail.onmicrosoft.com"]);
    assert_eq!(
        remote[0].tls_auth_level.as_deref(),
        Some("DomainValidation")
    );
    assert_eq!(remote[0].protocol_logging_level.as_deref(), Some("Verbose"));
    let local = rows_of!(
        SendConnectors,
        r#"{"Name": "Relay", "AddressSpaces": [{"Type": "SMTP", "Address": "*", "Cost": 1, "Domain": "*"}],
        "Fqdn": {"HostnameType": 2, "Domain": "mail.contoso.com"},
        "SmartHosts": [{"IsIPAddress": false, "Domain": {"HostnameType": 2, "Domain": "contoso.mail.protection.outlook.com"}}],
        "SourceTransportServers": [{"Name": "EX01", "DistinguishedName": "CN=EX01,CN=Servers", "IsDeleted": false}],
        "TlsCertificateName": {"CertificateIssuer": "CN=CA", "CertificateSubject": "CN=mail", "SubjectCommonName": "mail"}}"#
    );
    assert_eq!(local[0].address_spaces, ["*"]);
    assert_eq!(local[0].fqdn.as_deref(), Some("mail.contoso.com"));
    assert_eq!(
        local[0].smart_hosts,
        ["contoso.mail.protection.outlook.com"]
    );
    assert_eq!(local[0].source_transport_servers, ["EX01"]);
    assert_eq!(
        local[0].tls_certificate_name.as_deref(),
        Some("<I>CN=CA<S>CN=mail")
    );
    let clixml = rows_of!(
        SendConnectors,
        "<Objs><Obj RefId=\"0\"><Props><S N=\"Name\">x</S><Obj N=\"AddressSpaces\" RefId=\"1\"><LST><S>smtp:*;1</S></LST></Obj>\
         <Obj N=\"SourceTransportServers\" RefId=\"2\"><LST><Obj RefId=\"3\"><ToString>EX01</ToString></Obj></LST></Obj>\
         <Obj N=\"TlsCertificateName\" RefId=\"4\"><ToString>&lt;I&gt;CN=localhost&lt;S&gt;CN=localhost</ToString></Obj>\
         <Nil N=\"Fqdn\" /></Props></Obj></Objs>"
    );
    assert_eq!(
        clixml[0].tls_certificate_name.as_deref(),
        Some("<I>CN=localhost<S>CN=localhost")
    );
    assert_eq!(clixml[0].fqdn, None);
}

#[test]
fn accepted_domains_settings_and_blocked_connectors() {
    let domains = rows_of!(
        AcceptedDomains,
        r#"[{"DomainName": "contoso.com", "DomainType": 0, "Default": true, "MatchSubDomains": false},
        {"DomainName": {"Domain": "fabrikam.com"}, "DomainType": "InternalRelay", "Default": false}]"#
    );
    assert_eq!(domains[0].domain_type.as_deref(), Some("Authoritative"));
    assert_eq!(domains[0].is_default, Some(true));
    assert_eq!(domains[1].domain_name, "fabrikam.com");
    assert_eq!(domains[1].match_subdomains, None);
    let config = rows_of!(
        OrganizationConfig,
        r#"{"Name": "contoso.onmicrosoft.com", "Guid": "g", "RejectDirectSend": true, "IsDehydrated": false}"#
    );
    assert_eq!(config[0].reject_direct_send, Some(true));
    let blocked = rows_of!(
        BlockedConnectors,
        r#"{"ConnectorId": "159eb7c4", "Reason": "OutboundSpam", "CreatedTime": "2026-10-02T08:00:00Z"}"#
    );
    assert_eq!(blocked[0].reason.as_deref(), Some("OutboundSpam"));
    assert!(blocked[0].created.is_some());
}

#[test]
fn transport_services_of_both_versions() {
    let services = rows_of!(
        TransportServices,
        r#"[{"Name": "EX01", "Identity": "EX01", "SendProtocolLogPath": "D:\\Logs\\Send", "PickupDirectoryPath": "x",
        "SendProtocolLogMaxAge": {"Ticks": 25920000000000, "Days": 30},
        "SendProtocolLogMaxDirectorySize": "250 MB (262,144,000 bytes)"},
        {"Name": "Frontend", "Identity": "EX01\\Frontend", "SendProtocolLogPath": {"PathName": "D:\\Logs\\FE"},
        "SendProtocolLogMaxAge": "30.00:00:00", "SendProtocolLogMaxDirectorySize": "Unlimited"},
        {"Name": "EX02", "SendProtocolLogPath": "C:\\V15\\TransportRoles\\Logs\\Hub\\ProtocolLog\\SmtpSend"},
        {"Name": "EX03", "SendProtocolLogPath": null}]"#
    );
    let found: Vec<_> = services
        .iter()
        .map(|one| {
            (
                one.server.as_str(),
                one.service.as_str(),
                one.send_log_path.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("EX01", "Hub", Some(r"D:\Logs\Send")),
            ("EX01", "FrontEnd", Some(r"D:\Logs\FE")),
            (
                "EX02",
                "Hub",
                Some(r"C:\V15\TransportRoles\Logs\Hub\ProtocolLog\SmtpSend")
            ),
            ("EX03", "unknown", None),
        ]
    );
    assert_eq!(services[0].log_max_age.as_deref(), Some("30.00:00:00"));
    assert_eq!(services[0].log_max_directory_size_bytes, Some(262_144_000));
    assert_eq!(services[1].log_max_directory_size_bytes, None);
    let german = rows_of!(
        TransportServices,
        "Name                            : EX01\r\n\
         SendProtocolLogPath             : D:\\Logs\r\n\
         SendProtocolLogMaxDirectorySize : 250 MB (262.144.000 Bytes)\r\n"
    );
    assert_eq!(german[0].log_max_directory_size_bytes, Some(262_144_000));
}

#[test]
fn certificates_displayed_without_their_bytes() {
    let shown = rows_of!(
        Certificates,
        r#"{"Thumbprint": "0123456789abcdef0123456789abcdef01234567", "Subject": "CN=mail", "Issuer": "CN=CA",
        "SerialNumber": "0A", "NotAfter": "\/Date(1696848000000)\/", "CertificateDomains": ["mail.contoso.com"],
        "HasPrivateKey": true, "IsSelfSigned": false, "Services": 24, "Status": 1, "PublicKeySize": 2048,
        "Identity": "EX01.contoso.local\\0123456789abcdef0123456789abcdef01234567"}"#
    );
    assert_eq!(
        shown[0].thumbprint,
        "0123456789ABCDEF0123456789ABCDEF01234567"
    );
    assert_eq!(shown[0].services, ["IIS", "SMTP"]);
    assert_eq!(shown[0].status.as_deref(), Some("Valid"));
    assert_eq!(shown[0].server.as_deref(), Some("EX01"));
    assert_eq!(shown[0].has_private_key, Some(true));
    assert_eq!(
        (shown[0].key_bits, shown[0].client_auth),
        (Some(2048), None)
    );
}

#[test]
fn dates_of_an_unknown_culture_are_left_out_with_a_note() {
    let text = LIST.replace("2023-10-09 10:40:00", "10/9/2023 10:40:00 AM");
    let file = read_bytes(Path::new("x"), text.as_bytes()).unwrap();
    let Some(Rows::InboundConnectors(rows)) = file.rows else {
        panic!()
    };
    assert_eq!(rows[0].when_changed, None);
    assert!(file.notes[0].contains("WhenChangedUTC"), "{:?}", file.notes);
}

#[test]
fn nothing_to_export_is_no_error() {
    for text in ["", "\u{feff}", "[]", "null", "<Objs></Objs>"] {
        let file = read_bytes(Path::new("x"), text.as_bytes()).unwrap();
        assert_eq!((file.rows, file.notes.len()), (None, 2), "{text}");
        for name in ["inbound_connectors.json", "Inbound-Connectors.xml"] {
            let file = read_bytes(Path::new(name), text.as_bytes()).unwrap();
            let none = Rows::InboundConnectors(Vec::new());
            assert_eq!((file.rows, file.notes.len()), (Some(none), 1), "{text}");
        }
    }
}

#[test]
fn a_folder_gives_what_is_in_it_and_names_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("expected/inbound.json", JSON);
    write("expected/.hidden.json", "{");
    write(
        "logs/EX01/SEND1.LOG",
        "#Software: Microsoft Exchange Server\r\n",
    );
    write("readme.txt", "nothing that is known");
    let paths = [folder.path().to_owned()];
    let reading = read(&paths);
    assert!(reading.errors.is_empty(), "{:?}", reading.errors);
    assert_eq!(reading.files.len(), 1);
    assert_eq!(
        reading.files[0].rows.as_ref().map(Rows::kind),
        Some(Kind::InboundConnectors)
    );
    let reasons: Vec<_> = reading.left_out.iter().map(|(_, reason)| *reason).collect();
    assert_eq!(reasons, ["a log", "neither an export nor a certificate"]);
    write(
        "expected/key.pem",
        "-----BEGIN RSA PRIVATE KEY-----\nAA==\n-----END RSA PRIVATE KEY-----\n",
    );
    write("expected/broken.json", "[{\"Name\":");
    assert_eq!(read(&paths).errors.len(), 2);
    assert_eq!(read(&[folder.path().join("readme.txt")]).errors.len(), 1);
    assert_eq!(read(&[folder.path().join("missing")]).errors.len(), 1);
}
