// Tables, data collection rule, ASIM parsers, analytics rules and workbook for relaydrift in Microsoft Sentinel.
//
//   az deployment group create -g RESOURCE-GROUP -f main.bicep -p workspaceName=WORKSPACE
//
// Then give the application that sends the role "Monitoring Metrics Publisher" on the data collection rule, and
//   relaydrift export --lake DIR --what drift --as sentinel --resume azure --tenant TENANT --client-id ID
//     --secret-file FILE --to ENDPOINT/dataCollectionRules/RULE/streams/Custom-RelaydriftFindings_CL
// with ENDPOINT and RULE from the outputs below.

@description('The Log Analytics workspace of Microsoft Sentinel.')
param workspaceName string
param location string = resourceGroup().location

var tables = loadJsonContent('tables.json')

resource workspace 'Microsoft.OperationalInsights/workspaces@2022-10-01' existing = {
  name: workspaceName
}

resource customTables 'Microsoft.OperationalInsights/workspaces/tables@2022-10-01' = [for table in tables: {
  parent: workspace
  name: table.name
  properties: {
    schema: {
      name: table.name
      columns: table.columns
    }
  }
}]

resource collection 'Microsoft.Insights/dataCollectionRules@2023-03-11' = {
  name: 'relaydrift'
  location: location
  kind: 'Direct'
  properties: {
    streamDeclarations: toObject(tables, table => 'Custom-${table.name}', table => { columns: table.columns })
    destinations: {
      logAnalytics: [
        {
          name: 'workspace'
          workspaceResourceId: workspace.id
        }
      ]
    }
    dataFlows: [for table in tables: {
      streams: [ 'Custom-${table.name}' ]
      destinations: [ 'workspace' ]
      transformKql: 'source'
      outputStream: 'Custom-${table.name}'
    }]
  }
  dependsOn: [ customTables ]
}

// Filtering parsers, and those without parameters that call them.
var parameters = loadJsonContent('parsers/parameters.json')
var parsers = [
  { name: 'vimAlertEventRelaydrift', query: loadTextContent('parsers/vimAlertEventRelaydrift.kql') }
  { name: 'vimAuditEventRelaydrift', query: loadTextContent('parsers/vimAuditEventRelaydrift.kql') }
  { name: 'vimEmailEventRelaydrift', query: loadTextContent('parsers/vimEmailEventRelaydrift.kql') }
  { name: 'vimNetworkSessionRelaydrift', query: loadTextContent('parsers/vimNetworkSessionRelaydrift.kql') }
  { name: 'ASimAlertEventRelaydrift', query: loadTextContent('parsers/ASimAlertEventRelaydrift.kql') }
  { name: 'ASimAuditEventRelaydrift', query: loadTextContent('parsers/ASimAuditEventRelaydrift.kql') }
  { name: 'ASimEmailEventRelaydrift', query: loadTextContent('parsers/ASimEmailEventRelaydrift.kql') }
  { name: 'ASimNetworkSessionRelaydrift', query: loadTextContent('parsers/ASimNetworkSessionRelaydrift.kql') }
]

resource functions 'Microsoft.OperationalInsights/workspaces/savedSearches@2020-08-01' = [for parser in parsers: {
  parent: workspace
  name: parser.name
  properties: {
    category: 'ASIM'
    displayName: parser.name
    functionAlias: parser.name
    query: parser.query
    functionParameters: parameters[?parser.name] ?? ''
    version: 2
  }
  dependsOn: [ customTables ]
}]

var rules = [
  {
    name: 'Mail flow incident found by relaydrift'
    description: 'One alert per incident: certificates or addresses changed on a send connector toward Exchange Online.'
    severity: 'Medium'
    tactics: []
    techniques: []
    query: loadTextContent('rules/incident.kql')
  }
  {
    name: 'Interception or strange certificate on a connector to Exchange Online'
    description: 'Findings of the security stream alone.'
    severity: 'High'
    tactics: [ 'CredentialAccess' ]
    techniques: [ 'T1557' ]
    query: loadTextContent('rules/security.kql')
  }
  {
    name: 'Mail flow incident within a day of a connector or certificate command'
    description: 'Joins incidents with connector and certificate cmdlets in the audit logs, 24 hours either way.'
    severity: 'Medium'
    tactics: []
    techniques: []
    query: loadTextContent('rules/admin-change.kql')
  }
]

resource alertRules 'Microsoft.SecurityInsights/alertRules@2023-11-01' = [for rule in rules: {
  scope: workspace
  name: guid(workspace.id, rule.name)
  kind: 'Scheduled'
  properties: {
    displayName: rule.name
    description: rule.description
    severity: rule.severity
    enabled: true
    query: rule.query
    queryFrequency: 'PT15M'
    queryPeriod: 'P2D'
    triggerOperator: 'GreaterThan'
    triggerThreshold: 0
    suppressionDuration: 'PT1H'
    suppressionEnabled: false
    tactics: rule.tactics
    techniques: rule.techniques
    eventGroupingSettings: { aggregationKind: 'AlertPerResult' }
    alertDetailsOverride: {
      alertDisplayNameFormat: '{{AlertName}} on {{Object}}'
      alertSeverityColumnName: 'EventSeverity'
    }
    customDetails: {
      incident: 'AlertId'
      connector: 'Object'
      refused: 'RefusedCount'
    }
    entityMappings: [
      {
        entityType: 'Host'
        fieldMappings: [ { identifier: 'HostName', columnName: 'DvcHostname' } ]
      }
    ]
    incidentConfiguration: {
      createIncident: true
      groupingConfiguration: {
        enabled: true
        reopenClosedIncident: false
        lookbackDuration: 'P7D'
        matchingMethod: 'Selected'
        groupByEntities: []
        groupByAlertDetails: []
        groupByCustomDetails: [ 'incident' ]
      }
    }
  }
  dependsOn: [ customTables ]
}]

resource workbook 'Microsoft.Insights/workbooks@2022-04-01' = {
  name: guid(workspace.id, 'relaydrift')
  location: location
  kind: 'shared'
  properties: {
    displayName: 'relaydrift: what connectors present'
    category: 'sentinel'
    sourceId: workspace.id
    serializedData: loadTextContent('workbook.json')
  }
}

output endpoint string = collection.properties.endpoints.logsIngestion
output rule string = collection.properties.immutableId
