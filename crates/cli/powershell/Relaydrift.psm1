# Commands over relaydrift: arguments in, its rows out as typed objects.
# The program is the one that $env:RELAYDRIFT_EXE names, else relaydrift on the PATH.

Set-StrictMode -Version 2.0

# Runs relaydrift and gives each row as an object of this type. Exit code 1 says that drift was found, which is no error.
function Invoke-Relaydrift {
    param([string[]] $Arguments, [string] $Type, [string[]] $Times, [string] $Query)
    $program = 'relaydrift'
    if ($env:RELAYDRIFT_EXE) { $program = $env:RELAYDRIFT_EXE }
    $OutputEncoding = New-Object System.Text.UTF8Encoding $false
    # A host without a console (ISE, remoting) has no encoding to change.
    $before = $null
    try {
        $before = [Console]::OutputEncoding
        [Console]::OutputEncoding = $OutputEncoding
    } catch { $before = $null }
    try {
        # A query goes through stdin: Windows PowerShell 5.1 drops quotes inside arguments.
        if ($Query) { $lines = @($Query | & $program @Arguments) } else { $lines = @(& $program @Arguments) }
        $code = $LASTEXITCODE
    } finally {
        if ($before) { [Console]::OutputEncoding = $before }
    }
    if ($code -gt 1) { throw "relaydrift $($Arguments[0]) ended with exit code $code; its message is above" }
    foreach ($line in $lines) {
        if (-not $Type) { $line; continue }
        $row = ConvertFrom-Json -InputObject $line
        foreach ($name in $Times) {
            # PowerShell 7 has made times of them already.
            if ($row.$name -is [string]) {
                $row.$name = [DateTimeOffset]::Parse($row.$name, [Globalization.CultureInfo]::InvariantCulture).UtcDateTime
            }
        }
        $row.PSObject.TypeNames.Insert(0, $Type)
        $row
    }
}

# A time as relaydrift reads it.
function ConvertTo-RelaydriftTime {
    param([datetime] $Time)
    $Time.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", [Globalization.CultureInfo]::InvariantCulture)
}

# A text as SQL reads it.
function ConvertTo-SqlText {
    param([string] $Text)
    "'" + $Text.Replace("'", "''") + "'"
}

# Where the rows come from: a lake, or raw logs.
function Get-RelaydriftSource {
    param([string] $Lake, [string[]] $Path)
    if ($Lake) { '--lake'; $Lake }
    foreach ($one in $Path) { if ($one) { '--logs'; $one } }
}

# What -Server, -Connector, -Start and -End ask for, where a command was given them.
function Get-RelaydriftFilter {
    param($Given)
    if ($Given['Server']) { '--server'; $Given['Server'] }
    if ($Given['Connector']) { '--connector'; $Given['Connector'] }
    if ($Given.ContainsKey('Start')) { '--since'; ConvertTo-RelaydriftTime $Given['Start'] }
    if ($Given.ContainsKey('End')) { '--until'; ConvertTo-RelaydriftTime $Given['End'] }
}

# The first rows of a stream, or all of them; it is said where there are more.
function Select-RelaydriftResult {
    param([string] $ResultSize, [Parameter(ValueFromPipeline)] $InputObject)
    begin { $left = if ($ResultSize -eq 'Unlimited') { [long]::MaxValue } else { [long] $ResultSize } }
    process {
        $left--
        if ($left -ge 0) { $InputObject }
        if ($left -eq -1) { Write-Warning "There are more than ${ResultSize}: -ResultSize Unlimited gives all of them" }
    }
}

function Get-SendLogDrift {
    <#
    .SYNOPSIS
    Lists the changes of certificates, addresses and TLS that send connectors presented.
    .DESCRIPTION
    Asks `relaydrift drift`. Times are UTC.
    .PARAMETER Lake
    The lake that Import-SendLog wrote.
    .PARAMETER Path
    Raw logs instead of a lake: files, folders, globs or archives.
    .PARAMETER Server
    Findings of this server.
    .PARAMETER Connector
    Findings of this connector.
    .PARAMETER Start
    Findings from this time on.
    .PARAMETER End
    Findings before this time.
    .PARAMETER Breaking
    Only findings that broke mail.
    .PARAMETER ResultSize
    At most so many rows, 1000 unless given, or Unlimited.
    .EXAMPLE
    Get-SendLogDrift -Lake D:\lake -Start (Get-Date).AddDays(-7) -Breaking
    #>
    [CmdletBinding(DefaultParameterSetName = 'Lake')]
    param(
        [Parameter(Mandatory, ParameterSetName = 'Lake')] [string] $Lake,
        [Parameter(Mandatory, ParameterSetName = 'Path', Position = 0)] [string[]] $Path,
        [string] $Server,
        [string] $Connector,
        [datetime] $Start,
        [datetime] $End,
        [switch] $Breaking,
        [ValidatePattern('^(\d+|Unlimited)$')] [string] $ResultSize = '1000'
    )
    $arguments = @('drift') + @(Get-RelaydriftSource $Lake $Path) + @('--format', 'ndjson', '--quiet')
    $arguments += @(Get-RelaydriftFilter $PSBoundParameters)
    if ($Breaking) { $arguments += '--breaking' }
    $times = 'found_at', 'first_seen', 'last_good', 'last_refused', 'relayed_again'
    Invoke-Relaydrift $arguments 'Relaydrift.Drift' $times | Select-RelaydriftResult $ResultSize
}

function Get-SendLogDiagnosis {
    <#
    .SYNOPSIS
    Says why mail is refused, who is hit, and what to do.
    .DESCRIPTION
    Asks `relaydrift diagnose`. One object is one incident. Times are UTC.
    .PARAMETER Lake
    The lake that Import-SendLog wrote.
    .PARAMETER Path
    Raw logs instead of a lake: files, folders, globs or archives.
    .PARAMETER Server
    Incidents of this server.
    .PARAMETER Connector
    Incidents of this connector.
    .PARAMETER Start
    Incidents that refused mail from this time on.
    .PARAMETER End
    Incidents that began before this time.
    .PARAMETER ResultSize
    At most so many rows, 1000 unless given, or Unlimited.
    .EXAMPLE
    Get-SendLogDiagnosis -Lake D:\lake | Format-List
    #>
    [CmdletBinding(DefaultParameterSetName = 'Lake')]
    param(
        [Parameter(Mandatory, ParameterSetName = 'Lake')] [string] $Lake,
        [Parameter(Mandatory, ParameterSetName = 'Path', Position = 0)] [string[]] $Path,
        [string] $Server,
        [string] $Connector,
        [datetime] $Start,
        [datetime] $End,
        [ValidatePattern('^(\d+|Unlimited)$')] [string] $ResultSize = '1000'
    )
    $arguments = @('diagnose') + @(Get-RelaydriftSource $Lake $Path) + @('--format', 'ndjson', '--quiet')
    $arguments += @(Get-RelaydriftFilter $PSBoundParameters)
    $times = 'first_refused', 'last_refused', 'last_good', 'relayed_again'
    Invoke-Relaydrift $arguments 'Relaydrift.Diagnosis' $times | Select-RelaydriftResult $ResultSize
}

function Get-SendLogSession {
    <#
    .SYNOPSIS
    Lists whole SMTP sessions: endpoints, TLS, certificates, recipients accepted and refused.
    .DESCRIPTION
    Asks `relaydrift sql` for the table sessions, oldest first. Times are UTC.
    .PARAMETER Lake
    The lake that Import-SendLog wrote.
    .PARAMETER Path
    Raw logs instead of a lake: files, folders, globs or archives.
    .PARAMETER Server
    Sessions of this server.
    .PARAMETER Connector
    Sessions of this connector.
    .PARAMETER SessionId
    The session of this id.
    .PARAMETER Start
    Sessions that began at this time or later.
    .PARAMETER End
    Sessions that began before this time.
    .PARAMETER Refused
    Only sessions in which a recipient was refused.
    .PARAMETER ResultSize
    At most so many rows, 1000 unless given, or Unlimited.
    .EXAMPLE
    Get-SendLogSession -Lake D:\lake -Server EX02 -Refused -ResultSize 20
    #>
    [CmdletBinding(DefaultParameterSetName = 'Lake')]
    param(
        [Parameter(Mandatory, ParameterSetName = 'Lake')] [string] $Lake,
        [Parameter(Mandatory, ParameterSetName = 'Path', Position = 0)] [string[]] $Path,
        [string] $Server,
        [string] $Connector,
        [string] $SessionId,
        [datetime] $Start,
        [datetime] $End,
        [switch] $Refused,
        [ValidatePattern('^(\d+|Unlimited)$')] [string] $ResultSize = '1000'
    )
    $wanted = @('true')
    if ($Server) { $wanted += "lower(server) = lower($(ConvertTo-SqlText $Server))" }
    if ($Connector) { $wanted += "lower(connector_id) = lower($(ConvertTo-SqlText $Connector))" }
    if ($SessionId) { $wanted += "session_id = upper($(ConvertTo-SqlText $SessionId))" }
    if ($PSBoundParameters.ContainsKey('Start')) { $wanted += "start_time >= '$(ConvertTo-RelaydriftTime $Start)'" }
    if ($PSBoundParameters.ContainsKey('End')) { $wanted += "start_time < '$(ConvertTo-RelaydriftTime $End)'" }
    if ($Refused) { $wanted += 'refused > 0' }
    $query = "select * from sessions where $($wanted -join ' and ') order by start_time, server, session_id"
    # One more tells that there are more.
    if ($ResultSize -ne 'Unlimited') { $query += " limit $([long] $ResultSize + 1)" }
    $arguments = @('sql') + @(Get-RelaydriftSource $Lake $Path) + @('--format', 'ndjson', '--quiet')
    Invoke-Relaydrift $arguments 'Relaydrift.Session' @('start_time', 'end_time') $query | Select-RelaydriftResult $ResultSize
}

function Import-SendLog {
    <#
    .SYNOPSIS
    Reads send logs into a lake, each line exactly once.
    .DESCRIPTION
    Runs `relaydrift ingest`. Run again later, it reads only what is new.
    .PARAMETER Path
    Send logs: files, folders, globs or archives.
    .PARAMETER Lake
    The lake: a folder, or a URL in an object store; created where there is none.
    .PARAMETER Server
    The server of every file given, where the folders do not say it.
    .PARAMETER Organization
    The organization (forest) that the logs come from.
    .EXAMPLE
    Import-SendLog \\EX01\c$\Logs\SmtpSend, \\EX02\c$\Logs\SmtpSend -Lake D:\lake
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory, Position = 0)] [string[]] $Path,
        [Parameter(Mandatory)] [string] $Lake,
        [string] $Server,
        [string] $Organization
    )
    $arguments = @('ingest', '--lake', $Lake)
    if ($Server) { $arguments += '--server', $Server }
    if ($Organization) { $arguments += '--organization', $Organization }
    Invoke-Relaydrift ($arguments + $Path)
}
