/** The page's side of `compare --in chrome`: app/compare.html loads it, chrome.ts calls it. */
import { type AdapterReport, describeAdapter, requestDevice } from '../../src/index.js';
import { unlessAborted } from '../common/waiting.js';
import { answered } from '../pages/failure.js';
import type { TrainConfig } from '../train/config.js';
import { buildData, type JobFiles } from '../train/data.js';
import type { Outcome } from './chapter.js';
import { CHAPTERS } from './chapters/index.js';
import { type Asked, conduct, type LabEvent, partsOf } from './lab.js';

/** What the page is asked to do: a chapter by its name, with its flags as they were given. */
export interface CompareJob extends Omit<Asked, 'chapter' | 'experiment'> {
  readonly name: string;
  readonly flags: Readonly<Record<string, string>>;
  /** Of the data. */
  readonly config: TrainConfig;
}

export interface CompareAnswer {
  readonly outcome: Outcome;
  readonly adapter: AdapterReport;
}

declare global {
  /** Set by Node before the page loads. */
  var downhillTell: ((event: LabEvent) => Promise<void>) | undefined;
}

/** More steps than a person sees, and calls between two processes. */
const STEP_MS = 100;

const controller = new AbortController();

function run({ name, flags, config, ...rest }: CompareJob, files?: JobFiles) {
  let sent = Promise.resolve();
  let last = Number.NEGATIVE_INFINITY;
  const tell = (event: LabEvent) => {
    if (event.type === 'step' && performance.now() - last < STEP_MS) return;
    last = performance.now();
    const arrived = globalThis.downhillTell!(event);
    sent = sent.then(() => arrived);
  };
  const work = async (): Promise<CompareAnswer> => {
    const chapter = CHAPTERS.find((each) => each.name === name)!;
    const experiment = chapter.plan(new Map(Object.entries(flags)), rest.amounts, rest.quick);
    const asked: Asked = { ...rest, chapter, experiment };
    const parts = experiment.withoutData
      ? undefined
      : partsOf(asked, await unlessAborted(controller.signal, buildData(config, files)));
    const device = await requestDevice({ label: `downhill:compare-${name}` });
    try {
      const outcome = await conduct(device, asked, parts, tell, controller.signal);
      return { outcome, adapter: describeAdapter(device) };
    } finally {
      device.destroy();
    }
  };
  return answered(work, () => sent);
}

globalThis.downhillJob = { run, abort: () => controller.abort() };
