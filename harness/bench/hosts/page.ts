/**
 * The page's side of `--in chrome`: app/bench-case.html loads it, chrome.ts calls it.
 */
import { type AdapterReport, requestDevice } from '../../../src/index.js';
import type { BenchConfig, CaseSpec, Environment } from '../contract.js';
import { adapterOf, runCase, startOnce } from '../run-case.js';
import { type Answer, answerOf } from './host.js';

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

globalThis.downhillBench = {
  run: (spec, config) =>
    answerOf(() =>
      runCase(spec, config, environment, (share, name) => void globalThis.downhillProgress?.(share, name)),
    ),
  machine: () =>
    answerOf(async () => ({
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
  globalThis.downhillBench.started = answerOf(() => startOnce(start, config, environment, 0));
}
