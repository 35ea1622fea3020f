// Events on stdin against @elastic/ecs: every field known and of its type, allowed values, event.type fitting
// event.category.
import { createRequire } from 'module';
import { readFileSync } from 'fs';
const require = createRequire(process.argv[2] + '/');
const { EcsFlat } = require('@elastic/ecs');
const problems = [];
const date = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;
const fits = {
  keyword: v => typeof v === 'string', wildcard: v => typeof v === 'string', constant_keyword: v => typeof v === 'string',
  text: v => typeof v === 'string', match_only_text: v => typeof v === 'string',
  long: v => Number.isInteger(v), integer: v => Number.isInteger(v), float: v => typeof v === 'number',
  boolean: v => typeof v === 'boolean', date: v => typeof v === 'string' && date.test(v),
  ip: v => typeof v === 'string' && require('net').isIP(v) > 0,
};
function walk(value, path) {
  if (path === 'relaydrift') return;
  const field = EcsFlat[path];
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) {
    for (const [name, member] of Object.entries(value)) walk(member, path ? `${path}.${name}` : name);
    return;
  }
  if (!field) return problems.push(`unknown field ${path}`);
  const arrays = (field.normalize ?? []).includes('array');
  if (arrays !== Array.isArray(value)) problems.push(`${path}: array or not`);
  const allowed = (field.allowed_values ?? []).map(one => one.name);
  for (const one of [value].flat()) {
    if (!(fits[field.type] ?? (() => true))(one)) problems.push(`${path}: ${JSON.stringify(one)} is no ${field.type}`);
    if (allowed.length && !allowed.includes(one)) problems.push(`${path}: ${one} is not allowed`);
  }
}
let count = 0;
for (const line of readFileSync(0, 'utf8').split('\n').filter(Boolean)) {
  const event = JSON.parse(line);
  walk(event, '');
  const categories = EcsFlat['event.category'].allowed_values.filter(one => event.event.category.includes(one.name));
  const expected = categories.flatMap(one => one.expected_event_types);
  for (const type of event.event.type) if (!expected.includes(type)) problems.push(`event.type ${type} for ${event.event.category}`);
  count += 1;
}
if (problems.length) { console.error([...new Set(problems)].join('\n')); process.exit(1); }
console.log(count);
