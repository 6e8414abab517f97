import { mkdirSync, mkdtempSync, rmSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { needs } from '../../harness/cli.js';
import { buildStale, peersStale } from '../../harness/setup/build.mjs';
import { backportsSource } from '../../harness/setup/lavapipe.mjs';
import { packagesMissing } from '../../harness/setup/packages.mjs';
import { checkNode } from '../../harness/setup/setup.mjs';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'downhill-setup-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function put(path: string, content: unknown = '', time?: number): void {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  if (time !== undefined) date(path, time);
}

/** Gives a file or folder of the made-up repository a time, in seconds. */
const date = (path: string, time: number) => utimesSync(join(root, path), time, time);

describe('Node', () => {
  test.each(['20.19.0', '20.20.2', '22.12.0', '22.21.1', '23.0.0', '24.1.0'])('%s will do', (version) => {
    expect(() => checkNode(version)).not.toThrow();
  });

  test.each(['18.20.8', '20.18.3', '21.7.3', '22.0.0', '22.11.0'])('%s will not: Vite refuses it', (version) => {
    expect(() => checkNode(version)).toThrow(`Node ${version} does not run`);
  });
});

describe('what a command line needs', () => {
  test.each([
    ['train', { adapter: true, browser: false }],
    ['train --in chrome', { adapter: false, browser: true }],
    ['train --in=chrome --lr 1', { adapter: false, browser: true }],
    ['train --in chrome --in node', { adapter: true, browser: false }],
    ['train --out chrome', { adapter: true, browser: false }],
    ['train --out help', { adapter: true, browser: false }],
    ['train --in', { adapter: false, browser: false }],
    ['train --optimizr adam', { adapter: false, browser: false }],
    ['train --in chrome --help', { adapter: false, browser: false }],
    ['inspect --init zeros', { adapter: true, browser: false }],
    ['inspect --init zero', { adapter: false, browser: false }],
    ['doctor', { adapter: false, browser: false }],
    ['--version', { adapter: false, browser: false }],
    ['', { adapter: false, browser: false }],
  ])("of 'downhill %s'", (line, expected) => {
    expect(needs(line.split(' ').filter(Boolean))).toEqual(expected);
  });
});

describe('packages', () => {
  const lock = (version: string) => ({
    packages: {
      '': { name: 'downhill' },
      'node_modules/vite': { version },
      'node_modules/@binding/other-platform': { version: '1.0.0', optional: true },
    },
  });

  test('are installed when there are none', () => {
    put('package-lock.json', lock('8.0.0'));
    expect(packagesMissing(root)).toMatch(/none yet/);
    mkdirSync(join(root, 'node_modules'));
    expect(packagesMissing(root), 'an install that was cut off').toMatch(/none yet/);
  });

  test("are left alone when they have the lockfile's versions, whatever the dates", () => {
    put('node_modules/.package-lock.json', { packages: { 'node_modules/vite': { version: '8.0.0' } } }, 1000);
    put('package-lock.json', lock('8.0.0'), 2000);
    expect(packagesMissing(root)).toBeUndefined();
  });

  test('are installed again when the lockfile has another version', () => {
    put('node_modules/.package-lock.json', { packages: { 'node_modules/vite': { version: '8.0.0' } } });
    put('package-lock.json', lock('8.1.0'));
    expect(packagesMissing(root)).toBe('package-lock.json changed (vite)');
  });
});

describe('the build', () => {
  beforeEach(() => {
    put('src/gpu/device.ts', '', 1000);
    put('shaders/optim/sgd.wgsl', '', 1000);
    for (const folder of ['src/gpu', 'src', 'shaders/optim', 'shaders']) date(folder, 1000);
  });

  test('is made when there is none, and kept while no source is newer', () => {
    expect(buildStale(root)).toMatch(/not there/);
    put('dist/.stamp', '', 2000);
    expect(buildStale(root)).toBeUndefined();
  });

  test('is made again after a change, an addition or a deletion', () => {
    put('dist/.stamp', '', 2000);
    put('shaders/optim/sgd.wgsl', 'changed', 3000);
    expect(buildStale(root)).toBe('shaders changed');
    date('shaders/optim/sgd.wgsl', 1000);
    expect(buildStale(root)).toBeUndefined();
    unlinkSync(join(root, 'src/gpu/device.ts'));
    expect(buildStale(root)).toBe('src changed');
  });
});

describe("the peers' build", () => {
  test('is made again after a change of theirs, not of their packages', () => {
    expect(peersStale(root)).toMatch(/not there/);
    put('harness/peers/tfjs.ts', '', 1000);
    put('harness/peers/node_modules/left/index.js', '', 3000);
    for (const folder of ['harness/peers', 'harness']) date(folder, 1000);
    put('dist/peers/.stamp', '', 2000);
    expect(peersStale(root)).toBeUndefined();
    put('harness/peers/package-lock.json', '', 3000);
    expect(peersStale(root)).toBe('harness/peers changed');
  });
});

describe('the backports source', () => {
  test("is the machine's own Debian source with another suite", () => {
    const sources = [
      'Types: deb\nURIs: http://mirror.example/debian-security\nSuites: bookworm-security\nSigned-By: /key.gpg',
      '# a mirror\nTypes: deb\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\nSigned-By: /key.gpg\n',
    ].join('\n\n');
    expect(backportsSource(sources, 'bookworm-backports')).toBe(
      '# a mirror\nTypes: deb\nURIs: http://mirror.example/debian\nSuites: bookworm-backports\nSigned-By: /key.gpg\n',
    );
  });

  test('also comes from the one-line form', () => {
    const list =
      '# deb http://old.example bookworm main\ndeb [signed-by=/k] http://mirror.example/debian bookworm main\n';
    expect(backportsSource(list, 'bookworm-backports')).toBe(
      'deb [signed-by=/k] http://mirror.example/debian bookworm-backports main\n',
    );
  });

  test('is not made up', () => {
    expect(backportsSource('Types: deb\nSuites: nodistro\n', 'bookworm-backports')).toBeUndefined();
    expect(backportsSource('deb http://mirror.example stable main\n', 'bookworm-backports')).toBeUndefined();
  });
});
