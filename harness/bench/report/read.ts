/**
 * report.json: plain data that crosses from a page or a child process to the command line, is written down, and is read
 * back by --compare. Its types are those of the schemas that check a stored one.
 */
import * as v from 'valibot';
import { type AdapterReport, DownhillError, show } from '../../../src/index.js';

// The message of each schema is what an error says was expected.
const text = v.string('a text');
const number = v.pipe(v.number('a number'), v.finite('a number'));
const flag = v.boolean('true or false');
const object = <E extends v.ObjectEntries>(entries: E) => v.pipe(v.object(entries, 'an object'), v.readonly());
const list = <S extends v.GenericSchema>(item: S) => v.pipe(v.array(item, 'a list'), v.readonly());
const record = <S extends v.GenericSchema>(value: S) => v.pipe(v.record(text, value, 'an object'), v.readonly());
const choice = <const C extends readonly string[]>(...names: C) => v.picklist(names, `one of ${names.join(', ')}`);

const Place = choice('node', 'chrome');
export type Place = v.InferOutput<typeof Place>;

/** What was asked for. */
const BenchConfig = object({
  scenarios: list(text),
  /** Of the scenarios these cases only, also where quick runs leave them out. Absent: all of them. */
  cases: v.optional(list(text)),
  /** Names of PEERS. */
  peers: list(text),
  /** Fewer cases, shorter samples: minutes instead of an hour and a half. */
  quick: flag,
  seed: number,
  /** Per cent of extra work put on downhill's own kernels: shows that the harness sees what is slower. Default 0. */
  slow: number,
  /** Processes or pages over which the rounds of a case are spread: what one has by chance, the others have not. */
  sessions: number,
});
export type BenchConfig = v.InferOutput<typeof BenchConfig>;

/** One thing to measure, with several contenders: a scenario at certain sizes. */
const CaseSpec = object({
  scenario: text,
  /** Unique within a report, and the same in every report: 'step/lecture-64-sgd'. */
  id: text,
  /** For people: '784-100-100-100-100-10, batch 64, SGD'. */
  title: text,
  parameters: record(v.union([text, number], 'a text or a number')),
});
export type CaseSpec = v.InferOutput<typeof CaseSpec>;

/** One unit of a case's work (a step, an update, a product) and what it amounts to. */
const Work = object({
  /** What one iteration is: 'step', 'update', 'product', 'first step'. */
  unit: text,
  /** Floating point operations of an iteration. */
  flops: v.optional(number),
  /** Bytes an iteration has to move, at least. */
  bytes: v.optional(number),
});
export type Work = v.InferOutput<typeof Work>;

/** How well a contender's numbers agreed with what they should be: 'losses of 10 steps within 2.1e-7 of float64 (limit 1e-4)'. */
const Check = object({ ok: flag, detail: text });
export type Check = v.InferOutput<typeof Check>;

/**
 * 'measured': its times count. 'failed': its numbers are wrong, or it threw; it has no times. 'skipped': it cannot do this
 * here (a size over a limit, no WebGPU in this place), which is no fault.
 */
const Outcome = choice('measured', 'failed', 'skipped');
export type Outcome = v.InferOutput<typeof Outcome>;

const ContenderResult = object({
  name: text,
  outcome: Outcome,
  /** Why it failed or was skipped; a remark on how it was measured. */
  note: v.optional(text),
  check: v.optional(Check),
  /** Iterations of one sample. */
  iterations: number,
  /** Wall milliseconds of one iteration, a number per round; null in rounds it was left out of (too slow to repeat). */
  samples: list(v.nullable(v.pipe(v.number('a positive number or null'), v.gtValue(0, 'a positive number or null')))),
  /** Milliseconds in which the GPU was busy, per iteration, in one more sample with `timestamp-query`. */
  gpuMs: v.optional(number),
  /** Milliseconds for which the main thread was busy recording an iteration. */
  hostMs: v.optional(number),
  /** Counted in one more sample, per iteration. */
  counts: v.optional(object({ dispatches: number, submits: number, buffers: number, bindGroups: number })),
  /** Facts of a scenario's own, such as phases of a start, in milliseconds or bytes. */
  facts: v.optional(record(number)),
});
export type ContenderResult = v.InferOutput<typeof ContenderResult>;

const CaseResult = object({
  spec: CaseSpec,
  place: Place,
  work: Work,
  /** The contender whose time is 1 in the ratios. */
  baseline: text,
  contenders: list(ContenderResult),
  seconds: number,
  /** The case as a whole could not be run: the browser died, the device was lost. */
  error: v.optional(object({ code: text, message: text, fix: text })),
});
export type CaseResult = v.InferOutput<typeof CaseResult>;

const Machine = object({
  place: Place,
  // The limits and features are for whoever reads the file.
  adapter: v.nullable(object({ name: text, cpu: flag }) as unknown as v.GenericSchema<AdapterReport>),
  /** 'lavapipe', 'swiftshader', 'system' … in Node. */
  driver: v.nullable(text),
  /** Name and version, and the flags it was started with. */
  browser: v.nullable(object({ name: text, version: text, flags: list(text) })),
  userAgent: v.optional(text),
  cores: number,
  cpu: text,
  os: text,
});
export type Machine = v.InferOutput<typeof Machine>;

const Report = object({
  format: v.literal('downhill-bench'),
  version: v.literal(1),
  started: text,
  seconds: number,
  commit: v.nullable(text),
  config: BenchConfig,
  versions: record(text),
  /** One per place. */
  machines: list(Machine),
  cases: list(CaseResult),
});
export type Report = v.InferOutput<typeof Report>;

/**
 * Reads report.json. Fields this version does not know are let be.
 *
 * @param path For messages.
 * @throws DownhillError DATA-FORMAT that names the file, the place in it and what is wrong.
 */
export function readReport(stored: string, path: string): Report {
  const error = (what: string, cause?: unknown) => {
    const message = `${path} is not a report of downhill's benchmarks: ${what}.`;
    return new DownhillError('DATA-FORMAT', message, 'Name a report.json that `downhill bench` wrote.', cause);
  };
  let value: unknown;
  try {
    value = JSON.parse(stored);
  } catch (cause) {
    throw error(`it is no JSON: ${(cause as Error).message}`, cause);
  }
  const { format, version } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (format !== 'downhill-bench') throw error("it has no format 'downhill-bench'");
  if (version !== 1) throw error(`its version is ${show(version)}, and this downhill reads 1`);
  const { issues } = v.safeParse(Report, value, { abortEarly: true });
  if (!issues) return value as Report;
  const [{ path: keys = [], input, message }] = issues;
  const place = keys
    .map(({ key }, i) => (typeof key === 'number' ? `[${key}]` : `${i === 0 ? '' : '.'}${key}`))
    .join('');
  throw error(input === undefined ? `${place} is missing` : `${place} is ${show(input)}; ${message} was expected`);
}
