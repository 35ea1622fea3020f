
# The inbound side, from Exchange Online: here, or in any PowerShell that has its module
# (Install-Module ExchangeOnlineManagement -Scope CurrentUser) with the lines above that set $To, $Expected
# and Save. Needs Global Reader or View-Only Organization Management. It only reads.
if ($PSVersionTable.PSVersion.Major -lt 5 -or -not (Get-Command Connect-ExchangeOnline -ErrorAction SilentlyContinue)) {
    Write-Warning 'Exchange Online was not asked: run this part where the ExchangeOnlineManagement module is'
    return
}
# The prefix keeps the cmdlets apart from those of the servers, which have the same names.
Connect-ExchangeOnline -Prefix Online -ShowBanner:$false
Save 'inbound_connectors' (Get-OnlineInboundConnector -ErrorAction Stop | Select-Object Name, Enabled, RequireTls,
    RestrictDomainsToIPAddresses, RestrictDomainsToCertificate, CloudServicesMailEnabled, TreatMessagesAsInternal,
    @{ n = 'Guid'; e = { "$($_.Guid)" } },
    @{ n = 'ConnectorType'; e = { "$($_.ConnectorType)" } },
    @{ n = 'ConnectorSource'; e = { "$($_.ConnectorSource)" } },
    @{ n = 'SenderIPAddresses'; e = { @($_.SenderIPAddresses | ForEach-Object { "$_" }) } },
    @{ n = 'SenderDomains'; e = { @($_.SenderDomains | ForEach-Object { "$_" }) } },
    @{ n = 'OrganizationId'; e = { "$($_.OrganizationId)" } },
    @{ n = 'TlsSenderCertificateName'; e = { "$($_.TlsSenderCertificateName)" } },
    @{ n = 'WhenChangedUTC'; e = { if ($_.WhenChangedUTC) { ([datetime]$_.WhenChangedUTC).ToString('s') + 'Z' } } },
    @{ n = 'WhenCreatedUTC'; e = { if ($_.WhenCreatedUTC) { ([datetime]$_.WhenCreatedUTC).ToString('s') + 'Z' } } })
Save 'accepted_domains' (Get-OnlineAcceptedDomain -ErrorAction Stop | Select-Object Default, MatchSubDomains,
    @{ n = 'OrganizationId'; e = { "$($_.OrganizationId)" } },
    @{ n = 'DomainName'; e = { "$($_.DomainName)" } },
    @{ n = 'DomainType'; e = { "$($_.DomainType)" } })
Save 'organization_config' (Get-OnlineOrganizationConfig -ErrorAction Stop | Select-Object Name, RejectDirectSend,
    @{ n = 'Guid'; e = { "$($_.Guid)" } },
    @{ n = 'WhenChangedUTC'; e = { if ($_.WhenChangedUTC) { ([datetime]$_.WhenChangedUTC).ToString('s') + 'Z' } } })
Save 'blocked_connectors' (Get-OnlineBlockedConnector -ErrorAction Stop | Select-Object Reason,
    @{ n = 'OrganizationId'; e = { "$($_.OrganizationId)" } },
    @{ n = 'ConnectorId'; e = { "$($_.ConnectorId)" } },
    @{ n = 'CreatedTime'; e = { if ($_.CreatedTime) { ([datetime]$_.CreatedTime).ToString('s') + 'Z' } } })
Disconnect-ExchangeOnline -Confirm:$false
