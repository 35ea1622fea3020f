# Gathers what relaydrift reads: the send logs of the servers, and what they are set up to present.
# Run it once in the Exchange Management Shell, as a member of View-Only Organization Management who may
# read the administrative shares of the servers. It only reads and copies; the one thing that it would
# change, logging that is off, it shows with -WhatIf. No private key is exported.
# Edge servers are in another forest: run it on each of them as well.

$Servers = @({SERVERS})   # none: the source servers of the send connectors
$Days = {DAYS}
$To = {TO}

$Expected = Join-Path $To 'expected'
if (-not (Test-Path -LiteralPath $Expected)) { New-Item -ItemType Directory -Path $Expected | Out-Null }

{SAVE}

# What the send connectors are to present, and from which servers.
$Connectors = @(Get-SendConnector)
Save 'send_connectors' ($Connectors | Select-Object Name, Enabled, RequireTLS, IgnoreSTARTTLS, DNSRoutingEnabled,
    CloudServicesMailEnabled, FrontendProxyEnabled,
    @{ n = 'Guid'; e = { "$($_.Guid)" } },
    @{ n = 'Fqdn'; e = { "$($_.Fqdn)" } },
    @{ n = 'SmartHosts'; e = { @($_.SmartHosts | ForEach-Object { "$_" }) } },
    @{ n = 'AddressSpaces'; e = { @($_.AddressSpaces | ForEach-Object { "$_" }) } },
    @{ n = 'SourceTransportServers'; e = { @($_.SourceTransportServers | ForEach-Object { "$_" }) } },
    @{ n = 'TlsCertificateName'; e = { "$($_.TlsCertificateName)" } },
    @{ n = 'TlsAuthLevel'; e = { "$($_.TlsAuthLevel)" } },
    @{ n = 'TlsDomain'; e = { "$($_.TlsDomain)" } },
    @{ n = 'ProtocolLoggingLevel'; e = { "$($_.ProtocolLoggingLevel)" } },
    @{ n = 'WhenChangedUTC'; e = { if ($_.WhenChangedUTC) { $_.WhenChangedUTC.ToString('s') + 'Z' } } })

if ($Servers.Count -eq 0) {
    $Servers = @($Connectors | ForEach-Object { $_.SourceTransportServers } | ForEach-Object { "$_" } | Sort-Object -Unique)
}

# Where the servers write their logs.
{SERVICES}
Save 'transport_services' ($Services | Select-Object Service, IntraOrgConnectorProtocolLoggingLevel,
    @{ n = 'Server'; e = { "$($_.Identity)".Split('\')[0] } },
    @{ n = 'SendProtocolLogPath'; e = { "$($_.SendProtocolLogPath)" } },
    @{ n = 'ReceiveProtocolLogPath'; e = { "$($_.ReceiveProtocolLogPath)" } },
    @{ n = 'SendProtocolLogMaxAge'; e = { "$($_.SendProtocolLogMaxAge)" } },
    @{ n = 'SendProtocolLogMaxDirectorySize'; e = { "$($_.SendProtocolLogMaxDirectorySize)" } },
    @{ n = 'AdminDisplayVersion'; e = { "$((Get-ExchangeServer -Identity "$($_.Identity)".Split('\')[0]).AdminDisplayVersion)" } })

# Which certificates lie in their stores: the public part only.
$Certificates = foreach ($Server in $Servers) {
    Get-ExchangeCertificate -Server $Server | Select-Object Thumbprint, HasPrivateKey, IsSelfSigned, Subject, Issuer,
        SerialNumber, PublicKeySize,
        @{ n = 'Server'; e = { $Server } },
        @{ n = 'RawData'; e = { if ($_.RawData) { [Convert]::ToBase64String([byte[]]$_.RawData) } } },
        @{ n = 'CertificateDomains'; e = { @($_.CertificateDomains | ForEach-Object { "$_" }) } },
        @{ n = 'Services'; e = { "$($_.Services)" } },
        @{ n = 'Status'; e = { "$($_.Status)" } },
        @{ n = 'NotBefore'; e = { $_.NotBefore.ToUniversalTime().ToString('s') + 'Z' } },
        @{ n = 'NotAfter'; e = { $_.NotAfter.ToUniversalTime().ToString('s') + 'Z' } }
}
Save 'certificates' $Certificates

# Logging that is off leaves no rows: nothing can be said about mail of these connectors.
$Silent = @($Connectors | Where-Object { "$($_.ProtocolLoggingLevel)" -ne 'Verbose' })
foreach ($Connector in $Silent) {
    Write-Warning "logging is off: send connector '$($Connector.Name)'"
    Set-SendConnector -Identity "$($Connector.Guid)" -ProtocolLoggingLevel Verbose -WhatIf
    # Agreed? Then take the # away from the next line, run this again, and collect after some mail has gone out.
    # Set-SendConnector -Identity "$($Connector.Guid)" -ProtocolLoggingLevel Verbose
}

# The logs of the last days, a folder per server and service.
$Proxied = @($Connectors | Where-Object { $_.FrontendProxyEnabled }).Count -gt 0
$Since = (Get-Date).AddDays(-$Days)
foreach ($Service in $Services) {
    $Server = "$($Service.Identity)".Split('\')[0]
    $Path = "$($Service.SendProtocolLogPath)"
    $Wanted = ($Servers -contains $Server) -or ($Proxied -and $Service.Service -eq 'FrontEnd')
    if (-not $Wanted) { continue }
    if (-not $Path) {
        Write-Warning "$Server ($($Service.Service)): no SendProtocolLogPath, so it does not log"
        continue
    }
    $Share = $Path
    if ($Server -ne $env:COMPUTERNAME -and $Path -match '^[A-Za-z]:') {
        $Share = '\\' + $Server + '\' + $Path.Substring(0, 1) + '$' + $Path.Substring(2)
    }
    if (-not (Test-Path -LiteralPath $Share)) {
        Write-Warning "${Server} ($($Service.Service)): cannot read $Share; copy $Path by hand"
        continue
    }
    $Logs = @(Get-ChildItem -LiteralPath $Share | Where-Object { $_.Name -like 'SEND*.LOG' -and $_.LastWriteTime -gt $Since })
    if ($Logs.Count -eq 0) {
        Write-Warning "${Server} ($($Service.Service)): no send logs of the last $Days days in $Share"
        continue
    }
    $Into = Join-Path $To (Join-Path 'logs' (Join-Path $Server (Join-Path $Service.Service 'SmtpSend')))
    if (-not (Test-Path -LiteralPath $Into)) { New-Item -ItemType Directory -Path $Into | Out-Null }
    foreach ($Log in $Logs) { Copy-Item -LiteralPath $Log.FullName -Destination $Into }
    Write-Host "$Server ($($Service.Service)): $($Logs.Count) logs in $Into"
}
