/** Campaigns on devices of a headless browser: the same ones, in a page that is built for it and served as ours are. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { launchBrowser } from '../../pages/find.js';
import { serve } from '../../pages/server.js';
import type { Campaign } from '../campaign.js';
import { type DeviceCampaign, HEAP_FLAGS } from './place.js';

async function buildPage(folder: string): Promise<void> {
  const { build } = await import('vite');
  const entry = join(import.meta.dirname, 'page.ts');
  await build({
    ...{ configFile: false, logLevel: 'error', root: import.meta.dirname, publicDir: false },
    build: {
      ...{ outDir: folder, emptyOutDir: false, target: 'es2022', minify: false, modulePreload: false },
      chunkSizeWarningLimit: 10_000,
      rollupOptions: { input: { page: entry }, output: { entryFileNames: '[name].js' } },
    },
  });
  writeFileSync(
    join(folder, 'index.html'),
    '<!doctype html><title>torture</title><script type="module" src="/page.js"></script>',
  );
}

/** Every call out of the page leaves 528 bytes of JavaScript in it (Chromium 156), which are not ours: where the heap is looked at. */
const ASKED_AT_ONCE = 25;

/** @param sizes in a browser: another process answers there, and a page waits for it */
export const inChrome = (campaign: DeviceCampaign, sizes: Campaign['sizes']): Campaign => ({
  name: `${campaign.name}-chrome`,
  attacks: `the same in headless Chrome`,
  ...{ unit: campaign.unit, sizes },
  async run(context) {
    await buildPage(context.folder);
    const site = await serve(context.folder);
    const flags = ['--expose-gc', ...(campaign.heap ? HEAP_FLAGS : [])];
    const launched = await launchBrowser({ args: [`--js-flags=${flags.join(' ')}`, '--enable-precise-memory-info'] });
    try {
      const page = await launched.browser.newPage();
      const cases = context.cases()[Symbol.iterator]();
      const most = campaign.heap ? ASKED_AT_ONCE : 1;
      await page.exposeFunction('tortureNext', () => {
        const indices: number[] = [];
        for (let next = cases.next(); !next.done; next = cases.next()) {
          indices.push(next.value.index);
          if (indices.length === most) break;
        }
        return indices;
      });
      await page.exposeFunction('tortureTold', (kind: 'fail' | 'figure', a: string, b: string) =>
        kind === 'fail' ? context.fail(a) : context.figure(a, b),
      );
      page.on('crash', () => context.fail('The page crashed.'));
      await page.goto(site.url);
      await page.waitForFunction(() => globalThis.downhillTorture !== undefined);
      const { size, seed } = context;
      await page.evaluate((args) => globalThis.downhillTorture!(...args), [campaign.name, size, seed] as const);
    } finally {
      await launched.close();
      await site.close();
    }
  },
});
