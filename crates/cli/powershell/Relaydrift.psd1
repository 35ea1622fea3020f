@{
    RootModule        = 'Relaydrift.psm1'
    ModuleVersion     = '0.1.0'
    GUID              = '5d0c5c1e-0f0b-4f0a-9c4e-7a0f6d1b2e93'
    Description       = 'Certificate and address drift in the send-protocol logs of Exchange, as objects'
    PowerShellVersion = '5.1'
    FormatsToProcess  = @('Relaydrift.format.ps1xml')
    FunctionsToExport = @('Get-SendLogDrift', 'Get-SendLogSession', 'Get-SendLogDiagnosis', 'Import-SendLog')
    CmdletsToExport   = @()
    VariablesToExport = @()
    AliasesToExport   = @()
}
