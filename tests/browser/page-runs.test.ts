import { expect, test } from 'vitest';
import { LONG, losable, loseDevice, pages, SMALL } from '../support/page.js';

/* What the page says of a run is so. */

const { open } = pages();

const ON = '#primary[aria-disabled="false"]';
const params = (url: string) => new URLSearchParams(new URL(url).hash.slice(1));

test('a run owns its caption and its link, whatever the form says by then', async () => {
  const { page, textOf, runToEnd, complaints } = await open(SMALL, {
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  const copied = async (button: string) => {
    await page.click(button);
    await page.waitForFunction(() =>
      /^Copied/.test(document.querySelector('#run-link-note, #share-note')!.textContent!),
    );
    return params(await page.evaluate(() => navigator.clipboard.readText()));
  };
  expect(await page.isHidden('#run-about')).toBe(true);
  await runToEnd();
  const caption = await textOf('run-caption');
  expect(caption).toMatch(/^Adam \(.*lr 0\.003.*hidden 32.*1,250 drawn digits.*batch 50.*seed 0/);
  expect(caption).toContain(await textOf('adapter'));
  await page.selectOption('[name="optimizer"]', 'yogi');
  await page.fill('[name="hidden"]', '64');
  expect(await textOf('run-caption')).toBe(caption);
  const own = await copied('#run-link');
  expect([own.get('optimizer'), own.get('optimizer.lr'), own.get('hidden')]).toEqual([null, '0.003', '32']);
  await page.click('#share');
  await page.waitForFunction(() => /^Copied/.test(document.getElementById('share-note')!.textContent!));
  const form = params(await page.evaluate(() => navigator.clipboard.readText()));
  expect([form.get('optimizer'), form.get('hidden')]).toEqual(['yogi', '64']);
  expect(complaints).toEqual([]);
});

test.each([
  ['is not finite any more', { optimizer: 'sgd', 'optimizer.lr': '1000' }],
  ['is over 3 times the first', { optimizer: 'sgd', 'optimizer.lr': '20', activation: 'tanh', hidden: '16' }],
])('a run whose loss %s has diverged, and says what helps', async (_, settings) => {
  const { page, textOf, phase, complaints } = await open({ ...SMALL, ...settings });
  await page.click(ON);
  await phase('diverged');
  expect(await textOf('status')).toMatch(/^Diverged · its loss (went from [\d.]+ to|is not finite)/);
  expect(await textOf('problem-title')).toBe('The training diverged');
  expect(await textOf('problem-fix')).toBe('Lower the learning rate, then start again.');
  expect(await textOf('announcement')).toMatch(/^Diverged after \d+ steps: its loss/);
  await page.selectOption('[name="optimizer"]', 'adam');
  await page.click('#problem-retry');
  await phase('done');
  expect(await page.isHidden('#problem')).toBe(true);
  expect(complaints).toEqual([]);
});

test('what a run measured before its device was lost stays', async () => {
  const { page, textOf, numberOf, start, atLeast, phase, runToEnd } = await open(LONG, { before: losable });
  await start();
  await atLeast('accuracy', 1);
  await loseDevice(page);
  await phase('failed');
  expect(await textOf('problem-title')).toBe('The run has stopped (DEVICE-LOST)');
  expect(await numberOf('step')).toBeGreaterThan(0);
  expect(await page.locator('#tests tr').count()).toBeGreaterThan(0);
  expect(await textOf('run-caption')).toMatch(/^Adam/);
  // Between runs nobody has to be told: the next start gets another.
  await page.fill('[name="epochs"]', '2');
  await runToEnd();
  await loseDevice(page);
  await page.waitForTimeout(300);
  expect(await page.isHidden('#problem')).toBe(true);
  expect(await textOf('accuracy')).toMatch(/%$/);
  await runToEnd();
  expect(await page.isHidden('#problem')).toBe(true);
});

test('an error of the device ends the run whose work it is of, and no other', async () => {
  const { page, start, phase, textOf, atLeast, numberOf } = await open(LONG, {
    before: (fresh) =>
      fresh.addInitScript(() => {
        const request = GPUAdapter.prototype.requestDevice;
        GPUAdapter.prototype.requestDevice = async function (...args) {
          const device = await request.apply(this, args);
          // A buffer of no usage is an error that nobody has a scope for.
          const fail = (label: string) => void device.createBuffer({ label, size: 4, usage: 0 });
          return Object.assign(window, { device, fail }).device;
        };
      }),
  });
  const fail = (label: string) =>
    page.evaluate((name) => (window as unknown as { fail(label: string): void }).fail(name), label);
  await start();
  await fail('downhill:plane/weights');
  await atLeast('step', (await numberOf('step')) + 20);
  expect(await page.getAttribute('#status', 'data-phase')).toBe('running');
  await fail('downhill:page/weights');
  await phase('failed');
  expect(await textOf('problem-title')).toMatch(/^The run has stopped/);
});

test('stopped while it prepares, the run before stays in sight and can be taken away', async () => {
  const { page, textOf, phase, complaints } = await open(SMALL);
  await page.click(ON);
  await phase('done');
  const accuracy = await textOf('accuracy');
  await page.waitForSelector(ON);
  // Within one task: a run that prepares is stopped however quick the machine is.
  await page.evaluate((on) => {
    for (const button of [on, '#secondary']) document.querySelector<HTMLElement>(button)!.click();
  }, ON);
  await phase('idle');
  expect(await textOf('accuracy')).toBe(accuracy);
  expect(await page.getAttribute('#secondary', 'aria-disabled')).not.toBe('true');
  await page.click('#secondary');
  expect(await textOf('accuracy')).toBe('–');
  expect(await page.getAttribute('#secondary', 'aria-disabled')).toBe('true');
  expect(complaints).toEqual([]);
});
