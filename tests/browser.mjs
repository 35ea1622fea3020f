// Opens a page in headless Chromium as its readers do and prints, as JSON, what happened.
// node browser.mjs PLAYWRIGHT PAGE FOLDER
import { pathToFileURL } from 'node:url';

const [, , playwright, page, folder] = process.argv;
const { chromium } = await import(pathToFileURL(playwright));
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const seen = { console: [], requests: [], dialogs: 0, views: [] };
const views = [
  { name: '400', width: 400 }, { name: '1000', width: 1000 }, { name: '1600', width: 1600 },
  { name: 'dark', width: 1000, colorScheme: 'dark' }, { name: 'print', width: 700, media: 'print' },
];
for (const { name, width, colorScheme, media } of views) {
  const tab = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
  tab.on('console', (message) => seen.console.push(message.text()));
  tab.on('pageerror', (error) => seen.console.push(String(error)));
  tab.on('request', (request) => seen.requests.push(request.url()));
  tab.on('dialog', (dialog) => { seen.dialogs += 1; return dialog.dismiss(); });
  await tab.goto(pathToFileURL(page).href);
  if (media) await tab.emulateMedia({ media });
  await tab.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
  const facts = await tab.evaluate(() => {
    const box = (element) => element.getBoundingClientRect();
    const bars = [...document.querySelectorAll('td > svg.lane')];
    const all = (selector) => document.querySelectorAll(selector).length;
    return {
      text: document.body.innerText,
      background: getComputedStyle(document.body).backgroundColor,
      bar: getComputedStyle(document.querySelector('svg.lane .c0')).fill,
      sideways: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      outside: bars.filter((bar) => box(bar).right > innerWidth + 1 || box(bar).width < 200).length,
      // An axis is as wide as the bars under it.
      crooked: [...document.querySelectorAll('table.lanes')].filter((table) => {
        const [axis, bar] = [table.querySelector('svg.axis'), table.querySelector('td > svg.lane')];
        return axis && bar && Math.abs(box(axis).width - box(bar).width) > 1;
      }).length,
      active: all('script,img,iframe,object,embed,link,[onclick],[onerror],[onload],[style]'),
      tables: all('table'), named: all('table[role=table][aria-label]'),
      lanes: all('svg.lane'), told: all('.hidden + svg'),
      marks: [...document.querySelectorAll('td > svg.lane > a')]
        .filter((mark) => document.getElementById(mark.getAttribute('href').slice(1))).length,
    };
  });
  seen.views.push({ name, ...facts });
  await tab.close();
}
const tab = await browser.newPage();
await tab.goto(pathToFileURL(page).href);
const paper = await tab.pdf({ path: `${folder}/print.pdf`, format: 'A4' });
seen.pdf = paper.length;
await browser.close();
console.log(JSON.stringify(seen));
