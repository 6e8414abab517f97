import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { LONG, losable, loseDevice, pages, SMALL, withoutGpu } from '../support/page.js';
import { png } from '../support/png.js';

/* The Train view, as a person uses it. Figures are read from the page itself. */

const { open } = pages();

test('trains on the digits, and the loss falls', async () => {
  const { page, complaints, textOf, numberOf, says, runToEnd } = await open(SMALL);
  expect(await page.inputValue('[name="hidden"]')).toBe('32'); // the address is read
  await runToEnd();

  await says('step', '120 / 120');
  expect(await textOf('epoch')).toBe('6 / 6');
  expect(await numberOf('loss')).toBeLessThan(1);
  expect(await numberOf('test-loss')).toBeLessThan(1.5);
  expect(await numberOf('accuracy')).toBeGreaterThan(60);
  expect(await numberOf('lr')).toBe(0.003);
  expect(await numberOf('speed')).toBeGreaterThan(0);
  expect(await textOf('plan-line')).toMatch(/25,450 parameters, \d+ dispatches per step, 20 iterations per epoch/);
  expect(await textOf('adapter')).not.toBe('');
  // The table of tests is the curve as text: the last test comes first, and lost less than the first one.
  const losses = await page.locator('#tests tr td:nth-child(4)').allTextContents();
  expect(losses.length).toBeGreaterThan(1);
  expect(Number(losses[0])).toBeLessThan(Number(losses.at(-1)));
  // The curve is drawn: its canvas holds something.
  const drawn = await page.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>('#chart canvas')!;
    return canvas
      .getContext('2d')!
      .getImageData(0, 0, canvas.width, canvas.height)
      .data.some((value) => value > 0);
  });
  expect(drawn).toBe(true);
  expect(complaints).toEqual([]);
});

test('pauses with a test, goes on where it was, and stops', async () => {
  const { page, complaints, textOf, numberOf, phase, atLeast, says, start } = await open(LONG);
  await start();
  await atLeast('step', 10);
  await page.click('#primary'); // Pause
  await phase('paused');
  await says('status', 'Paused');
  expect(await textOf('accuracy')).toMatch(/%$/);
  // What came back just before is drawn with the next frames.
  await page.waitForTimeout(500);
  const paused = await numberOf('step');
  await page.waitForTimeout(500);
  expect(await numberOf('step')).toBe(paused);

  expect(await textOf('primary')).toBe('Resume');
  await page.click('#primary');
  await phase('running');
  await atLeast('step', paused + 10);

  // The form is for the next run meanwhile. Stop keeps what was reached.
  expect(await page.isDisabled('[name="hidden"]')).toBe(false);
  await page.click('#secondary');
  await phase('done');
  expect(await textOf('status')).toMatch(/^Stopped after/);
  expect(await numberOf('step')).toBeGreaterThan(paused);
  await page.click('#secondary'); // Reset
  await phase('idle');
  await says('step', '–');
  expect(complaints).toEqual([]);
});

test('trains on in a hidden tab, which gets no frames, and catches up when it is seen again', async () => {
  const { page, complaints, textOf, numberOf, runToEnd } = await open(SMALL, {
    before: (fresh) =>
      fresh.addInitScript(() => {
        const real = window.requestAnimationFrame.bind(window);
        const waiting: FrameRequestCallback[] = [];
        window.requestAnimationFrame = (callback) => waiting.push(callback);
        const showTab = () => {
          window.requestAnimationFrame = real;
          for (const callback of waiting) real(callback);
        };
        Object.assign(window, { showTab });
      }),
  });
  await runToEnd();
  expect(await textOf('loss')).toBe('–');
  await page.evaluate(() => (window as unknown as { showTab(): void }).showTab());
  await expect.poll(() => textOf('step')).toBe('120 / 120'); // Playwright's own waiting needs frames
  expect(await numberOf('loss')).toBeLessThan(1);
  expect(complaints).toEqual([]);
});

test('buttons pressed faster than the GPU answers leave one run, not two', async () => {
  const { page, complaints, numberOf, phase, atLeast, start } = await open(LONG);
  await start();
  await page.evaluate(() => {
    const button = document.getElementById('primary') as HTMLButtonElement;
    for (let i = 0; i < 9; i++) button.click(); // pause, resume, … pause
  });
  await phase('paused');
  await page.click('#primary');
  const before = await numberOf('step');
  await atLeast('step', (Number.isNaN(before) ? 0 : before) + 10);
  await page.evaluate(() => {
    const click = (id: string) => document.getElementById(id)!.click();
    click('secondary'); // stop
    click('secondary');
    click('primary');
  });
  await phase('done');
  expect(await page.isHidden('#problem')).toBe(true);
  expect(complaints).toEqual([]);
});

test('says plainly that WebGPU is missing, and what to do', async () => {
  const { page, complaints, textOf } = await open(SMALL, { before: withoutGpu });
  await page.waitForSelector('#problem:not([hidden])');
  expect(await textOf('problem-title')).toBe('Training needs WebGPU (NO-WEBGPU)');
  expect(await textOf('problem-message')).toMatch(/no WebGPU/);
  expect(await textOf('problem-fix')).toMatch(/^Use a current Chrome/);
  expect(await textOf('adapter')).toBe('No WebGPU');
  expect(await page.isDisabled('#primary')).toBe(true);
  expect(complaints).toEqual([]);
});

test('a lost device ends the run with a message; the next start gets another device', async () => {
  const { page, complaints, textOf, phase, atLeast, start } = await open(LONG, { before: losable });
  await start();
  await atLeast('step', 1);
  await loseDevice(page);
  await phase('failed');
  expect(await textOf('problem-title')).toBe('The run has stopped (DEVICE-LOST)');
  expect(await textOf('problem-retry')).toBe('Start again');
  await page.click('#problem-retry');
  await phase('running');
  await atLeast('step', 1);
  expect(await page.isHidden('#problem')).toBe(true);
  expect(complaints.filter((text) => /unhandled|uncaught/i.test(text))).toEqual([]);
});

test('shows what is wrong with a setting beside it, and does not start', async () => {
  const { page, textOf } = await open({ ...SMALL, 'optimizer.lr': '-1', bogus: '<b>1</b>' });
  await page.waitForSelector('#link-notice:not([hidden])');
  expect(await textOf('link-lines')).toMatch(
    /^optimizer\.lr is -1: adam: lr must be .*bogus: this page has no such setting/,
  );
  expect(await textOf('control-optimizer-lr-problem')).toMatch(/lr must be finite and at least 0, got -1/);
  expect(await page.getAttribute('[name="optimizer.lr"]', 'aria-invalid')).toBe('true');
  expect(await page.isDisabled('#primary')).toBe(true);
  await page.fill('[name="optimizer.lr"]', '1e-2');
  await page.waitForSelector('#primary[aria-disabled="false"]');
  expect(await textOf('control-optimizer-lr-problem')).toBe('');
  expect(new URLSearchParams(new URL(page.url()).hash.slice(1)).get('optimizer.lr')).toBe('1e-2');
});

test("trains on a person's own IDX files; what is no IDX file is refused as text", async () => {
  const { page, complaints, textOf, says, runToEnd } = await open({ ...SMALL, data: 'files', epochs: '2', batch: '8' });
  const file = (name: string, buffer: Buffer) => ({ name, mimeType: 'application/octet-stream', buffer });
  const markup = '<img src=x onerror="document.title = 1">';
  await page.setInputFiles('#files', [
    file(markup, Buffer.from('<!doctype html><p>404')),
    file('labels', Buffer.of(1)),
  ]);
  await page.waitForSelector('#file-note.problem');
  expect(await textOf('file-note')).toMatch(/is a web page/);
  expect(await page.locator('.file-name').first().textContent()).toBe(markup);
  expect(await page.locator('#file-list img').count()).toBe(0);

  await page.click('#file-clear');
  const samples = 60;
  const images = Buffer.alloc(16 + samples * 4);
  images.set([0, 0, 8, 3, 0, 0, 0, samples, 0, 0, 0, 2, 0, 0, 0, 2]);
  const labels = Buffer.alloc(8 + samples);
  labels.set([0, 0, 8, 1, 0, 0, 0, samples]);
  for (let i = 0; i < samples; i++) {
    images[16 + 4 * i + (i % 2)] = 255;
    labels[8 + i] = i % 2;
  }
  await page.fill('[name="classes"]', '2');
  await page.setInputFiles('#files', [file('a', labels), file('b', images)]);
  await page.waitForFunction(() => /60 samples of 2 × 2/.test(document.getElementById('file-note')!.textContent!));
  await runToEnd();
  // 48 of the 60 samples, 8 at a time, twice.
  await says('step', '12 / 12');
  expect(await textOf('accuracy')).toMatch(/%$/);
  expect(complaints).toEqual([]);
});

test('trains on a table, and on a dropped folder of images', async () => {
  const { page, complaints, textOf, says, runToEnd } = await open({ ...SMALL, data: 'files', epochs: '2', batch: '8' });
  const rows = Array.from({ length: 60 }, (_, i) => `${i % 2 ? 5 : -5},${i},${i < 30 ? '<b>early</b>' : 'late'}`);
  const table = { name: 'x.csv', mimeType: 'text/csv', buffer: Buffer.from(`a,b,when\n${rows.join('\n')}`) };
  await page.setInputFiles('#files', [table]);
  const note = (text: string) =>
    page.waitForFunction((wanted) => document.getElementById('file-note')!.textContent!.includes(wanted), text);
  await note('48 samples of 2 values to train on, 12 to test on. Classes: <b>early</b>, late.');
  await runToEnd();
  await says('step', '12 / 12');

  const images = await mkdtemp(join(tmpdir(), 'downhill-images-'));
  onTestFinished(() => rm(images, { recursive: true, force: true }));
  for (const [kind, value] of [
    ['dark', 20],
    ['light', 220],
  ] as const) {
    // biome-ignore format: two folders
    await mkdir(join(images, kind), { recursive: true });
    const rows = Array.from({ length: 9 }, (_, y) => Array.from({ length: 11 }, (_, x) => value + x + y));
    for (let i = 0; i < 110; i++) await writeFile(join(images, kind, `${i}.png`), png({ width: 11, height: 9, rows }));
    await writeFile(join(images, kind, 'notes.txt'), 'x');
  }
  // A drop as the browser makes one of a folder: more than the 100 files that it lists at a time.
  const session = await page.context().newCDPSession(page);
  const { x, y } = (await page.locator('#drop').boundingBox())!;
  const data = { items: [], files: [images], dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
    await session.send('Input.dispatchDragEvent', { type, x: x + 5, y: y + 5, data });
  await note('176 samples of 28 × 28 pixels to train on, 44 to test on. Classes: dark, light.');
  await runToEnd();
  await says('step', '44 / 44');
  expect(await textOf('accuracy')).toMatch(/100/);
  expect(complaints).toEqual([]);
});

test('fits a phone: nothing runs out of the screen sideways, with every rule', async () => {
  const { page, complaints } = await open(SMALL, { viewport: { width: 360, height: 740 } });
  const names = await page
    .locator('[name="optimizer"] option')
    .evaluateAll((options) => options.map((option) => (option as HTMLOptionElement).value));
  for (const name of names) {
    await page.selectOption('[name="optimizer"]', name);
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
    expect(await page.isDisabled('[name="optimizer"]')).toBe(false);
  }
  expect(complaints).toEqual([]);
});
