function Save([string]$Name, $Objects) {
    $Objects = @($Objects | Where-Object { $_ })
    if ($Objects.Count -eq 0) { Write-Warning "nothing to export: $Name"; return }
    $Path = Join-Path $Expected "$Name.json"
    $Objects | ConvertTo-Json -Depth 4 | Set-Content -LiteralPath $Path -Encoding UTF8
    Write-Host "$($Objects.Count) in $Path"
}
