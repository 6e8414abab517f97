/** Cases in Node on Dawn, in processes of their own: what a driver or a library takes down is that one case. */
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { childEnvironment } from '../../common/scratch.js';
import { packageRoot } from '../../common/versions.js';
import type { BenchConfig, CaseResult, CaseSpec, Machine } from '../contract.js';
import type { Progress } from '../measure.js';
import type { StartPhases } from '../run-case.js';
import { type Answer, caseLimitMs, Died, type Host, unpacked } from './host.js';
import { hardware } from './machine.js';
import type { WorkerRequest } from './worker.js';

type Message =
  | { readonly type: 'progress'; readonly share: number; readonly contender: string }
  | ({ readonly type: 'answer' } & Answer<unknown>);

const START_LIMIT_MS = 60_000;

/**
 * Whether the cases of a scenario share a process. ONNX Runtime's WebGPU build takes V8 of Node 20 half a minute to
 * compile, once per process; everything else starts in a fraction of a second, and then better afresh. But a quick run
 * has many cases of two seconds, of kernels alone.
 */
const isShared = (scenario: string, { quick }: BenchConfig): boolean =>
  scenario === 'gemm' || (quick && scenario === 'update');

interface Worker {
  readonly child: ChildProcess;
  /** The last that was heard from stderr: it explains a crash. */
  said: string;
}

export class NodeHost implements Host {
  readonly place = 'node';
  readonly #workers = new Set<Worker>();
  /** Those that wait for the next case of their scenario, by session. */
  readonly #kept = new Map<number, { readonly scenario: string; readonly worker: Worker }>();
  #closed = false;

  async machine(): Promise<Machine> {
    const found = (await this.#once({ kind: 'machine' })) as Pick<Machine, 'adapter' | 'driver'>;
    return { place: 'node', adapter: found.adapter, driver: found.driver, browser: null, ...hardware() };
  }

  async run(spec: CaseSpec, config: BenchConfig, progress: Progress, session = 0): Promise<CaseResult> {
    const worker = this.#workerFor(spec.scenario, session);
    const request = { kind: 'case', spec, config } as const;
    try {
      const result = await this.#ask(worker, request, caseLimitMs(config), progress);
      if (isShared(spec.scenario, config)) this.#kept.set(session, { scenario: spec.scenario, worker });
      return result as CaseResult;
    } finally {
      if (this.#kept.get(session)?.worker !== worker) this.#end(worker);
    }
  }

  async start(name: string, config: BenchConfig) {
    const phases = await this.#once({ kind: 'start', name, config });
    return phases as { readonly first: StartPhases; readonly again: StartPhases };
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { child } of this.#workers) child.kill('SIGKILL');
  }

  #workerFor(scenario: string, session: number): Worker {
    for (const [of, kept] of this.#kept) {
      if (kept.scenario === scenario) continue;
      this.#kept.delete(of);
      this.#end(kept.worker);
    }
    const kept = this.#kept.get(session);
    this.#kept.delete(session);
    return kept?.worker.child.connected ? kept.worker : this.#fork();
  }

  #fork(): Worker {
    if (this.#closed) throw new Died('the run was stopped', undefined);
    const child = fork(join(packageRoot(), 'dist/cli/bench-worker.js'), {
      execArgv: ['--expose-gc'],
      env: childEnvironment(),
      // Dawn and the libraries talk on both; what they say belongs into no table.
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const worker: Worker = { child, said: '' };
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      worker.said = (worker.said + text).slice(-2000);
    });
    this.#workers.add(worker);
    child.on('close', () => this.#workers.delete(worker));
    return worker;
  }

  #end({ child }: Worker): void {
    if (child.connected) child.disconnect(); // upon which it exits
  }

  async #once(request: WorkerRequest): Promise<unknown> {
    const worker = this.#fork();
    try {
      return await this.#ask(worker, request, START_LIMIT_MS);
    } finally {
      this.#end(worker);
    }
  }

  #ask(worker: Worker, request: WorkerRequest, limitMs: number, progress: Progress = () => {}): Promise<unknown> {
    const { child } = worker;
    let contender: string | undefined;
    let timer: NodeJS.Timeout | undefined;
    const listeners: [event: string, listener: (...args: never[]) => void][] = [];
    const on = (event: string, listener: (...args: never[]) => void) => {
      listeners.push([event, listener]);
      child.on(event, listener as () => void);
    };
    const answered = new Promise<Answer<unknown>>((resolve, reject) => {
      let timedOut = false;
      timer = setTimeout(() => {
        timedOut = true;
        child.kill('SIGKILL');
      }, limitMs);
      on('error', reject);
      on('message', (message: Message) => {
        if (message.type === 'progress') {
          contender = message.contender;
          progress(message.share, message.contender);
        } else resolve(message);
      });
      on('close', (code: number | null, signal: string | null) => {
        const how = timedOut
          ? `the process did not end within ${Math.round(limitMs / 1000)} s`
          : `the process ended by ${signal ?? `exit code ${code}`}`;
        reject(new Died(how + lastLine(worker.said), contender));
      });
      child.send(request);
    });
    return answered.then(unpacked).finally(() => {
      clearTimeout(timer);
      for (const [event, listener] of listeners) child.off(event, listener as () => void);
    });
  }
}

function lastLine(said: string): string {
  const line = said.trim().split('\n').at(-1);
  return line ? `: ${line.slice(0, 200)}` : '';
}
