# The PowerShell of Exchange 2010 does not know JSON.
function Save([string]$Name, $Objects) {
    $Objects = @($Objects | Where-Object { $_ })
    $Path = Join-Path $Expected "$Name.xml"
    # That there is none is a fact too: the file's name says of what.
    if ($Objects.Count -eq 0) { Set-Content -Path $Path -Encoding UTF8 -Value '<Objs Version="1.1.0.1"></Objs>' }
    else { $Objects | Export-Clixml -Path $Path -Depth 4 }
    Write-Host "$($Objects.Count) in $Path"
}
