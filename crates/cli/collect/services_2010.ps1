$Services = @(Get-TransportServer | Select-Object *, @{ n = 'Service'; e = {
            if ("$($_.SendProtocolLogPath)" -match '\\Edge\\') { 'Edge' } else { 'Hub' } } })
