/** The built command line as a process of its own, which may be killed. */
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';

export const ROOT = resolve(import.meta.dirname ?? '.', '../..');

export interface Ended {
  /** null where a signal ended it. */
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  readonly seconds: number;
}

/**
 * Runs `npx downhill ARGS` to its end.
 *
 * @param temporary its folder for temporary files
 * @param killAfter milliseconds after which it is killed, where it has not ended by then
 */
export async function downhill(
  args: readonly string[],
  temporary: string,
  { killAfter, signal }: { readonly killAfter?: number; readonly signal?: AbortSignal } = {},
): Promise<Ended> {
  const start = performance.now();
  const child = spawn(process.execPath, [resolve(ROOT, 'dist/cli/downhill.js'), ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1', TMPDIR: temporary },
  });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (err += text));
  const kill = () => child.kill('SIGKILL');
  signal?.addEventListener('abort', kill);
  // 'exit', not 'close': a browser that outlives the killed process holds the other ends of the pipes.
  const ended = new Promise<number | null>((done, broke) => {
    child.on('error', broke);
    child.on('exit', (code) => done(code));
  });
  const stop = new AbortController();
  if (killAfter !== undefined) setTimeout(killAfter, undefined, stop).then(kill, () => {});
  try {
    const code = await ended;
    // What it said last is still on its way.
    await Promise.race([new Promise((done) => child.on('close', done)), setTimeout(200, undefined, { ref: false })]);
    signal?.throwIfAborted();
    return { code, out, err, seconds: (performance.now() - start) / 1000 };
  } finally {
    stop.abort();
    signal?.removeEventListener('abort', kill);
  }
}
