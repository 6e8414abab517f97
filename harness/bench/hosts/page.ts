/**
 * The page's side of `--in chrome`: app/bench-case.html loads it, chrome.ts calls it. Answers are plain JSON, because an
 * exception loses its code on the way to Node.
 */
import { type AdapterReport, DownhillError, requestDevice } from '../../../src/index.js';
import type { BenchConfig, CaseSpec, Environment } from '../contract.js';
import { adapterOf, runCase, startOnce } from '../run-case.js';

export interface Answer<T> {
  readonly value?: T;
  /** `code` is undefined where it is no error of ours. */
  readonly error?: { readonly code?: string; readonly message: string; readonly fix: string };
}

/** What a page knows of its machine. */
export interface PageMachine {
  readonly adapter: AdapterReport;
  readonly userAgent: string;
  readonly cores: number;
  readonly os: string;
}

export interface BenchPage {
  run(spec: CaseSpec, config: BenchConfig): Promise<Answer<Awaited<ReturnType<typeof runCase>>>>;
  machine(): Promise<Answer<PageMachine>>;
  /** The start that the page's address asked for. */
  started?: Promise<Answer<Awaited<ReturnType<typeof startOnce>>>>;
}

declare global {
  var downhillBench: BenchPage | undefined;
  /** Set by Node before the page loads. */
  var downhillProgress: ((share: number, contender: string) => Promise<void>) | undefined;
}

const environment: Environment = {
  place: 'chrome',
  gpu: globalThis.navigator?.gpu,
  requestDevice: (label) => requestDevice({ label }),
};

async function answer<T>(work: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { value: await work() };
  } catch (error) {
    if (!(error instanceof DownhillError)) return { error: { message: String(error), fix: 'Report this.' } };
    const { code, message, fix } = error;
    return { error: { code, message: message.replace(` [${code}] ${fix}`, ''), fix } };
  }
}

globalThis.downhillBench = {
  run: (spec, config) =>
    answer(() => runCase(spec, config, environment, (share, name) => void globalThis.downhillProgress?.(share, name))),
  machine: () =>
    answer(async () => ({
      adapter: await adapterOf(environment),
      userAgent: navigator.userAgent,
      cores: navigator.hardwareConcurrency,
      os: navigator.platform,
    })),
};

// A start counts from the page's first moment, so it cannot wait until somebody calls.
const wanted = new URLSearchParams(location.search);
const start = wanted.get('start');
if (start) {
  const config = JSON.parse(wanted.get('config')!) as BenchConfig;
  globalThis.downhillBench.started = answer(() => startOnce(start, config, environment, 0));
}
