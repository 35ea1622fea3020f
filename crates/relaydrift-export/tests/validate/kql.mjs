// Queries against Microsoft's own parser, with our tables and the audit tables that they join.
import { createRequire } from 'module';
import { readFileSync, readdirSync } from 'fs';
const [node, siem] = process.argv.slice(2);
const require = createRequire(node + '/');
require('@kusto/language-service-next/bridge.min.js');
require('@kusto/language-service-next/Kusto.Language.Bridge.min.js');
const { Kusto } = globalThis;
const S = Kusto.Language.Symbols;
const types = { datetime: 'datetime', string: 'string', int: 'int', long: 'long', boolean: 'bool', dynamic: 'dynamic' };
const table = (name, columns) => `${name}: (${columns.map(c => `${c.name}: ${types[c.type]}`).join(', ')})`;
const own = JSON.parse(readFileSync(`${siem}/sentinel/tables.json`, 'utf8'));
const column = (name, type) => ({ name, type });
const audit = [
  { name: 'OfficeActivity', columns: [column('TimeGenerated', 'datetime'), column('OfficeWorkload', 'string'), column('Operation', 'string'), column('UserId', 'string'), column('Parameters', 'string')] },
  { name: 'Event', columns: [column('TimeGenerated', 'datetime'), column('EventLog', 'string'), column('RenderedDescription', 'string'), column('UserName', 'string')] },
];
const symbols = [...own, ...audit].map(one => S.TableSymbol.From(table('', one.columns).slice(2)).WithName(one.name));
const database = new S.DatabaseSymbol.$ctor1 ? new S.DatabaseSymbol.$ctor1('db', symbols) : new S.DatabaseSymbol('db', symbols);
const globals = Kusto.Language.GlobalState.Default.WithDatabase(database);
function problems(name, text) {
  const code = Kusto.Language.KustoCode.ParseAndAnalyze(text, globals);
  const all = code.GetDiagnostics();
  const found = [];
  for (let i = 0; i < all.Count; i += 1) found.push(`${name}: ${all.getItem(i).Message}`);
  return found;
}
// The parser must see what is wrong before its silence counts.
for (const wrong of ['RelaydriftFindings_CL | where NoSuchColumn == 1', 'RelaydriftFindings_CL | wheer 1 == 1']) {
  if (!problems('', wrong).length) { console.error(`not noticed: ${wrong}`); process.exit(1); }
}
const queries = [];
// Parsers are functions; those without parameters call the others.
const parameters = JSON.parse(readFileSync(`${siem}/sentinel/parsers/parameters.json`, 'utf8'));
const text = (folder, file) => readFileSync(`${siem}/sentinel/${folder}/${file}`, 'utf8');
const functions = Object.entries(parameters)
  .map(([name, list]) => `let ${name} = (${list}) {\n${text('parsers', `${name}.kql`)}};\n`).join('');
const asked = list => list.split(', ').map(one => one.split(/[:=]/)).map(([name, type]) =>
  `${name}=${{ datetime: 'now()', dynamic: "dynamic(['a'])", int: '25', string: "'Failure'", bool: 'false' }[type]}`);
for (const [name, list] of Object.entries(parameters)) {
  queries.push([name, `${functions}${name}(${asked(list).join(', ')}) | project EventSchema, EventType, EventResult, Dvc`]);
}
if (!problems('', `${functions}vimEmailEventRelaydrift(nosuchparameter=1)`).length) { console.error('not noticed: a parameter'); process.exit(1); }
for (const file of readdirSync(`${siem}/sentinel/parsers`).filter(file => file.startsWith('ASim'))) {
  queries.push([file, functions + text('parsers', file)]);
}
for (const file of readdirSync(`${siem}/sentinel/rules`)) queries.push([file, text('rules', file)]);
const workbook = JSON.parse(readFileSync(`${siem}/sentinel/workbook.json`, 'utf8'));
for (const item of workbook.items.filter(item => item.type === 3)) {
  queries.push([`workbook ${item.name}`, item.content.query.replaceAll('{TimeRange:query}', '> ago(30d)')]);
}
const found = queries.flatMap(([name, text]) => problems(name, text));
if (found.length) { console.error(found.join('\n')); process.exit(1); }
console.log(queries.length);
