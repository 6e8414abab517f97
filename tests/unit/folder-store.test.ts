import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { folderStore } from '../../src/node/index.js';
import { scratch } from '../support/cli.js';
import { buildWriter, killWriters, write } from '../support/store-kills.js';
import { bytesOf, verify } from '../support/store-writer.js';

const folder = scratch();
let writer: string;
beforeAll(async () => {
  writer = await buildWriter(folder.path('writer'));
});
afterAll(folder.remove);

const nameOf = (step: number) => `step-${String(step).padStart(6, '0')}.safetensors`;
const files = (name: string) => readdirSync(folder.path(name)).sort();

/** A store with checkpoints of `steps`, closed. */
async function filled(name: string, ...steps: number[]): Promise<string> {
  const store = await folderStore(folder.path(name), { verify });
  for (const step of steps) expect(await store.save(bytesOf(step, 500), { step })).toMatchObject({ saved: true });
  await store.close();
  return folder.path(name);
}

describe('a store of checkpoints in a folder', () => {
  it('gives back the bytes of the newest, and keeps the last few', async () => {
    const store = await folderStore(folder.path('few'), { keep: 2, verify });
    expect(await store.latest()).toBeUndefined();
    expect(await store.list()).toEqual([]);
    // Started at once, saved one after another; 1,000,000 has a longer name.
    const steps = [0, 20, 999_999, 1_000_000];
    await Promise.all(steps.map((step) => store.save(bytesOf(step, 3000), { step })));
    expect(await store.list()).toEqual([1_000_000, 999_999].map((step) => ({ step, name: nameOf(step) })));
    const found = (await store.latest())!;
    expect(found).toMatchObject({ step: 1_000_000, name: 'step-1000000.safetensors', damaged: [] });
    expect(Buffer.compare(found.bytes, bytesOf(1_000_000, 3000))).toBe(0);
    await store.close();
    expect(files('few')).toEqual(['step-1000000.safetensors', 'step-999999.safetensors']);
  });

  it('saves a step again in the place of itself', async () => {
    const path = await filled('again', 7, 8);
    const store = await folderStore(path, { verify });
    await store.latest();
    await store.save(bytesOf(8, 900), { step: 8 });
    expect((await store.latest())!.bytes.length).toBe(900);
    expect(await store.list()).toHaveLength(2);
    await store.close();
  });

  it('loses nothing when its process is killed, wherever it is', async () => {
    const { names, steps } = await killWriters(writer, folder.path('killed'), 20);
    expect(steps).toBeGreaterThan(0); // how many a writer got done before it was killed is the machine's business
    expect(names.length).toBeLessThanOrEqual(4); // 3, and the one before where the kill came before it was removed
    expect(names.every((name) => /^step-\d{6}\.safetensors$/.test(name))).toBe(true); // the temporaries are gone
  });

  it('passes over damaged ones and says so, whatever the damage; they go with the next save', async () => {
    const path = await filled('damaged', 100, 200, 300);
    const newest = bytesOf(300, 500);
    const flip = (bit: number) => {
      const bytes = Uint8Array.from(newest);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      return bytes;
    };
    const damages = [
      ...Array.from({ length: 60 }, (_, i) => newest.subarray(0, Math.floor((i * 500) / 60))),
      ...Array.from({ length: 200 }, (_, i) => flip(i * 20 + (i % 8))),
    ];
    const store = await folderStore(path, { verify });
    for (const damage of damages) {
      writeFileSync(folder.path('damaged', nameOf(300)), damage);
      const found = await store.latest();
      expect(found).toMatchObject({ step: 200, damaged: [{ step: 300, problem: { code: 'CHECKPOINT-CORRUPT' } }] });
      expect(found!.damaged[0]!.problem.message).toContain(nameOf(300));
    }
    await store.save(bytesOf(201, 500), { step: 201 });
    expect((await store.list()).map(({ step }) => step)).toEqual([201, 200, 100]);

    for (const { name } of await store.list()) writeFileSync(folder.path('damaged', name), 'x');
    await expect(store.latest()).rejects.toMatchObject({
      code: 'CHECKPOINT-CORRUPT',
      message: expect.stringMatching(/All checkpoints in the folder .*damaged are damaged \(step-000201.*step-000100/),
    });
    await store.close();
  });

  it('refuses a step before those of another training, and writes where they are cleared', async () => {
    const path = await filled('other', 300, 400);
    const store = await folderStore(path, { verify });
    const save = () => store.save(bytesOf(10, 500), { step: 10 });
    await expect(save()).rejects.toMatchObject({ code: 'STORE-ORDER', message: expect.stringContaining(nameOf(400)) });
    expect(await store.list()).toHaveLength(2);
    await store.clear({ after: 300 });
    expect((await store.list()).map(({ step }) => step)).toEqual([300]);
    await store.clear();
    expect(await save()).toMatchObject({ saved: true });
    await store.close();
  });

  it('goes back with its own training: later steps give way to the one that is saved', async () => {
    const store = await folderStore(folder.path('back'), { verify });
    for (const step of [1, 2, 3, 2]) await store.save(bytesOf(step, 500), { step });
    expect((await store.list()).map(({ step }) => step)).toEqual([2, 1]);
    await store.close();
  });

  it('is written by one process at a time, and read by any', async () => {
    const path = await filled('locked', 1);
    const store = await folderStore(path, { verify });
    await expect(folderStore(path)).rejects.toMatchObject({
      code: 'STORE-BUSY',
      message: expect.stringContaining(`process ${process.pid}`),
    });
    await expect(write(writer, [path, 2, 500, 2])).rejects.toThrow(/STORE-BUSY/);
    const reader = await folderStore(path, { verify, readOnly: true });
    expect((await reader.latest())!.step).toBe(1);
    await expect(reader.save(bytesOf(2, 500), { step: 2 })).rejects.toMatchObject({ code: 'OPTION-RANGE' });
    await store.close();
    await expect(store.latest()).rejects.toMatchObject({ code: 'RUN-DESTROYED' });
    expect(await write(writer, [path, 2, 500, 2])).toEqual(['open 1', 'saved 2']);
  });

  it('is taken over from a process that is dead, whose temporary files go', async () => {
    const path = await filled('dead', 1);
    const dead = spawnSync(process.execPath, ['-e', '']).pid;
    writeFileSync(folder.path('dead', '.downhill-lock'), JSON.stringify({ pid: dead, host: hostname() }));
    const temporary = '.step-000002.safetensors.0a1b2c3d-0000-4000-8000-000000000000.tmp';
    for (const name of [temporary, 'notes.txt', 'step-2.safetensors']) writeFileSync(folder.path('dead', name), 'x');
    const store = await folderStore(path, { verify });
    expect(existsSync(folder.path('dead', temporary))).toBe(false);
    expect(await store.list()).toEqual([{ step: 1, name: nameOf(1) }]); // what is not its own stays, and counts for nothing
    await store.close();
    expect(files('dead')).toEqual(['notes.txt', nameOf(1), 'step-2.safetensors']);
  });

  /** Two saves that fit, then larger ones that do not, then one that does. */
  async function fill(path: string, before: string, room: number) {
    const small = Math.floor(room / 8);
    expect(await write(writer, [path, 1, small, 2], before)).toEqual(['open nothing', 'saved 1', 'saved 2']);
    // The first failure has a problem; those after it are told as failed alone.
    expect(await write(writer, [path, 3, room * 2, 5], before)).toEqual([
      'open 2',
      'failed STORE-FULL 3',
      'failed as before 4',
      'failed as before 5',
    ]);
    expect(readdirSync(path).sort()).toEqual([nameOf(1), nameOf(2)]);
    expect(verify(readFileSync(`${path}/${nameOf(2)}`))).toBe(2);
    expect(await write(writer, [path, 6, small, 6], before)).toEqual(['open 2', 'saved 6']);
  }

  it('says once that the disk is full, keeps what is there, and saves again where there is room', async (context) => {
    const disk = folder.path('disk');
    mkdirSync(disk);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk]).status === 0;
    context.skip(!mounted, 'only root can mount a small disk');
    try {
      await fill(`${disk}/a`, '', 200_000);
    } finally {
      spawnSync('umount', [disk]);
    }
  });

  it('says so where the system allows no file of that size', async (context) => {
    context.skip(process.platform === 'win32', 'ulimit');
    // In blocks of 512 bytes (dash) or 1024 (bash as sh).
    await fill(folder.path('limit'), 'ulimit -f 200;', 204_800);
  });

  it('says what is wrong with the folder or the options before anything is trained', async () => {
    writeFileSync(folder.path('file'), 'x');
    await expect(folderStore(folder.path('file', 'a'))).rejects.toMatchObject({
      code: 'STORE-UNWRITABLE',
      message: expect.stringContaining('part of the path is a file'),
    });
    for (const [path, options, code] of [
      ['', {}, 'OPTION-TYPE'],
      ['a', { keep: 0 }, 'OPTION-RANGE'],
      ['a', { kept: 1 }, 'OPTION-UNKNOWN'],
      ['a', { readOnly: 1 }, 'OPTION-TYPE'],
      ['a', { verify: true }, 'OPTION-TYPE'],
    ] as const)
      await expect(folderStore(path && folder.path(path), options as object)).rejects.toMatchObject({ code });
    const reader = await folderStore(folder.path('nowhere'), { readOnly: true });
    await expect(reader.latest()).rejects.toMatchObject({ code: 'STORE-UNREADABLE' });
    expect(existsSync(folder.path('nowhere'))).toBe(false);
    const store = await folderStore(folder.path('options'));
    for (const bytes of [new Uint8Array(0), 'x', undefined])
      await expect(store.save(bytes as Uint8Array, { step: 1 })).rejects.toMatchObject({ code: 'OPTION-TYPE' });
    await expect(store.save(new Uint8Array(9), { step: 1.5 })).rejects.toMatchObject({ code: 'OPTION-RANGE' });
    await store.close();
  });
});
