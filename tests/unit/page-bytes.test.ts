import { build } from 'vite';
import { beforeAll, expect, test } from 'vitest';
import { gzipBytes } from '../../harness/bench/bytes.js';
import { type PageFile, type PageFiles, pageFiles } from '../../harness/bench/page-bytes.js';

/* What the laboratory loads before anybody does anything. docs/sizes.md has the figure. */

const KB = 1024;
const VIEWS = ['train', 'compare', 'landscape', 'search'].map((name) => `app/${name}/view.ts`);
const CHARTS = /node_modules\/(echarts|zrender)\//;

let page: PageFiles;
beforeAll(async () => {
  page = await pageFiles({ build }, 'index.html');
});

const holders = (files: readonly PageFile[], module: RegExp) =>
  files.filter(({ modules }) => modules.some((id) => module.test(id))).map(({ name }) => name);

test('the page loads less than 150 KB at first, and all its views only when they are opened', () => {
  expect(holders(page.first, /^app\/main\.ts$/)).toHaveLength(1);
  expect(holders(page.first, /^app\/\w+\/view\.ts$/)).toEqual([]);
  expect(gzipBytes(page.first.map(({ text }) => text))).toBeLessThan(150 * KB);
});

test('ECharts comes only when something draws with it', () => {
  expect(holders(page.first, CHARTS)).toEqual([]);
  for (const view of VIEWS) expect(holders(page.with(view), CHARTS), view).toEqual([]);
});

test('nothing on it is an inline script or style, and nothing of it makes code of text', () => {
  const html = page.first.find(({ name }) => name === 'index.html')!.text;
  for (const [tag] of html.matchAll(/<script\b[^>]*>/g)) expect(tag).toMatch(/\bsrc="\.\/assets\//);
  expect(html).not.toMatch(/<style\b|<[^>]+\s(style|on\w+)=/);
  const scripts = [...page.first, ...page.later].filter(({ name }) => name.endsWith('.js'));
  expect(scripts.length).toBeGreaterThan(50);
  for (const { name, text } of scripts) expect(/\beval\(|\bnew Function\b/.exec(text)?.[0], name).toBeUndefined();
});
