import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { type OpenPage, pages } from '../support/page.js';

/* The instruments of the Train view: what they show is what the network is. */

const { open } = pages();

const DIGITS = { hidden: '32', samples: '1250', epochs: '6', batch: '50', 'optimizer.lr': '0.003' };
const XOR = { data: 'xor', points: '400', hidden: '16', epochs: '40', batch: '32', 'optimizer.lr': '0.02' };

const choose = async ({ page }: OpenPage, tab: string) => {
  await page.click(`#instruments-${tab}-tab`);
  await page.waitForSelector(`#instruments-${tab}:not([hidden])`);
};
/** Instruments that are not on the screen take no time, and show nothing. */
const look = ({ page }: OpenPage) => page.locator('#instruments').scrollIntoViewIfNeeded();
/** Until the page has it: on a CPU adapter beside others that takes a while. */
const poll = <T>(ask: () => T) => expect.poll(ask, { timeout: 30_000, interval: 100 });
const note = ({ page }: OpenPage) => page.locator('#instruments [role=tabpanel]:not([hidden]) .hint').first();

test('the boundary separates xor once it is learnt', async () => {
  const lab = await open(XOR);
  const { page, complaints, numberOf } = lab;
  await lab.runToEnd();
  await look(lab);
  await poll(() => note(lab).textContent()).toMatch(/^After step 400: /);
  const share = Number(/: ([\d.]+) %/.exec((await note(lab).textContent())!)![1]);
  expect(share).toBeGreaterThan(95);
  expect(share).toBe(await numberOf('accuracy'));
  // Opposite quarters have one colour, neighbours the other: read from the picture, away from all points.
  const colours = await page.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>('#instruments .plane')!;
    const context = canvas.getContext('2d')!;
    const { width } = canvas;
    const at = (x: number, y: number) => [...context.getImageData(x * width, y * width, 1, 1).data.subarray(0, 3)];
    return [at(0.02, 0.02), at(0.98, 0.02), at(0.02, 0.98), at(0.98, 0.98)];
  });
  const bluer = colours.map(([r, , b]) => b! > r!);
  expect(bluer).toEqual([false, true, true, false]); // class 0, blue, where the signs agree
  expect(complaints).toEqual([]);
});

test('the confusion matrix counts the test, and opens what was said wrongly', async () => {
  const lab = await open(DIGITS);
  const { page, complaints, numberOf } = lab;
  await choose(lab, 'confusion');
  await lab.runToEnd();
  await look(lab); // behind the click on Start, which has scrolled to it
  await poll(() => note(lab).textContent()).toMatch(/^After step 120: /);
  const rows = await page.$$eval('.confusion tbody tr', (list) =>
    list.map((row) => [...row.querySelectorAll('button')].map(({ textContent }) => Number(textContent))),
  );
  expect(rows.map((row) => row.length)).toEqual(new Array(10).fill(10));
  // 250 test samples, ten classes in turn.
  expect(rows.map((row) => row.reduce((sum, each) => sum + each, 0))).toEqual(new Array(10).fill(25));
  const right = rows.reduce((sum, row, i) => sum + row[i]!, 0);
  expect((100 * right) / 250).toBeCloseTo(await numberOf('accuracy'), 2);

  // By keyboard: into the table with one stop, by arrows to a cell with errors, Enter.
  const truth = rows.findIndex((row, i) => row.some((each, j) => each > 0 && j !== i));
  const said = rows[truth]!.findIndex((each, j) => each > 0 && j !== truth);
  await page.focus('.confusion button[tabindex="0"]');
  for (let i = 0; i < truth; i++) await page.keyboard.press('ArrowDown');
  for (let i = 0; i < said; i++) await page.keyboard.press('ArrowRight');
  await page.keyboard.press('Enter');
  expect(await page.textContent('.opened h4')).toMatch(
    new RegExp(`^${rows[truth]![said]} × ${truth}, said ${said}, after step 120`),
  );
  expect(await page.locator('.samples li').count()).toBe(Math.min(rows[truth]![said]!, 24));
  const inked = await page.$eval('.samples canvas', (canvas) =>
    (canvas as HTMLCanvasElement)
      .getContext('2d')!
      .getImageData(0, 0, 28, 28)
      .data.some((value) => value > 0),
  );
  expect(inked).toBe(true);
  expect(complaints).toEqual([]);
});

const bars = ({ page }: OpenPage) =>
  page.$$eval('.bars .value', (list) => list.map(({ textContent }) => Number.parseFloat(textContent ?? '')));
const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);

test('a digit is drawn while the network trains, and its probabilities sum to 1', async () => {
  const lab = await open({ ...DIGITS, epochs: '100000' });
  const { page, complaints, phase } = lab;
  await choose(lab, 'draw');
  await lab.start();
  await look(lab);
  const box = (await page.locator('.pad').boundingBox())!;
  await page.mouse.move(box.x + 140, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + 140, box.y + 240, { steps: 12 });
  await page.mouse.up();
  await poll(async () => total(await bars(lab))).toBeCloseTo(100, 0);
  expect(await page.textContent('.said')).toMatch(/^\d \(\d+ %\)$/);
  // It is scaled and centred as MNIST's digits: 20 pixels high, in the middle.
  const seen = await page.$eval('.seen-box canvas', (element) => {
    const { data } = (element as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, 28, 28);
    const rows = Array.from({ length: 28 }, (_, row) =>
      Array.from({ length: 28 }, (_, column) => data[4 * (28 * row + column) + 3]!),
    );
    return rows.map((row) => Math.max(...row) > 127);
  });
  expect(seen.filter(Boolean).length).toBe(20);
  expect(seen.indexOf(true)).toBe(4);

  // Paused, a test image is chosen by keyboard; then the pad is cleared.
  await page.click('#primary');
  await phase('paused');
  await page.fill('#draw-sample', '3');
  await page.press('#draw-sample', 'Enter');
  await poll(() => page.textContent('#instruments-draw .hint')).toMatch(/It is \d\./);
  expect(total(await bars(lab))).toBeCloseTo(100, 0);
  await page.fill('#draw-sample', '251');
  await page.press('#draw-sample', 'Enter');
  expect(await page.textContent('#instruments-draw .hint')).toBe('There are test images 1 to 250.');
  await page.click('text=Clear');
  expect((await bars(lab)).every(Number.isNaN)).toBe(true);
  expect(complaints).toEqual([]);
});

test('layers and first weights show finite figures of the network that trains', async () => {
  const lab = await open({ ...DIGITS, hidden: '32, 16', epochs: '100000' });
  const { page, complaints } = lab;
  await choose(lab, 'layers');
  await lab.start();
  await look(lab);
  await page.waitForSelector('.layers tbody tr', { timeout: 60_000 });
  const rows = await page.$$eval('.layers tbody tr', (list) =>
    list.map((row) => [...row.children].map(({ textContent }) => textContent)),
  );
  expect(rows.map(([name]) => name)).toEqual(['0 linear 32', '1 relu 32', '2 linear 16', '3 relu 16', '4 linear 10']);
  for (const [, outputs, gradient, ratio, dead] of rows) {
    for (const text of [outputs, gradient, ratio, dead]) expect(text).not.toMatch(/NaN|Infinity/);
  }
  const ratios = rows.map(([, , , ratio]) => Number(ratio)).filter((value) => value > 0);
  expect(ratios.length).toBe(3);
  for (const ratio of ratios) expect(ratio).toBeLessThan(1);
  expect(rows[1]![4]).toMatch(/^[\d.]+ %$/);
  expect(await page.locator('.layers canvas').count()).toBeGreaterThanOrEqual(5);

  await choose(lab, 'weights');
  await poll(() => note(lab).textContent()).toMatch(/^32 units after step/);
  const scale = await page.textContent('.scale');
  expect(scale).toMatch(/^−[\d.]+\+[\d.]+$/);
  const colours = await page.$eval('canvas.weights', (element) => {
    const canvas = element as HTMLCanvasElement;
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    return new Set(Array.from({ length: data.length / 4 }, (_, i) => data.slice(4 * i, 4 * i + 4).join())).size;
  });
  expect(colours).toBeGreaterThan(20);
  expect(complaints).toEqual([]);
});

test('points are painted by hand and by keyboard, and a network learns them', async () => {
  const lab = await open({ ...XOR, data: 'painted', sampling: 'full', epochs: '150' });
  const { page, complaints } = lab;
  const says = () => page.textContent('#painter [role=status]');
  await poll(says).toBe('Paint points of two classes at least.');
  expect(await page.getAttribute('#primary', 'aria-disabled')).toBe('true');

  const square = page.locator('#painter canvas');
  await square.scrollIntoViewIfNeeded();
  const box = (await square.boundingBox())!;
  const stroke = async (column: number) => {
    await page.mouse.move(box.x + column * box.width, box.y + 0.2 * box.height);
    await page.mouse.down();
    await page.mouse.move(box.x + column * box.width, box.y + 0.8 * box.height, { steps: 24 });
    await page.mouse.up();
  };
  await stroke(0.2);
  expect(await says()).toBe('All points are of one class: paint some of another.');
  await page.click('.paint-class:nth-child(2)');
  await stroke(0.8);
  expect(await says()).toMatch(/^\d+ points: \d+ A, \d+ B\.$/);
  // By keyboard: a point of a third class, which Undo takes back.
  await square.focus();
  for (const key of ['3', 'ArrowUp', 'ArrowRight', 'Enter']) await page.keyboard.press(key);
  expect(await says()).toMatch(/, 1 C\.$/);
  await page.click('#painter >> text=Undo');
  expect(await says()).not.toMatch(/C/);

  await lab.runToEnd();
  await look(lab);
  await poll(() => note(lab).textContent()).toMatch(/^After step 150: 100.00 % of the/);
  expect(await page.textContent('#instruments .classes')).toMatch(/A.*B/);
  expect(complaints).toEqual([]);
});

test('a table with two columns of numbers is a plane as well; axe finds nothing in any tab', async () => {
  const lab = await open({ ...XOR, data: 'files', sampling: 'full', epochs: '20' });
  const { page, complaints } = lab;
  const rows = Array.from(
    { length: 60 },
    (_, i) => `${(i % 10) / 10},${i % 2 === 0 ? 5 : -5},${i % 2 === 0 ? 'up' : 'down'}`,
  );
  const file = (text: string) => ({ name: 'two.csv', mimeType: 'text/csv', buffer: Buffer.from(text) });
  await page.setInputFiles('#files', file('no table at all'));
  await poll(() => page.getAttribute('#file-note', 'class')).toBe('problem');
  await page.setInputFiles('#files', file(['wide,high,side', ...rows].join('\n')));
  await poll(() => page.textContent('#instruments .classes')).toMatch(/down.*up.*wide: .*high: /);
  await lab.runToEnd();
  await look(lab);
  await poll(() => note(lab).textContent()).toMatch(/^After step 20: /);
  await page.evaluate(AXE);
  for (const tab of ['boundary', 'layers', 'confusion']) {
    await choose(lab, tab);
    if (tab === 'confusion') await page.click('.confusion button:not([data-count="0"])');
    expect(await page.evaluate(faults), tab).toEqual([]);
  }
  expect(await page.locator('.samples li').count()).toBeGreaterThan(0);
  expect(complaints).toEqual([]);
});

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** What axe finds in the instruments; in the page. */
async function faults(): Promise<string[]> {
  const { axe } = window as unknown as { axe: typeof import('axe-core') };
  const { violations } = await axe.run('#instruments');
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id} ${target}`));
}
