import * as v from 'valibot';
import type { TrainConfig } from '../../harness/train/config.js';
import { LOOKS } from '../charts/palette.js';
import { VIEWS } from '../shell/view-names.js';
import { LIMIT, LossHistory } from './history.js';
import { type About, MOST_WEIGHTS, Run } from './run.js';

/* A run as it is kept. What is read may be of another version of the page, or damaged: it is looked at, and left out where it
 * is no run. */

const text = v.pipe(v.string(), v.maxLength(20_000));
const number = v.pipe(v.number(), v.finite());
const whole = v.pipe(number, v.integer(), v.minValue(0));
const list = <S extends v.GenericSchema>(item: S) => v.pipe(v.array(item), v.maxLength(LIMIT));
const numbers = list(number);
const losses = list(v.nullable(number));

const tested = v.object({
  step: whole,
  // What has diverged has no finite loss.
  loss: v.union([v.number(), v.nan()]),
  accuracy: v.optional(number),
  seconds: number,
});

const schema = v.object({
  format: v.literal(1),
  id: text,
  started: text,
  about: v.object({
    view: v.picklist(Object.keys(VIEWS) as (keyof typeof VIEWS)[]),
    name: text,
    caption: text,
    settings: v.record(v.string(), text),
    link: text,
    adapter: text,
    batchSize: number,
    stepsPerEpoch: number,
    totalSteps: number,
    config: v.optional(v.custom<TrainConfig>((value) => typeof value === 'object' && value !== null)),
  }),
  name: text,
  pinned: v.boolean(),
  shown: v.boolean(),
  look: v.pipe(whole, v.maxValue(LOOKS - 1)),
  status: v.picklist(['done', 'stopped', 'diverged', 'failed']),
  seconds: number,
  step: whole,
  history: v.pipe(
    v.object({
      last: v.pipe(whole, v.minValue(1)),
      stride: v.pipe(whole, v.minValue(1)),
      steps: numbers,
      seconds: numbers,
      low: losses,
      high: losses,
      mean: losses,
      counts: numbers,
      recent: list(v.union([v.number(), v.nan()])),
    }),
    v.check(({ steps, seconds, low, high, mean, counts }) =>
      [seconds, low, high, mean, counts].every(({ length }) => length === steps.length),
    ),
  ),
  tests: list(tested),
  validations: list(tested),
  marks: list(v.object({ step: whole, text })),
  weights: v.optional(v.instance(Blob)),
});

export type KeptRun = v.InferOutput<typeof schema>;

export function recordOf(run: Run): KeptRun {
  const { id, started, about, name, pinned, shown, look, status, seconds, step, tests, validations, marks } = run;
  const { weights, history } = run;
  return {
    format: 1,
    id,
    started,
    about: { ...about },
    name,
    pinned,
    shown,
    look,
    // Read again, it goes on no more.
    status: status === 'running' || status === 'paused' ? 'stopped' : status,
    seconds,
    step,
    history: history.data() as KeptRun['history'],
    tests,
    validations,
    marks,
    ...(weights && weights.size <= MOST_WEIGHTS && { weights }),
  };
}

/** Undefined where it is no run of this page. */
export function runOf(record: unknown): Run | undefined {
  const read = v.safeParse(schema, record);
  if (!read.success) return undefined;
  const { format: _, id, started, about, history, tests, validations, marks, ...rest } = read.output;
  const run = new Run(about as About, { id, started, history: LossHistory.from(history) });
  run.tests.push(...(tests as Run['tests']));
  run.validations.push(...(validations as Run['validations']));
  run.marks.push(...marks);
  return Object.assign(run, rest);
}
