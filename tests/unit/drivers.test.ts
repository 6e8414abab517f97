import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { idx } from '../../src/data/index.js';
import { findDrivers, findLoaders, type Machine } from '../../src/node/drivers.js';
import { idxFolder, idxParts } from '../../src/node/index.js';

let root: string;
let machine: Machine;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'downhill-drivers-'));
  machine = { platform: 'linux', env: {}, home: join(root, 'home/me'), root };
});
afterEach(() => rmSync(root, { recursive: true }));

/** Puts an empty file into the made-up machine and returns its path. */
function put(path: string): string {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, '{}');
  return file;
}

const CACHE = 'home/me/.cache/ms-playwright';

test('hardware first, then lavapipe, then SwiftShader', () => {
  const swiftshader = put('usr/lib/chromium/vk_swiftshader_icd.json');
  const lavapipe = put('usr/share/vulkan/icd.d/lvp_icd.x86_64.json');
  put('usr/share/vulkan/icd.d/nvidia_icd.json');
  expect(findDrivers(machine)).toEqual([
    { kind: 'system' },
    { kind: 'lavapipe', manifest: lavapipe },
    { kind: 'swiftshader', manifest: swiftshader },
  ]);
});

test('does not ask a system without drivers', () => {
  expect(findDrivers(machine)).toEqual([]);
  const manifest = put('opt/google/chrome/vk_swiftshader_icd.json');
  expect(findDrivers(machine)).toEqual([{ kind: 'swiftshader', manifest }]);
  put('usr/share/vulkan/icd.d/README');
  expect(findDrivers(machine)).toHaveLength(1);
});

test("a user's own driver is the only one asked", () => {
  put('usr/lib/chromium/vk_swiftshader_icd.json');
  put('usr/share/vulkan/icd.d/lvp_icd.json');
  for (const name of ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES']) {
    expect(findDrivers({ ...machine, env: { [name]: '/mine.json' } })).toEqual([{ kind: 'user' }]);
    expect(findDrivers({ ...machine, env: { [name]: '' } }), 'empty counts as unset').toHaveLength(3);
  }
});

test('looks into the folders that the environment names', () => {
  const inHome = put('home/me/.local/share/vulkan/icd.d/lvp_icd.json');
  const inData = put('elsewhere/vulkan/icd.d/lvp_icd.json');
  const env = { XDG_DATA_DIRS: `${join(root, 'elsewhere')}:${join(root, 'usr/share')}` };
  const found = findDrivers({ ...machine, env }).filter(({ kind }) => kind === 'lavapipe');
  expect(found.map(({ manifest }) => manifest)).toEqual([inHome, inData]);
});

test("Playwright's newest Chromium comes before older ones and before the system's", () => {
  const system = put('usr/lib/chromium/vk_swiftshader_icd.json');
  const old = put(`${CACHE}/chromium-999/chrome-linux/vk_swiftshader_icd.json`);
  const newest = put(`${CACHE}/chromium-1255/chrome-linux64/vk_swiftshader_icd.json`);
  const shell = put(`${CACHE}/chromium_headless_shell-1100/chrome-headless-shell-linux64/vk_swiftshader_icd.json`);
  put(`${CACHE}/firefox-1500/firefox/vk_swiftshader_icd.json`);
  expect(findDrivers(machine).map(({ manifest }) => manifest)).toEqual([newest, shell, old, system]);
});

test('finds the caches of Playwright on every platform', () => {
  const inner = 'chromium-1255/chrome/vk_swiftshader_icd.json';
  const chosen = put(`chosen/${inner}`);
  const windows = put(`local/ms-playwright/${inner}`);
  const env = { PLAYWRIGHT_BROWSERS_PATH: join(root, 'chosen') };
  expect(findDrivers({ ...machine, env })).toEqual([{ kind: 'swiftshader', manifest: chosen }]);
  expect(findDrivers({ ...machine, platform: 'win32', env: { LOCALAPPDATA: join(root, 'local') } })).toEqual([
    { kind: 'system' },
    { kind: 'swiftshader', manifest: windows },
  ]);
  expect(findDrivers({ ...machine, platform: 'darwin', env })).toEqual([{ kind: 'system' }]);
});

test('finds the Vulkan loader that a browser brings along, on Linux', () => {
  const loader = put('opt/google/chrome/libvulkan.so.1');
  expect(findLoaders(machine)).toEqual([loader]);
  expect(findLoaders({ ...machine, platform: 'win32' })).toEqual([]);
});

test('an IDX folder: prefers the training part and the plain file', async () => {
  for (const part of ['train', 't10k']) {
    put(`data/${part}-images-idx3-ubyte.gz`);
    put(`data/${part}-labels.idx1-ubyte`);
  }
  const plain = put('data/train-images-idx3-ubyte');
  writeFileSync(plain, 'pixels');
  expect(await idxParts(join(root, 'data'))).toEqual(['train', 't10k']);
  const train = await idxFolder(join(root, 'data'));
  expect(Buffer.from(train.images).toString()).toBe('pixels');
  expect(train.images.constructor).toBe(Uint8Array);
  const test = await idxFolder(join(root, 'data'), 't10k');
  expect(Buffer.from(test.images).toString()).toBe('{}');
  await expect(idx(test)).rejects.toMatchObject({ code: 'DATA-FORMAT' }); // what it gives is what idx takes
});

test('an IDX folder that will not do: says what was looked for and what is there', async () => {
  put('data/t10k-images-idx3-ubyte.gz');
  const cases: [string, RegExp][] = [
    ['data', /lacks train-images-idx3-ubyte .* or t10k-images-idx3-ubyte .* It has t10k-images-idx3-ubyte\.gz\./],
    ['nowhere', /does not exist/],
    ['data/t10k-images-idx3-ubyte.gz', /is a file, not a folder/],
  ];
  for (const [folder, message] of cases) {
    const attempt = idxFolder(join(root, folder));
    await expect(attempt).rejects.toMatchObject({ code: 'DATA-NOT-FOUND', message: expect.stringMatching(message) });
  }
});
