/** Processes that are killed while they save checkpoints, and what is left afterwards. */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { expect } from 'vitest';
import { folderStore } from '../../src/node/folder-store.js';
import { buildProgram } from './program.js';
import { bytesOf, verify } from './store-writer.js';

/** Compiles the writer into `folder`. @returns its path */
export const buildWriter = (folder: string): Promise<string> => buildProgram('store-writer', folder);

/** Runs the writer under `sh`, after the commands in `before`. @returns the lines it said */
export function write(writer: string, args: readonly (string | number)[], before = ''): Promise<string[]> {
  const command = `${before} exec "$0" "$@"`;
  const child = spawn('sh', ['-c', command, process.execPath, writer, ...args.map(String)]);
  return new Promise((resolve, reject) => {
    let [said, complained] = ['', ''];
    child.stdout.on('data', (text) => (said += text));
    child.stderr.on('data', (text) => (complained += text));
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve(said.trim().split('\n')) : reject(new Error(`ended with ${code}: ${complained}`)),
    );
  });
}

/**
 * Kills a writer `kills` times, each time at another moment after it has opened the store, and looks each time whether the
 * newest checkpoint that was acknowledged, or one after it, is there and whole, and nothing else is in the way.
 */
export async function killWriters(writer: string, folder: string, kills: number) {
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  let next = 0;
  let acknowledged = -1;
  let midway = 0; // kills that left a temporary file
  for (let kill = 0; kill < kills; kill++) {
    const length = 1000 + Math.floor(random() * 4_000_000);
    const child = spawn(process.execPath, [writer, folder, String(next), String(length)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [said, complained] = ['', ''];
    child.stderr.on('data', (text) => (complained += text));
    const ended = new Promise<NodeJS.Signals | null>((resolve) => child.on('close', (_, signal) => resolve(signal)));
    child.stdout.on('data', (text) => {
      if (said === '') setTimeout(() => child.kill('SIGKILL'), random() * 50); // from now on it saves
      said += text;
    });
    expect(await ended, complained).toBe('SIGKILL');
    const steps = [...said.matchAll(/^saved (\d+)$/gm)].map(([, step]) => Number(step));
    expect(said, complained).toMatch(acknowledged < 0 ? /^open/ : new RegExp(`^open ${next - 1}\n`));
    acknowledged = steps.at(-1) ?? acknowledged;
    midway += readdirSync(folder).filter((name) => name.endsWith('.tmp')).length;

    const store = await folderStore(folder, { verify, readOnly: true });
    const found = await store.latest();
    await store.close();
    if (acknowledged < 0 && !found) continue;
    expect(found!.damaged).toEqual([]);
    // The one under way may have got its name before its process could tell.
    expect([acknowledged, acknowledged + 1]).toContain(found!.step);
    expect(found!.bytes.length === length || found!.step < next).toBe(true);
    expect(Buffer.compare(found!.bytes, bytesOf(found!.step, found!.bytes.length))).toBe(0);
    next = found!.step + 1;
    acknowledged = found!.step;
  }
  const store = await folderStore(folder, { verify });
  const names = readdirSync(folder).filter((name) => name !== '.downhill-lock');
  await store.close();
  return { steps: next, midway, names };
}
