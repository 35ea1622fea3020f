//! What to say of each cause and what to do about it: text with gaps, as data.
//!
//! A gap is `{name}` for reading, or `{name:kind}` inside a command (see [`super::fill`]). Commands are for copying
//! and are never run from here. Each change is shown with `-WhatIf` first; what is never advised stands in the
//! tests. Sources: Microsoft Learn `relay-access-denied-smtp`, `tenantattribution-ndr`, `office-365-notice`,
//! `relay-access-denied-attr36-ndr`, `tls-negotiation-failed-with-error-nocredentials-error`,
//! `outbound-email-messages-are-not-sent`, `mail-flow-stops-event-2004`, `non-delivery-reports-in-exchange-online`.

/// The texts of one cause.
#[derive(Debug, Clone, Copy)]
pub struct Remedy {
    /// As in `diagnosis.cause`.
    pub cause: &'static str,
    /// A heading of a few words.
    pub title: &'static str,
    /// Why mail is refused, in a sentence or two.
    pub explanation: &'static str,
    /// Commands that repair it, reads first.
    pub fix: &'static str,
    /// How to see that it is repaired.
    pub verify: &'static str,
    /// How to take the change back.
    pub rollback: &'static str,
    /// Microsoft's article.
    pub link: &'static str,
}

const ARTICLE: &str =
    "https://learn.microsoft.com/exchange/troubleshoot/email-delivery/ndr/relay-access-denied-smtp";
const ATTR36: &str = "https://learn.microsoft.com/exchange/troubleshoot/hybrid-configuration-wizard-errors/relay-access-denied-attr36-ndr";
const NDR: &str = "https://learn.microsoft.com/exchange/mail-flow-best-practices/non-delivery-reports-in-exchange-online/non-delivery-reports-in-exchange-online";

const SEND: &str = "Send one message from {server} to an address outside the organization, then diagnose the new logs: the \
incident must read `recovering`, and `closed` after three relayed messages and an hour. Exchange Online can take up to an hour \
to apply a connector change.";
const RESTORE_INBOUND: &str = "$old = Import-Clixml inbound-connectors.xml | ? Guid -eq {inbound_guid:guid}\n\
Set-InboundConnector -Identity {inbound_guid:guid} -TlsSenderCertificateName $old.TlsSenderCertificateName -SenderIPAddresses $old.SenderIPAddresses";
const RESTORE_SEND: &str = "Set-SendConnector -Identity {send_guid:guid} -TlsCertificateName <the value that Get-SendConnector printed before>";
const NOTHING: &str = "Nothing was changed.";
const HARMLESS: &str = "No setting was changed; a certificate does no harm where it is.";

/// Reads and saves what is there, in Exchange Online PowerShell.
macro_rules! inbound_first {
    ($rest:literal) => {
        concat!(
            "# Exchange Online PowerShell: read and save first\n",
            "Get-InboundConnector | fl Name,Guid,Enabled,ConnectorType,TlsSenderCertificateName,SenderIPAddresses,WhenChangedUTC\n",
            "Get-InboundConnector | Export-Clixml inbound-connectors.xml\n",
            $rest
        )
    };
}

/// Reads and saves what is there, in the Exchange Management Shell.
macro_rules! send_first {
    ($rest:literal) => {
        concat!(
            "# Exchange Management Shell: read and save first\n",
            "Get-SendConnector | ? Name -eq {connector:ps} | fl Name,Guid,TlsCertificateName,Fqdn,SourceTransportServers\n",
            "Get-SendConnector | Export-Clixml send-connectors.xml\n",
            $rest
        )
    };
}

/// Names the certificate that a send connector is to use, by a thumbprint that a log or an import gave.
macro_rules! use_certificate {
    ($thumbprint:literal) => {
        concat!(
            "# every source server must have this certificate: one without it falls silent (454 4.7.5)\n",
            "(Get-SendConnector -Identity {send_guid:guid}).SourceTransportServers | % { Get-ExchangeCertificate -Server $_.Name -Thumbprint {", $thumbprint, ":hex} | fl Thumbprint,Subject,Issuer,NotAfter,HasPrivateKey,Status }\n",
            "$c = Get-ExchangeCertificate -Server {server:ps} -Thumbprint {", $thumbprint, ":hex}\n",
            "Set-SendConnector -Identity {send_guid:guid} -TlsCertificateName \"<I>$($c.Issuer)<S>$($c.Subject)\" -WhatIf\n",
            "Set-SendConnector -Identity {send_guid:guid} -TlsCertificateName \"<I>$($c.Issuer)<S>$($c.Subject)\""
        )
    };
}

/// Every cause.
pub const REMEDIES: &[Remedy] = &[
    Remedy {
        cause: "certificate_renamed",
        title: "The certificate has another name",
        explanation: "Since {change_at} {server} sends certificate {thumbprint} ({names}) instead of {before}. Exchange Online \
knows the tenant by a name on the certificate, and the inbound connector asks for {certificate_name}.",
        fix: concat!(
            inbound_first!(
                "# servers that still send the old certificate go on: add a second connector for the new name, remove the old one when all have changed\n"
            ),
            "# <name> is one of: {names}\n",
            "New-InboundConnector -Name '<new connector>' -ConnectorType OnPremises -SenderDomains '*' -RequireTls $true -TlsSenderCertificateName '<name>' -WhatIf\n",
            "New-InboundConnector -Name '<new connector>' -ConnectorType OnPremises -SenderDomains '*' -RequireTls $true -TlsSenderCertificateName '<name>'\n",
            "# the domain of that name must be an accepted domain\n",
            "Get-AcceptedDomain | ft DomainName,DomainType\n",
            "# or send the old certificate again while it is valid:\n",
            send_first!(""),
            "$c = Get-ExchangeCertificate -Server {server:ps} -Thumbprint {before:hex}\n",
            "Set-SendConnector -Identity {send_guid:guid} -TlsCertificateName \"<I>$($c.Issuer)<S>$($c.Subject)\" -WhatIf\n",
            "Set-SendConnector -Identity {send_guid:guid} -TlsCertificateName \"<I>$($c.Issuer)<S>$($c.Subject)\""
        ),
        verify: SEND,
        rollback: "Set-InboundConnector -Identity '<new connector>' -Enabled $false\n\
Set-SendConnector -Identity {send_guid:guid} -TlsCertificateName <the value that Get-SendConnector printed before>",
        link: ARTICLE,
    },
    Remedy {
        cause: "certificate_names_lost",
        title: "A name is gone from the certificate",
        explanation: "Since {change_at} {server} sends certificate {thumbprint}, which names {names} and no longer all that {before} \
named. The inbound connector asks for {certificate_name}.",
        fix: concat!(
            inbound_first!(
                "# <name> is one of: {names}; servers that still send the old certificate need the old name: use a second connector while both are sent\n"
            ),
            "New-InboundConnector -Name '<new connector>' -ConnectorType OnPremises -SenderDomains '*' -RequireTls $true -TlsSenderCertificateName '<name>' -WhatIf\n",
            "New-InboundConnector -Name '<new connector>' -ConnectorType OnPremises -SenderDomains '*' -RequireTls $true -TlsSenderCertificateName '<name>'\n",
            "# or issue the certificate again with the name that is missing, and until then send the old one:\n",
            send_first!(""),
            "$c = Get-ExchangeCertificate -Server {server:ps} -Thumbprint {before:hex}\n",
            "Set-SendConnector -Identity {send_guid:guid} -TlsCertificateName \"<I>$($c.Issuer)<S>$($c.Subject)\" -WhatIf\n",
            "Set-SendConnector -Identity {send_guid:guid} -TlsCertificateName \"<I>$($c.Issuer)<S>$($c.Subject)\""
        ),
        verify: SEND,
        rollback: "Set-InboundConnector -Identity '<new connector>' -Enabled $false\n\
Set-SendConnector -Identity {send_guid:guid} -TlsCertificateName <the value that Get-SendConnector printed before>",
        link: ARTICLE,
    },
    Remedy {
        cause: "wrong_certificate_chosen",
        title: "Another certificate than the connector's is sent",
        explanation: "{server} sends certificate {thumbprint} ({subject}), which the inbound connector ({certificate_name}) does not \
know; {before} was accepted before.",
        fix: concat!(
            send_first!(""),
            use_certificate!("before"),
            "\n# named already? Then its Status, its private key or its binding to SMTP is why it is not chosen; mended, one server at a time:\n",
            "Restart-Service MSExchangeTransport"
        ),
        verify: SEND,
        rollback: RESTORE_SEND,
        link: ARTICLE,
    },
    Remedy {
        cause: "newer_certificate_not_sent",
        title: "A newer certificate is in the store and is not sent",
        explanation: "{server} still sends {thumbprint} ({subject}); its store has {newer} ({newer_subject}), which matches the \
inbound connector. A new issuer or subject is not chosen by itself when TlsCertificateName names the old one.",
        fix: concat!(
            send_first!(""),
            use_certificate!("newer"),
            "\n# naming it changes nothing where issuer and subject are those of the old one: there the service has to choose anew, one server at a time\n",
            "Restart-Service MSExchangeTransport"
        ),
        verify: SEND,
        rollback: RESTORE_SEND,
        link: ARTICLE,
    },
    Remedy {
        cause: "partial_rollout",
        title: "This server was left on the old certificate",
        explanation: "{server} still sends {thumbprint}, which other servers of the connector ({spared}) gave up for \
{siblings_certificate}; the inbound connector asks for {certificate_name}.",
        fix: concat!(
            "# Exchange Management Shell: is the new certificate, with its private key, on this server?\n",
            "Get-ExchangeCertificate -Server {server:ps} | fl Thumbprint,Subject,Issuer,NotAfter,HasPrivateKey,Services,Status\n",
            "# if it is not: import it from a server that has it\n",
            "Import-ExchangeCertificate -Server {server:ps} -FileData ([IO.File]::ReadAllBytes('<file.pfx>')) -Password (Read-Host -AsSecureString) -PrivateKeyExportable $false\n",
            "# then name it, or take it by a restart, one server at a time, where issuer and subject stay the same\n",
            send_first!(""),
            use_certificate!("siblings_certificate"),
            "\nRestart-Service MSExchangeTransport"
        ),
        verify: SEND,
        rollback: RESTORE_SEND,
        link: ARTICLE,
    },
    Remedy {
        cause: "certificate_not_sent",
        title: "No certificate is sent",
        explanation: "The logs prove it: TLS was set up by {server}, from the first row to the last, and no certificate was offered. \
The send connector finds none that fits its TlsCertificateName or Fqdn.",
        fix: concat!(
            send_first!(""),
            "Get-ExchangeCertificate -Server {server:ps} | fl Thumbprint,Subject,Issuer,CertificateDomains,NotAfter,HasPrivateKey,Services,Status\n",
            "# <thumbprint>: the one that the inbound connector knows ({certificate_name}); {before} was sent before\n",
            use_certificate!("before")
        ),
        verify: SEND,
        rollback: RESTORE_SEND,
        link: ARTICLE,
    },
    Remedy {
        cause: "no_credentials",
        title: "The certificate has no private key here (NoCredentials)",
        explanation: "{server} cannot use certificate {thumbprint}: TLS fails with NoCredentials, because its private key is missing. \
Mail then goes without TLS, so without a certificate, or not at all.",
        fix: concat!(
            "# on {server}: is the private key there?\n",
            "Get-ExchangeCertificate -Server {server:ps} -Thumbprint {thumbprint:hex} | fl Subject,HasPrivateKey,Status\n",
            "# try to bind it again\n",
            "certutil -repairstore my {thumbprint:hex}\n",
            "# or import the certificate again, with its key\n",
            "Import-ExchangeCertificate -Server {server:ps} -FileData ([IO.File]::ReadAllBytes('<file.pfx>')) -Password (Read-Host -AsSecureString)\n",
            "# then, one server at a time:\n",
            "Restart-Service MSExchangeTransport"
        ),
        verify: SEND,
        rollback: HARMLESS,
        link: "https://learn.microsoft.com/exchange/troubleshoot/mailflow/tls-negotiation-failed-with-error-nocredentials-error",
    },
    Remedy {
        cause: "unknown_credentials",
        title: "The certificate is not enabled for SMTP (UnknownCredentials)",
        explanation: "{server} is told to send certificate {thumbprint}, but TLS fails with UnknownCredentials: the certificate is not \
bound to SMTP.",
        fix: concat!(
            "# Exchange Management Shell; answer No when asked to replace the default SMTP certificate\n",
            "Get-ExchangeCertificate -Server {server:ps} -Thumbprint {thumbprint:hex} | fl Subject,Services,Status\n",
            "Enable-ExchangeCertificate -Server {server:ps} -Thumbprint {thumbprint:hex} -Services SMTP -WhatIf\n",
            "Enable-ExchangeCertificate -Server {server:ps} -Thumbprint {thumbprint:hex} -Services SMTP"
        ),
        verify: SEND,
        rollback: "The binding to SMTP stays without harm.",
        link: "https://learn.microsoft.com/exchange/troubleshoot/mailflow/outbound-email-messages-are-not-sent",
    },
    Remedy {
        cause: "tls_failed",
        title: "TLS fails, and mail goes without it",
        explanation: "TLS between {server} and Exchange Online fails with {tls_failure}. Exchange tries again without TLS, so without \
a certificate, and is refused.",
        fix: concat!(
            "# on {server}: what Schannel says at that time\n",
            "Get-WinEvent -FilterHashtable @{LogName='System';ProviderName='Schannel'} -MaxEvents 20 | fl TimeCreated,Id,Message\n",
            "Get-ExchangeCertificate -Server {server:ps} | fl Thumbprint,Subject,NotAfter,HasPrivateKey,Services,Status\n",
            "# mail must not leave without TLS\n",
            "Get-SendConnector | ? Name -eq {connector:ps} | fl Name,RequireTLS,TlsAuthLevel,TlsDomain,TlsCertificateName,IgnoreSTARTTLS"
        ),
        verify: SEND,
        rollback: NOTHING,
        link: ARTICLE,
    },
    Remedy {
        cause: "tls_intercepted",
        title: "A device in between opens TLS",
        explanation: "The certificate that {server} receives is not Microsoft's: {intercepted_by}. A device that inspects TLS signs \
the session anew and drops the client certificate, so Exchange Online never sees it.",
        fix: "# the network team: exempt {servers} on TCP 25 to Exchange Online from TLS inspection\n\
# see for yourself, on {server}:\nTest-NetConnection '<tenant>.mail.protection.outlook.com' -Port 25",
        verify: SEND,
        rollback: NOTHING,
        link: "https://learn.microsoft.com/exchange/mail-flow-best-practices/use-connectors-to-configure-mail-flow/set-up-connectors-to-route-mail",
    },
    Remedy {
        cause: "tls_stripped",
        title: "STARTTLS is taken out on the way",
        explanation: "Exchange Online offers STARTTLS, but {server} does not get to see it: a device in between overwrites banner or \
keywords (SMTP inspection). Without TLS there is no certificate.",
        fix: "# the network team: switch SMTP inspection off for {servers} to Exchange Online (Cisco ASA: no inspect esmtp)\n\
# see for yourself, on {server}: EHLO must answer with 250-STARTTLS\nTest-NetConnection '<tenant>.mail.protection.outlook.com' -Port 25",
        verify: SEND,
        rollback: NOTHING,
        link: ARTICLE,
    },
    Remedy {
        cause: "certificate_expired",
        title: "The certificate has expired",
        explanation: "{server} sends certificate {thumbprint} ({subject}), which was valid until {not_after}.",
        fix: concat!(
            send_first!(""),
            "# which certificates do the servers have?\n",
            "{servers:ps} | % { Get-ExchangeCertificate -Server $_ | fl Thumbprint,Subject,Issuer,CertificateDomains,NotAfter,HasPrivateKey,Services,Status }\n",
            "# import the renewed one on each that has it not\n",
            "{servers:ps} | % { Import-ExchangeCertificate -Server $_ -FileData ([IO.File]::ReadAllBytes('<file.pfx>')) -Password (Read-Host -AsSecureString) }\n",
            "# and tell the send connector, after checking that every source server has it\n",
            "$c = Get-ExchangeCertificate -Server {server:ps} -Thumbprint '<new thumbprint>'\n",
            "Set-SendConnector -Identity {send_guid:guid} -TlsCertificateName \"<I>$($c.Issuer)<S>$($c.Subject)\" -WhatIf\n",
            "Set-SendConnector -Identity {send_guid:guid} -TlsCertificateName \"<I>$($c.Issuer)<S>$($c.Subject)\""
        ),
        verify: SEND,
        rollback: RESTORE_SEND,
        link: ARTICLE,
    },
    Remedy {
        cause: "chain_probable",
        title: "The certificate chain is probably not complete",
        explanation: "{server} sends {thumbprint} since {change_at}; its names are not the reason, and Exchange Online refuses it: it \
probably cannot build the chain because an intermediate certificate is not installed on {server}.",
        fix: concat!(
            "# on {server}: does the chain build? (Passing here does not prove that it is sent.)\n",
            "Get-ChildItem Cert:\\LocalMachine\\My\\{thumbprint:hex} | Test-Certificate | fl\n",
            "Get-ChildItem Cert:\\LocalMachine\\CA | ft Subject,NotAfter,Thumbprint\n",
            "# install the intermediate certificates of the new issuer\n",
            "Import-Certificate -FilePath '<intermediate.cer>' -CertStoreLocation Cert:\\LocalMachine\\CA -WhatIf\n",
            "Import-Certificate -FilePath '<intermediate.cer>' -CertStoreLocation Cert:\\LocalMachine\\CA\n",
            "# then, one server at a time:\n",
            "Restart-Service MSExchangeTransport"
        ),
        verify: SEND,
        rollback: "An intermediate certificate does no harm where it is.",
        link: "https://learn.microsoft.com/exchange/troubleshoot/mailflow/mail-flow-stops-event-2004",
    },
    Remedy {
        cause: "chain_possible",
        title: "Certificate and address match: the chain is possible",
        explanation: "Certificate and address of {server} are what the inbound connector asks for, and mail is refused all the same. \
What is left: the chain cannot be built, or the connector changed after it was exported.",
        fix: concat!(
            "# on {server}: does the chain build? (Passing here does not prove that it is sent.)\n",
            "Get-ChildItem Cert:\\LocalMachine\\My\\{thumbprint:hex} | Test-Certificate | fl\n",
            "# Exchange Online PowerShell: is the connector still what was exported?\n",
            "Get-InboundConnector | fl Name,Guid,Enabled,ConnectorType,TlsSenderCertificateName,SenderIPAddresses,WhenChangedUTC"
        ),
        verify: SEND,
        rollback: NOTHING,
        link: ARTICLE,
    },
    Remedy {
        cause: "address_moved",
        title: "Mail comes from another address",
        explanation: "Since {move_at} Exchange Online sees {server} at {egress_ip} instead of {before_ip}, and the inbound connector \
lists {addresses}.",
        fix: inbound_first!(
            "# SenderIPAddresses overwrites: this is the whole list, the old addresses and the new one\n\
Set-InboundConnector -Identity {inbound_guid:guid} -SenderIPAddresses {all_addresses:ip} -WhatIf\n\
Set-InboundConnector -Identity {inbound_guid:guid} -SenderIPAddresses {all_addresses:ip}\n\
# the address also belongs into SPF, and needs a PTR record; ask the network team what changed (NAT, firewall, provider)"
        ),
        verify: SEND,
        rollback: RESTORE_INBOUND,
        link: ARTICLE,
    },
    Remedy {
        cause: "address_not_listed",
        title: "The address is not listed",
        explanation: "Exchange Online sees {server} at {egress_ip}; the inbound connector lists {addresses}.",
        fix: inbound_first!(
            "# SenderIPAddresses overwrites: this is the whole list, the old addresses and the new one\n\
Set-InboundConnector -Identity {inbound_guid:guid} -SenderIPAddresses {all_addresses:ip} -WhatIf\n\
Set-InboundConnector -Identity {inbound_guid:guid} -SenderIPAddresses {all_addresses:ip}"
        ),
        verify: SEND,
        rollback: RESTORE_INBOUND,
        link: ARTICLE,
    },
    Remedy {
        cause: "ipv6_toward_address_connector",
        title: "IPv6 toward a connector that knows IPv4 addresses",
        explanation: "{server} reaches Exchange Online over IPv6 ({egress_ip}); SenderIPAddresses takes IPv4 only, so no address of \
it can match.",
        fix: inbound_first!(
            "# match by certificate, which works over both; <name> is one of: {names}\n\
New-InboundConnector -Name '<new connector>' -ConnectorType OnPremises -SenderDomains '*' -RequireTls $true -TlsSenderCertificateName '<name>' -WhatIf\n\
New-InboundConnector -Name '<new connector>' -ConnectorType OnPremises -SenderDomains '*' -RequireTls $true -TlsSenderCertificateName '<name>'\n\
# or have the network team send {servers} over IPv4 only"
        ),
        verify: SEND,
        rollback: "Set-InboundConnector -Identity '<new connector>' -Enabled $false",
        link: ARTICLE,
    },
    Remedy {
        cause: "sender_domain_not_accepted",
        title: "The sender's domain is not an accepted domain",
        explanation: "Mail from {sender_domains} is refused while other mail of the same server and certificate passes, or the reply \
says so (ATTR36): neither the domain of the certificate nor that of the sender is an accepted domain of the tenant.",
        fix: concat!(
            "# Exchange Online PowerShell: which domains are accepted?\n",
            "Get-AcceptedDomain | ft DomainName,DomainType,MatchSubDomains\n",
            "# add and verify the domain of the certificate (then every sender passes), or that of the sender, in the Microsoft 365 admin center under Settings, Domains\n",
            "# out-of-office replies have no sender: only the domain of the certificate helps them"
        ),
        verify: SEND,
        rollback: NOTHING,
        link: ATTR36,
    },
    Remedy {
        cause: "wrong_region",
        title: "Mail goes to the wrong region, or no connector matches (ATTR35)",
        explanation: "Exchange Online answers ATTR35: {server} sends to a host of another Microsoft 365 region than the tenant's, or \
no inbound connector matches.",
        fix: concat!(
            send_first!(
                "Get-SendConnector | ? Name -eq {connector:ps} | fl SmartHosts,DNSRoutingEnabled,AddressSpaces\n"
            ),
            "# the smart host must be the MX that the admin center shows for the tenant's domain\n",
            "Resolve-DnsName -Type MX '<tenant>.onmicrosoft.com'\n",
            "Set-SendConnector -Identity {send_guid:guid} -SmartHosts '<that MX>' -WhatIf\n",
            "Set-SendConnector -Identity {send_guid:guid} -SmartHosts '<that MX>'"
        ),
        verify: SEND,
        rollback: "Set-SendConnector -Identity {send_guid:guid} -SmartHosts <the value that Get-SendConnector printed before>",
        link: "https://learn.microsoft.com/exchange/troubleshoot/email-delivery/wrong-office-365-region-exo",
    },
    Remedy {
        cause: "cloud_side_changed",
        title: "Something changed in the tenant, not here",
        explanation: "Mail of {hit} is refused since {first} and neither certificate nor address changed here: the inbound connector \
was changed, disabled or removed, a domain was moved, or the tenant was blocked ({changed_there}).",
        fix: concat!(
            inbound_first!("# who changed what?\n"),
            "Search-UnifiedAuditLog -StartDate (Get-Date).AddDays(-7) -EndDate (Get-Date) -Operations 'Set-InboundConnector','New-InboundConnector','Remove-InboundConnector' | ft CreationDate,UserIds,Operations\n",
            "Get-AcceptedDomain | ft DomainName,DomainType\n",
            "Get-BlockedConnector"
        ),
        verify: SEND,
        rollback: NOTHING,
        link: ARTICLE,
    },
    Remedy {
        cause: "connector_disabled",
        title: "The inbound connector is disabled",
        explanation: "Inbound connector {inbound} would match, but it is disabled.",
        fix: inbound_first!(
            "Set-InboundConnector -Identity {inbound_guid:guid} -Enabled $true -WhatIf\n\
Set-InboundConnector -Identity {inbound_guid:guid} -Enabled $true"
        ),
        verify: SEND,
        rollback: "Set-InboundConnector -Identity {inbound_guid:guid} -Enabled $false",
        link: ARTICLE,
    },
    Remedy {
        cause: "connector_partner",
        title: "The inbound connector is of type Partner",
        explanation: "Inbound connector {inbound} matches, but it is of type Partner: it restricts a partner and gives no relay. Relay \
needs one of type OnPremises.",
        fix: inbound_first!(
            "# <name> is one of: {names}\n\
New-InboundConnector -Name '<new connector>' -ConnectorType OnPremises -SenderDomains '*' -RequireTls $true -TlsSenderCertificateName '<name>' -WhatIf\n\
New-InboundConnector -Name '<new connector>' -ConnectorType OnPremises -SenderDomains '*' -RequireTls $true -TlsSenderCertificateName '<name>'"
        ),
        verify: SEND,
        rollback: "Set-InboundConnector -Identity '<new connector>' -Enabled $false",
        link: ARTICLE,
    },
    Remedy {
        cause: "connector_missing",
        title: "The tenant has no inbound connector for these servers",
        explanation: "The import has no inbound connector that is enabled and of type OnPremises.",
        fix: inbound_first!(
            "# a hybrid organization: Hybrid Configuration Wizard, Update Secure Mail Certificate for Connectors\n\
# else, <name> being one of: {names}\n\
New-InboundConnector -Name '<new connector>' -ConnectorType OnPremises -SenderDomains '*' -RequireTls $true -TlsSenderCertificateName '<name>' -WhatIf\n\
New-InboundConnector -Name '<new connector>' -ConnectorType OnPremises -SenderDomains '*' -RequireTls $true -TlsSenderCertificateName '<name>'"
        ),
        verify: SEND,
        rollback: "Set-InboundConnector -Identity '<new connector>' -Enabled $false",
        link: ARTICLE,
    },
    Remedy {
        cause: "blocked_connector",
        title: "Exchange Online blocked the connector (5.7.711)",
        explanation: "Exchange Online has blocked the connector because of suspicious mail through it. Treat it as a security incident: \
find what sent it before the block is lifted.",
        fix: concat!(
            "# Exchange Online PowerShell\n",
            "Get-BlockedConnector\n",
            "# Exchange Management Shell: who sent through {server}?\n",
            "Get-MessageTrackingLog -Server {server:ps} -EventId SENDEXTERNAL -Start (Get-Date).AddDays(-2) -ResultSize Unlimited | group Sender | sort Count -Descending | select -First 20 Count,Name\n",
            "# then secure the accounts and hosts found, and only after that lift the block in the Microsoft Defender portal"
        ),
        verify: SEND,
        rollback: NOTHING,
        link: "https://learn.microsoft.com/defender-office-365/connectors-remove-blocked",
    },
    Remedy {
        cause: "tenant_limit",
        title: "The tenant's limit of external recipients is reached",
        explanation: "Exchange Online refuses with {codes}: the tenant sends to more external recipients than its limit allows.",
        fix: "# Exchange Management Shell: who sends so much?\n\
Get-MessageTrackingLog -Server {server:ps} -EventId SENDEXTERNAL -Start (Get-Date).AddDays(-1) -ResultSize Unlimited | group Sender | sort Count -Descending | select -First 20 Count,Name\n\
# send bulk mail by a service made for it; the limit is counted over 24 hours",
        verify: SEND,
        rollback: NOTHING,
        link: NDR,
    },
    Remedy {
        cause: "tenant_blocked",
        title: "The tenant is blocked from sending",
        explanation: "Exchange Online refuses with {codes}: the tenant is blocked because of its mail (spam, compromised account, \
unregistered domains).",
        fix: "# look for a compromised account, then ask Microsoft support to lift the block\n\
Get-MessageTrackingLog -Server {server:ps} -EventId SENDEXTERNAL -Start (Get-Date).AddDays(-2) -ResultSize Unlimited | group Sender | sort Count -Descending | select -First 20 Count,Name\n\
# 5.7.750: add and verify every sender domain in the Microsoft 365 admin center",
        verify: SEND,
        rollback: NOTHING,
        link: NDR,
    },
    Remedy {
        cause: "reputation",
        title: "The address is throttled or listed",
        explanation: "Exchange Online refuses {server} with {codes} because of its address {egress_ip}. After a move to another address \
this is often the first thing seen: the new address has no reputation, or a bad one.",
        fix: "# ask for delisting: https://sender.office.com, with the address that the reply names\n\
# check SPF, the PTR record, and whether the address moved (relaydrift drift)",
        verify: SEND,
        rollback: NOTHING,
        link: NDR,
    },
    Remedy {
        cause: "server_version",
        title: "The server's version is throttled or blocked",
        explanation: "Exchange Online throttles or blocks {server} ({codes}) because its Exchange version is out of date.",
        fix: "# Exchange Management Shell: which build is it?\nGet-ExchangeServer {server:ps} | fl Name,AdminDisplayVersion\n\
# install the current cumulative and security update; a pause can be asked for in the Exchange admin center, reports, out-of-date servers",
        verify: SEND,
        rollback: NOTHING,
        link: "https://techcommunity.microsoft.com/blog/exchange/throttling-and-blocking-email-from-persistently-vulnerable-exchange-servers-to-exchange-online/3815328",
    },
    Remedy {
        cause: "recipient_side",
        title: "The recipient's side refuses",
        explanation: "Only mail to {recipient_domains} is refused, other mail of the same senders and certificate passes: the \
recipient's domain is not hosted there, or its tenant has restrictions of its own.",
        fix: "# where does mail for the domain go?\n{recipient_domains:ps} | % { Resolve-DnsName -Type MX $_ }\n\
# tell the recipient's administrator the exact reply",
        verify: "Send one message from {server} to an address in {recipient_domains}, then diagnose the new logs.",
        rollback: NOTHING,
        link: NDR,
    },
    Remedy {
        cause: "shared_tenant",
        title: "Two tenants claim the same certificate or address",
        explanation: "Inbound connectors of more than one tenant match what {server} sends: Exchange Online may attribute its mail to the \
other tenant.",
        fix: inbound_first!(
            "# give each tenant a certificate name of its own that the other tenant's connector does not match\n\
Set-InboundConnector -Identity {inbound_guid:guid} -TlsSenderCertificateName '<own name>' -WhatIf\n\
Set-InboundConnector -Identity {inbound_guid:guid} -TlsSenderCertificateName '<own name>'\n\
# or, known by addresses, the whole list without those of the other tenant: -SenderIPAddresses overwrites"
        ),
        verify: SEND,
        rollback: RESTORE_INBOUND,
        link: ARTICLE,
    },
    Remedy {
        cause: "silence_after_traffic",
        title: "The connector fell silent",
        explanation: "{server} wrote rows, but none for {connector} since {first}: probably the certificate named in \
TlsCertificateName is not in its store (454 4.7.5). That is not logged, mail waits in the queue.",
        fix: concat!(
            "# Exchange Management Shell: what does the queue say?\n",
            "Get-Queue -Server {server:ps} | ? Status -eq 'Retry' | fl Identity,NextHopDomain,MessageCount,LastError\n",
            "Get-SendConnector | ? Name -eq {connector:ps} | fl Name,TlsCertificateName,SourceTransportServers\n",
            "Get-ExchangeCertificate -Server {server:ps} | fl Thumbprint,Subject,Issuer,NotAfter,HasPrivateKey,Services,Status\n",
            "# import the certificate on the server that lacks it\n",
            "Import-ExchangeCertificate -Server {server:ps} -FileData ([IO.File]::ReadAllBytes('<file.pfx>')) -Password (Read-Host -AsSecureString)"
        ),
        verify: "The queue empties: Get-Queue -Server {server:ps} | fl Identity,MessageCount,LastError",
        rollback: HARMLESS,
        link: "https://learn.microsoft.com/exchange/troubleshoot/email-delivery/mails-issues-occur-after-april-15-2016",
    },
    Remedy {
        cause: "silent_degradation",
        title: "Mail passes, but not as the tenant's",
        explanation: "Mail of {server} to the tenant's own recipients is accepted, though neither its certificate ({thumbprint}) nor its \
address ({egress_ip}) is what the inbound connector asks for ({certificate_name}; {addresses}): it arrives as anonymous mail, in \
junk folders, without the headers of the organization. Mail to the outside would be refused.",
        fix: concat!(
            inbound_first!(
                "# a second connector for the name that is sent; remove the old one when no server needs it\n"
            ),
            "# <name> is one of: {names}\n",
            "New-InboundConnector -Name '<new connector>' -ConnectorType OnPremises -SenderDomains '*' -RequireTls $true -TlsSenderCertificateName '<name>' -CloudServicesMailEnabled $true -WhatIf\n",
            "New-InboundConnector -Name '<new connector>' -ConnectorType OnPremises -SenderDomains '*' -RequireTls $true -TlsSenderCertificateName '<name>' -CloudServicesMailEnabled $true\n",
            "# or send what the connector knows. Exchange Management Shell: which certificate is the send connector told to use?\n",
            "Get-SendConnector | ? Name -eq {connector:ps} | fl Name,TlsCertificateName,Fqdn,SourceTransportServers"
        ),
        verify: "Send one message from {server} to a mailbox of the tenant: its headers must read X-MS-Exchange-Organization-AuthAs: Internal.",
        rollback: "Set-InboundConnector -Identity '<new connector>' -Enabled $false",
        link: ARTICLE,
    },
    Remedy {
        cause: "unknown",
        title: "The cause is not visible in what is at hand",
        explanation: "Mail of {server} is refused ({codes}). Checked and not found: a change of certificate or address before it, a TLS \
failure, interception, expiry, a pattern of senders or recipients. {missing}",
        fix: concat!(
            inbound_first!(""),
            "Get-AcceptedDomain | ft DomainName,DomainType\n",
            "Get-BlockedConnector\n",
            "# then diagnose again with these exports: relaydrift collect prints how to make them"
        ),
        verify: SEND,
        rollback: NOTHING,
        link: ARTICLE,
    },
];
