/** What the tests of the command line share: an Io that keeps what was said, spawning the built command, small files. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Io } from '../../harness/common/io.js';

export interface FakeIo extends Io {
  readonly out: () => string;
  readonly err: () => string;
  /** As Ctrl+C. */
  interrupt(code?: number): void;
  readonly exits: number[];
}

/** An Io without a process; with `columns` its stdout is a terminal. */
export function fakeIo(columns?: number): FakeIo {
  const out: string[] = [];
  const err: string[] = [];
  const handlers = new Set<(code: number) => void>();
  const exits: number[] = [];
  return {
    stdout: { write: (text) => out.push(text), isTTY: columns !== undefined, columns },
    stderr: { write: (text) => err.push(text) },
    onInterrupt(handler) {
      handlers.add(handler);
      return () => handlers.delete(handler);
    },
    exit: (code) => void exits.push(code),
    out: () => out.join(''),
    err: () => err.join(''),
    interrupt: (code = 130) => {
      for (const handler of handlers) handler(code);
    },
    exits,
  };
}

export interface Spawned {
  readonly process: ChildProcess;
  /** Resolves when stdout so far matches. */
  seen(pattern: RegExp): Promise<void>;
  /** Stdout so far. */
  text(): string;
  /** `code` as a shell tells it: 130 also for a process that died of SIGINT, 143 of SIGTERM. */
  readonly done: Promise<{ code: number | null; out: string; err: string }>;
}

const ROOT = join(import.meta.dirname, '../..');

/** Starts the built command line (dist/cli) as its own process. */
export function downhill(args: readonly string[], env: Readonly<Record<string, string>> = {}): Spawned {
  const cli = pathToFileURL(join(ROOT, 'dist/cli/cli.js')).href;
  const script = `const { main } = await import(${JSON.stringify(cli)}); process.exitCode = await main(process.argv.slice(1));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, '--', ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1', ...env },
  });
  let [out, err] = ['', ''];
  const watchers = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (text) => {
    out += text;
    for (const watcher of watchers) watcher();
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    err += text;
  });
  const done = new Promise<{ code: number | null; out: string; err: string }>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code: signal ? 128 + constants.signals[signal] : code, out, err }));
  });
  const seen = (pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (!pattern.test(out)) return;
        watchers.delete(look);
        resolve();
      };
      watchers.add(look);
      done.then(({ code }) => reject(new Error(`ended with ${code} before ${pattern}:\n${out}\n${err}`)), reject);
      look();
    });
  return { process: child, seen, text: () => out, done };
}

/** A folder for one test file, and its removal. */
export function scratch(): { path: (...names: string[]) => string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'downhill-test-'));
  return { path: (...names) => join(folder, ...names), remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export const jsonLines = (text: string): Record<string, unknown>[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

export const readLines = (file: string): Record<string, unknown>[] => jsonLines(readFileSync(file, 'utf8'));

/** Writes a part of an IDX data set: `samples` images of 4 x 4 whose bright quarter is their label, 0 to 3. */
export function writeIdx(folder: string, part: 'train' | 't10k', samples: number): void {
  const u32 = (n: number) => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];
  const pixels = Array.from({ length: samples * 16 }, (_, i) => {
    const [label, row, column] = [Math.floor(i / 16) % 4, (i >> 2) & 3, i & 3];
    return (row >> 1) * 2 + (column >> 1) === label ? 200 + ((i * 7) % 50) : (i * 13) % 60;
  });
  const labels = Array.from({ length: samples }, (_, i) => i % 4);
  const images = [0, 0, 8, 3, ...u32(samples), ...u32(4), ...u32(4), ...pixels];
  writeFileSync(join(folder, `${part}-images-idx3-ubyte`), Uint8Array.from(images));
  writeFileSync(join(folder, `${part}-labels-idx1-ubyte`), Uint8Array.from([0, 0, 8, 1, ...u32(samples), ...labels]));
}
