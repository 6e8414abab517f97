import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { pages, withoutGpu } from '../support/page.js';

/* The Landscape view in a real browser: functions without WebGPU, the network on it. */

const { open } = pages();

const link = (state: Readonly<Record<string, string>> = {}) => ({
  v: '2',
  view: 'landscape',
  ...Object.fromEntries(Object.entries(state).map(([key, text]) => [`landscape.${key}`, text])),
});

const computed = (page: Page, words = '500 steps: ') =>
  page.waitForFunction((text) => document.getElementById('land-status')?.textContent?.includes(text), words, {
    timeout: 60_000,
  });
/** A cell of a contender's row: 1 is the name, 2 the rate, 3 steps, 4 the value, 5 how it ended. */
const cell = async (page: Page, name: string, column: number) =>
  (await page.textContent(`.land-table tr:has(label:has-text("${name}")) > :nth-child(${column + 1})`)) ?? '';
/** Colours on a canvas. */
const pixels = (page: Page, canvas = '#land-canvas') =>
  page.$eval(canvas, (element) => {
    const canvas = element as HTMLCanvasElement;
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    const colours = new Set<number>();
    for (let i = 0; i < data.length; i += 4) colours.add(data[i]! * 65536 + data[i + 1]! * 256 + data[i + 2]!);
    return colours.size;
  });

test('all rules go down the ravine without WebGPU, and no frame waits for it', async () => {
  const { page, complaints } = await open(link(), {
    before: async (fresh) => {
      await withoutGpu(fresh);
      await fresh.addInitScript(() => {
        const long: number[] = [];
        Object.assign(window, { long });
        new PerformanceObserver((list) => {
          for (const { duration } of list.getEntries()) long.push(duration);
        }).observe({ type: 'longtask' });
      });
    },
  });
  await computed(page);
  expect(await page.textContent('#land-status')).toMatch(/^30 optimizers, 500 steps: \d+ ms$/);
  expect(await page.textContent('#land-facts')).toContain('condition number 64');
  expect(await page.textContent('#land-facts')).toContain('2/λmax = 1.');
  for (const name of ['SGD', 'Adam', 'L-BFGS', 'Newton-CG', 'Descent'])
    expect(await cell(page, name, 5), name).not.toBe('');
  expect(await cell(page, 'Newton-CG', 5)).toContain('the gradient is 0');
  await page.waitForFunction(() => document.querySelectorAll('#land-fall canvas').length > 0);
  // Bands and lines are drawn.
  await expect.poll(() => pixels(page)).toBeGreaterThan(50);

  // While another start is computed, the page answers.
  await page.evaluate(() => {
    (window as unknown as { long: number[] }).long.length = 0;
  });
  await page.fill('#land-x', '5');
  await page.waitForFunction(() => location.hash.includes('landscape.x=5'));
  await computed(page);
  // Drawn in pieces: of what may be long, chart and picture, each is a frame of its own. How long one takes is the machine's.
  expect(await page.evaluate(() => (window as unknown as { long: number[] }).long.length)).toBeLessThan(6);
  expect(complaints).toEqual([]);
});

test('the start is clicked, dragged and moved by keys; the link has it, and gives it back', async () => {
  const { page, complaints } = await open(link({ problem: 'himmelblau', rates: 'equal', lr: '0.01' }), {
    before: withoutGpu,
  });
  await computed(page);
  const box = (await page.locator('#land-canvas').boundingBox())!;
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.75, box.y + box.height / 4, { steps: 5 });
  await page.mouse.up();
  const x = Number(await page.inputValue('#land-x'));
  const y = Number(await page.inputValue('#land-y'));
  expect(x).toBeGreaterThan(1);
  expect(y).toBeGreaterThan(1);
  await page.focus('#land-canvas');
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('Shift+ArrowDown');
  expect(Number(await page.inputValue('#land-x'))).toBeLessThan(x);
  expect(Number(await page.inputValue('#land-y'))).toBeLessThan(y);
  await page.fill('#land-x', '1');
  await page.fill('#land-y', '1');
  await page.fill('.land-table input[name="lr.adam"]', '0.2');
  await page.keyboard.press('Tab'); // a rate counts when it is left
  await page.uncheck('#land-show-sgd');
  await computed(page);
  const hash = new URLSearchParams((await page.evaluate(() => location.hash)).slice(1));
  expect(Object.fromEntries(hash)).toMatchObject({
    ...{ 'landscape.problem': 'himmelblau', 'landscape.x': '1', 'landscape.y': '1', 'landscape.lr.adam': '0.2' },
    ...{ 'landscape.rates': 'equal', 'landscape.lr': '0.01' },
  });
  expect(hash.get('landscape.rules')).not.toMatch(/\bsgd\b/);

  const again = await open(`#${hash}`, { before: withoutGpu });
  await computed(again.page);
  expect(await again.page.inputValue('#land-x')).toBe('1');
  expect(await again.page.inputValue('.land-table input[name="lr.adam"]')).toBe('0.2');
  expect(await again.page.isChecked('#land-show-sgd')).toBe(false);
  for (const name of ['Adam', 'SGD']) expect(await cell(again.page, name, 4), name).toBe(await cell(page, name, 4));
  expect([...complaints, ...again.complaints]).toEqual([]);
});

test('plays, scrubs and steps, and a divergence is called one', async () => {
  const { page, complaints } = await open(link({ rates: 'equal', lr: '1.5', steps: '60' }), {
    before: withoutGpu,
    reducedMotion: 'reduce',
  });
  await computed(page, '60 steps: ');
  // Nothing moves by itself: the whole way stands there.
  expect(await page.textContent('.land-step-text')).toBe('60 / 60');
  expect(await cell(page, 'SGD', 5)).toBe('diverged');
  await page.fill('#land-step', '10');
  expect(await page.textContent('.land-step-text')).toBe('10 / 60');
  await page.click('button:has-text("+1")');
  expect(await page.textContent('.land-step-text')).toBe('11 / 60');
  await page.click('#land-play');
  await page.waitForFunction(() => Number.parseInt(document.querySelector('.land-step-text')!.textContent!, 10) > 13);
  await page.keyboard.press('Escape');
  expect(await page.textContent('#land-play')).toBe('Play');
  expect(complaints).toEqual([]);
});

test("a formula of one's own is solved, and refused with the place of the mistake", async () => {
  const { page, complaints } = await open(link({ problem: 'own', formula: '(x - 1)² + 4(y + 0.5)²' }), {
    before: withoutGpu,
  });
  await computed(page);
  expect(await page.textContent('#land-facts')).toContain('condition number 4.');
  expect(await cell(page, 'L-BFGS', 5)).toContain('the gradient is 0');
  const problem = page.locator('#land-formula-problem');
  await page.fill('#land-formula', 'x^2 + sni(y)');
  expect(await problem.textContent()).toContain("'sni' is not known. Did you mean 'sin'?");
  expect(await problem.locator('code').textContent()).toBe('x^2 + sni(y)\n      ^');
  expect(await page.textContent('#land-status')).toBe('A setting needs a change');
  await page.fill('#land-formula', '1/(x - 1) + y^2');
  await page.fill('#land-x', '1');
  expect(await problem.textContent()).toContain('divides by 0 at the start (1, ');
  await page.fill('#land-formula', 'alert(1)');
  expect(await problem.textContent()).toContain("'alert' is not known");
  // A wall without values is a gap, and the rest goes on.
  await page.fill('#land-formula', 'x - log(x) + y^2');
  await page.fill('#land-x', '2');
  await computed(page);
  expect(await cell(page, 'Newton-CG', 5)).toContain('the gradient is 0');
  expect(complaints).toEqual([]);
});

test('says what of a link it does not understand, and never runs markup', async () => {
  const { page, complaints } = await open(
    link({
      problem: '<img src=x onerror=alert(1)>',
      nonsense: '1',
      rules: 'adam,nobody',
      lr: 'x'.repeat(3000),
      toString: '1',
    }),
    { before: withoutGpu },
  );
  await page.waitForSelector('#land-problem[aria-invalid="true"]');
  const text = (await page.textContent('main')) ?? '';
  for (const key of ['landscape.problem', 'landscape.nonsense', 'landscape.rules', 'landscape.toString'])
    expect(text).toContain(key);
  expect(await page.locator('main img').count()).toBe(0);
  await page.selectOption('#land-problem', 'saddle');
  expect(complaints).toEqual([]);
});

test('the network: without WebGPU it says so, and functions go on', async () => {
  const { page, complaints } = await open(link({ what: 'network' }), { before: withoutGpu });
  await page.waitForFunction(() =>
    document.getElementById('land-plane-status')?.textContent?.includes('which this browser does not give'),
  );
  expect(await page.getAttribute('#land-plane-start', 'aria-disabled')).toBe('true');
  await page.check('#land-what-functions');
  await computed(page);
  expect(complaints).toEqual([]);
});

test('the network: trains, says what the plane costs, and draws it with the path; nothing starts by itself', async () => {
  const experiment = { hidden: '16', samples: '500', batch: '50', 'optimizer.lr': '0.01' };
  const { page, complaints } = await open({
    ...link({ what: 'network', 'net.grid': '5', 'net.steps': '30', 'net.samples': '100' }),
    ...experiment,
  });
  await page.waitForSelector('#land-plane-start[aria-disabled="false"]');
  expect(await page.textContent('#land-plane-cost')).toContain(
    'Trains 30 steps, then evaluates 26 points of 100 samples',
  );
  expect(await page.isHidden('#land-plane')).toBe(true);
  const drawn = async () => {
    await page.click('#land-plane-start');
    await page.waitForFunction(
      () => document.getElementById('land-plane-status')?.textContent?.startsWith('26 points of 100 samples: '),
      undefined,
      { timeout: 60_000 },
    );
    return (await page.textContent('#land-plane-facts')) ?? '';
  };
  const facts = await drawn();
  expect(facts).toMatch(/at the trained weights \(star\) [\d.]+, accuracy/);
  expect(facts).toContain('principal components');
  await expect.poll(() => pixels(page, '#land-plane')).toBeGreaterThan(20);
  await page.selectOption('#land-net-plane', 'random');
  await page.fill('#land-net-seed', '3');
  await page.click('#land-plane-start');
  await page.waitForFunction(() => document.getElementById('land-plane-facts')?.textContent?.includes('(seed 3)'));
  expect(complaints).toEqual([]);
});
