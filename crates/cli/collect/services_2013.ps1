$Services = @(Get-TransportService | Select-Object *, @{ n = 'Service'; e = {
            if ("$($_.SendProtocolLogPath)" -match '\\Edge\\') { 'Edge' } else { 'Hub' } } }) +
    @(Get-FrontendTransportService | Select-Object *, @{ n = 'Service'; e = { 'FrontEnd' } })
