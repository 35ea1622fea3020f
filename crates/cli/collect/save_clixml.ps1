# The PowerShell of Exchange 2010 does not know JSON.
function Save([string]$Name, $Objects) {
    $Objects = @($Objects | Where-Object { $_ })
    if ($Objects.Count -eq 0) { Write-Warning "nothing to export: $Name"; return }
    $Path = Join-Path $Expected "$Name.xml"
    $Objects | Export-Clixml -Path $Path -Depth 4
    Write-Host "$($Objects.Count) in $Path"
}
