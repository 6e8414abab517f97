import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { launchBrowser } from '../../harness/pages/find.js';
import { ensureBuild } from '../../harness/setup/build.mjs';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

test('the one file trains on a page without a bundler, as the README shows it', async () => {
  ensureBuild();
  const example = read('examples/no-bundler.html');
  const script = /<script type="module">\n([\s\S]*?)<\/script>/.exec(example)![1]!.replace(/^ {4}/gm, '').trimEnd();
  expect(read('README.md')).toContain(`<script type="module">\n${script}\n</script>`);

  const { browser } = await launchBrowser();
  try {
    const page = await browser.newPage();
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(String(error)));
    // Two files and nothing else, of an origin where WebGPU works.
    await page.route('http://localhost/**', (route) =>
      new URL(route.request().url()).pathname === '/downhill.js'
        ? route.fulfill({ contentType: 'text/javascript', body: read('dist/bundle/downhill.js') })
        : route.fulfill({ contentType: 'text/html', body: example }),
    );
    await page.goto('http://localhost/page.html');
    const last = async () => (await page.textContent('#log')) ?? '';
    await expect.poll(() => complaints.join() || last(), { timeout: 60_000 }).toContain('step 100,');
    expect(Number((await last()).split('loss ')[1])).toBeLessThan(1);
    expect(complaints).toEqual([]);
  } finally {
    await browser.close();
  }
});
