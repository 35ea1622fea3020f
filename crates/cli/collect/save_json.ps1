function Save([string]$Name, $Objects) {
    $Objects = @($Objects | Where-Object { $_ })
    $Path = Join-Path $Expected "$Name.json"
    # That there is none is a fact too: the file's name says of what.
    $Json = if ($Objects.Count -eq 0) { '[]' } else { $Objects | ConvertTo-Json -Depth 4 }
    $Json | Set-Content -LiteralPath $Path -Encoding UTF8
    Write-Host "$($Objects.Count) in $Path"
}
