import { test } from 'vitest';
import { pages, SMALL } from '../support/page.js';
import { nothingLong } from '../support/trace.js';

/* Changing views holds the tab up for no 50 ms; what goes on in each is in tests/slow/page-frames.test.ts. */

const { open } = pages();

test('every view opens while another trains', async () => {
  const opened = await open({ ...SMALL, epochs: '100000' });
  const { page } = opened;
  await opened.start();
  await nothingLong(opened, async () => {
    for (const view of ['compare', 'landscape', 'search', 'train']) {
      await page.click(`.pages [data-view="${view}"]`);
      await page.waitForSelector(`#${view === 'train' ? 'status' : view}:not([hidden])`);
      await page.waitForTimeout(700);
    }
  });
});
