import { resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { ROOT } from './process.js';

export interface Watch {
  /** What goes on now: the command that repeats it. */
  at(command: string): void;
  end(): Promise<void>;
}

/** Ends the process, saying where it is, when its thread does not give way for so many seconds. */
export function watchThread(seconds: number): Watch {
  const worker = new Worker(resolve(ROOT, 'harness/torture/watchdog.mjs'), { workerData: { seconds } });
  worker.unref();
  worker.on('error', (error) => process.stderr.write(`  Nothing watches for what does not end: ${error.message}\n`));
  const beat = setInterval(() => worker.postMessage({}), 1000);
  beat.unref();
  return {
    at: (command) => worker.postMessage({ at: command }),
    async end() {
      clearInterval(beat);
      await worker.terminate();
    },
  };
}
