import { expect, test } from 'vitest';
import { LONG, pages, SMALL } from '../support/page.js';

/* The Train view beside its curve: what changes while it runs, single steps, schedules, validation, presets. */

const { open } = pages();

/** So small that a step takes milliseconds on a CPU adapter. */
const TINY = { hidden: '16', samples: '600', batch: '40', 'optimizer.lr': '0.003' };

test('a rate, a decay and an average change while it runs and while it pauses, and the curve says where', async () => {
  const { page, start, phase, atLeast, textOf, complaints } = await open({
    ...LONG,
    optimizer: 'sgd',
    'optimizer.momentum': '0.5',
  });
  expect(await page.isHidden('.live-knobs')).toBe(true); // no run, nothing to steer
  await start();
  await atLeast('step', 10);
  await page.fill('#live-lr', '0.25');
  await page.press('#live-lr', 'Enter');
  await page.waitForFunction(() => document.getElementById('lr')!.textContent === '0.25', undefined, {
    timeout: 60_000,
  });
  expect(await page.textContent('.live-note')).toMatch(/^lr 0\.003 → 0\.25, from step [\d,]+ on\.$/);

  await page.click('#primary');
  await phase('paused');
  for (const [key, text] of [
    ['momentum', '0.9'],
    ['weightDecay', '0.001'],
  ] as const) {
    await page.fill(`#live-${key}`, text);
    await page.press(`#live-${key}`, 'Enter');
    await page.waitForFunction(
      (wanted) => document.querySelector('.live-note')!.textContent!.startsWith(wanted),
      `${key} `,
    );
  }
  // What repeats the run does not hide that it was steered.
  const row = page.locator('#shelf li').first();
  await row.getByRole('button', { name: /Export/ }).click();
  await row.locator('.shelf-item', { hasText: 'Copy as command' }).click();
  await page.waitForFunction(() => /changed on the way/.test(document.getElementById('shelf')!.textContent!));
  // What is no value is said, and changes nothing.
  await page.fill('#live-momentum', '2');
  await page.press('#live-momentum', 'Enter');
  await page.waitForSelector('#live-momentum[aria-invalid="true"]');
  expect(await page.textContent('.live-note')).toMatch(/momentum must be .*below 1, got 2/);
  expect(await textOf('lr')).toBe('0.25');
  await page.click('#primary');
  await phase('running');
  expect(complaints).toEqual([]);
});

test('trains one step, and ten, and pauses after them', async () => {
  const { page, phase, says, textOf, complaints } = await open({ ...TINY, epochs: '50' });
  const step = (name: string) => page.click(`.live-steps button:not([aria-disabled="true"]) >> text=${name}`);
  const paused = () => says('status', 'Paused');
  await page.waitForSelector('#primary:not([aria-disabled="true"])');
  await step('Step ×1'); // without a run it begins one
  await phase('paused');
  await says('step', '1 / 600');
  await paused();
  await step('Step ×10');
  await says('step', '11 / 600');
  await paused();
  await step('Step ×1');
  await says('step', '12 / 600');
  expect(await textOf('accuracy')).toMatch(/%$/);
  expect(complaints).toEqual([]);
});

test('shows the schedule that it follows, and keeps its form when the rate changes', async () => {
  const { page, phase, says, complaints } = await open({ ...TINY, epochs: '5', schedule: 'linear', warmup: '10' });
  await page.waitForFunction(
    (wanted) => document.querySelector('#schedule-preview p')?.textContent === wanted,
    'The rate over 60 steps: from 0.0003 to 6.00e-5, 0.003 at most.',
  );
  const drawn = await page.getAttribute('#schedule-preview path', 'd');
  await page.evaluate(() => {
    for (const each of document.querySelectorAll<HTMLDetailsElement>('details.more')) each.open = true;
  });
  await page.selectOption('[name="schedule"]', 'step');
  expect(await page.isVisible('[name="gamma"]')).toBe(true);
  await page.fill('[name="step-size"]', '20');
  expect(await page.getAttribute('#schedule-preview path', 'd')).not.toBe(drawn);
  await page.fill('[name="warmup"]', '60');
  await page.waitForFunction(() =>
    /“Warm-up” is 60, but the run has 60 steps/.test(document.querySelector('#schedule-preview p')!.textContent!),
  );
  await page.fill('[name="warmup"]', '0');
  await page.fill('[name="gamma"]', '0.5');

  await page.waitForSelector('#primary:not([aria-disabled="true"])');
  await page.click('.live-steps >> text=Step ×10');
  await phase('paused');
  await says('lr', '0.003');
  await page.fill('#live-lr', '2');
  await page.press('#live-lr', 'Enter');
  await page.waitForFunction(() => /^lr × 2, from step 11 on/.test(document.querySelector('.live-note')!.textContent!));
  await page.click('#primary');
  await phase('done');
  await says('lr', '0.0015'); // twice 0.003 · 0.5 · 0.5
  expect(complaints).toEqual([]);
});

test('holds a part out, ends early, and says what the best weights are worth', async () => {
  const settings = { ...SMALL, epochs: '300', validation: '0.2', patience: '3', 'optimizer.lr': '0.01' };
  const { page, runToEnd, numberOf, textOf, complaints } = await open(settings);
  await runToEnd();
  expect(await textOf('status')).toMatch(/^Stopped early after [\d,]+ steps$/);
  await page.waitForSelector('#best-note:not([hidden])');
  const note = await textOf('best-note');
  expect(note).toMatch(/^Stopped early: the best weights are back\. Best validation: loss [\d.]+ after [\d,]+ steps\./);
  // The weights that are back are those that the test is of.
  expect(note).toContain(`a test loss of ${await textOf('test-loss')} and an accuracy of ${await textOf('accuracy')}`);
  expect(await numberOf('validation-loss')).toBeGreaterThan(Number(/loss ([\d.]+) after/.exec(note)![1]) - 1e-4);
  expect(await page.isVisible('#key-validation')).toBe(true);
  expect(complaints).toEqual([]);
});

test('invites before the first run; a preset fills the form in and starts nothing', async () => {
  const { page, phase, numberOf, complaints } = await open('');
  await page.waitForSelector('#train-welcome button');
  expect(await page.isVisible('#chart')).toBe(false);
  await page.click('#train-welcome >> text=Too high a rate');
  expect(await page.inputValue('[name="optimizer.lr"]')).toBe('10');
  expect(await page.getAttribute('#status', 'data-phase')).toBe('idle');
  expect(await page.evaluate(() => document.activeElement!.id)).toBe('primary');
  await page.keyboard.press('Enter');
  await phase('diverged');
  expect(await numberOf('step')).toBeGreaterThan(0);
  expect(await page.isVisible('#train-welcome')).toBe(false);
  expect(complaints).toEqual([]);
});

test('finds a rate, and takes it over', async () => {
  const { page, complaints } = await open(TINY);
  await page.waitForSelector('#primary:not([aria-disabled="true"])');
  await page.click('#find-rate >> text=Find a rate');
  await page.waitForSelector('#find-rate dd[data-mark="suggestion"] button', { timeout: 60_000 });
  const found = Number(await page.textContent('#find-rate dd[data-mark="suggestion"] strong'));
  expect(found).toBeGreaterThan(1e-5);
  expect(found).toBeLessThan(1);
  await page.click('#find-rate dd[data-mark="suggestion"] button');
  expect(Number(await page.inputValue('[name="optimizer.lr"]'))).toBeCloseTo(found, 6);
  expect(complaints).toEqual([]);
});
