/** A stored report, checked before anything is read from it. */
import { DownhillError, show } from '../../../src/index.js';
import type { Report } from '../contract.js';

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads report.json. What outputs and comparisons touch is checked, deeply; fields this version does not know are let be.
 *
 * @param path For messages.
 * @throws DownhillError DATA-FORMAT that names the file, the place in it and what is wrong.
 */
export function readReport(text: string, path: string): Report {
  const check = new Checker(path);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw check.error(`it is no JSON: ${(cause as Error).message}`, cause);
  }
  if (typeof value !== 'object' || value === null || (value as Fields).format !== 'downhill-bench') {
    throw check.error("it has no format 'downhill-bench'");
  }
  const report = value as Fields;
  if (report.version !== 1) throw check.error(`its version is ${show(report.version)}, and this downhill reads 1`);
  check.text(report, 'started');
  check.number(report, 'seconds');
  check.orNull(report, 'commit', (at, key) => check.text(at, key));
  const config = check.object(report, 'config');
  for (const key of ['scenarios', 'peers']) check.texts(config, key);
  check.flag(config, 'quick');
  for (const key of ['seed', 'slow']) check.number(config, key);
  const versions = check.object(report, 'versions');
  for (const key of Object.keys(versions)) check.text(versions, key, 'versions');
  check.each(report, 'machines', (machine) => checkMachine(check, machine));
  check.each(report, 'cases', (result) => checkCase(check, result));
  return value as Report;
}

function checkMachine(check: Checker, machine: Fields): void {
  check.choice(machine, 'place', ['node', 'chrome']);
  for (const key of ['cpu', 'os']) check.text(machine, key);
  check.number(machine, 'cores');
  check.orNull(machine, 'driver', (at, key) => check.text(at, key));
  check.orNull(machine, 'adapter', (at, key) => {
    const adapter = check.object(at, key);
    check.text(adapter, 'name');
    check.flag(adapter, 'cpu');
  });
  check.orNull(machine, 'browser', (at, key) => {
    const browser = check.object(at, key);
    for (const name of ['name', 'version']) check.text(browser, name);
    check.texts(browser, 'flags');
  });
}

function checkCase(check: Checker, result: Fields): void {
  const spec = check.object(result, 'spec');
  for (const key of ['scenario', 'id', 'title']) check.text(spec, key);
  check.object(spec, 'parameters');
  check.choice(result, 'place', ['node', 'chrome']);
  const work = check.object(result, 'work');
  check.text(work, 'unit');
  for (const key of ['flops', 'bytes']) check.optional(work, key, () => check.number(work, key));
  check.text(result, 'baseline');
  check.number(result, 'seconds');
  check.each(result, 'contenders', (contender) => checkContender(check, contender));
  check.optional(result, 'error', () => {
    const error = check.object(result, 'error');
    for (const key of ['code', 'message', 'fix']) check.text(error, key);
  });
}

function checkContender(check: Checker, contender: Fields): void {
  check.text(contender, 'name');
  check.choice(contender, 'outcome', ['measured', 'failed', 'skipped']);
  check.number(contender, 'iterations');
  check.samples(contender, 'samples');
  check.optional(contender, 'note', () => check.text(contender, 'note'));
  for (const key of ['gpuMs', 'hostMs']) check.optional(contender, key, () => check.number(contender, key));
  check.optional(contender, 'check', () => {
    const found = check.object(contender, 'check');
    check.flag(found, 'ok');
    check.text(found, 'detail');
  });
  for (const key of ['counts', 'facts']) {
    check.optional(contender, key, () => {
      const values = check.object(contender, key);
      for (const name of Object.keys(values)) check.number(values, name, key);
    });
  }
  check.optional(contender, 'counts', () => check.number(contender.counts as Fields, 'dispatches', 'counts'));
}

/** Says where in the file it is: 'cases[3].contenders[0].samples'. */
class Checker {
  readonly #trail: string[] = [];

  constructor(readonly path: string) {}

  error(what: string, cause?: unknown): DownhillError {
    const message = `${this.path} is not a report of downhill's benchmarks: ${what}.`;
    return new DownhillError('DATA-FORMAT', message, 'Name a report.json that `downhill bench` wrote.', cause);
  }

  text = (at: Fields, key: string, under?: string) => this.#of(at, key, 'a text', isText, under);
  number = (at: Fields, key: string, under?: string) => this.#of(at, key, 'a number', isNumber, under);
  flag = (at: Fields, key: string) => this.#of(at, key, 'true or false', (value) => typeof value === 'boolean');
  texts = (at: Fields, key: string) =>
    this.#of(at, key, 'a list of texts', (value) => Array.isArray(value) && value.every(isText));
  samples = (at: Fields, key: string) =>
    this.#of(at, key, 'a list of positive numbers and nulls', (value) => Array.isArray(value) && value.every(isSample));
  choice = (at: Fields, key: string, choices: readonly string[]) =>
    this.#of(at, key, `one of ${choices.join(', ')}`, (value) => choices.includes(value as string));

  object(at: Fields, key: string): Fields {
    this.#of(at, key, 'an object', (value) => typeof value === 'object' && value !== null && !Array.isArray(value));
    return at[key] as Fields;
  }

  orNull(at: Fields, key: string, check: (at: Fields, key: string) => void): void {
    if (at[key] !== null) check(at, key);
  }

  optional(at: Fields, key: string, check: () => void): void {
    if (at[key] !== undefined) check();
  }

  each(at: Fields, key: string, check: (item: Fields) => void): void {
    this.#of(at, key, 'a list', Array.isArray);
    (at[key] as unknown[]).forEach((item, i) => {
      this.#trail.push(`${key}[${i}].`);
      if (typeof item !== 'object' || item === null) throw this.error(`${this.#where('')} is ${show(item)}`);
      check(item as Fields);
      this.#trail.pop();
    });
  }

  #of(at: Fields, key: string, wanted: string, right: (value: unknown) => boolean, under?: string): void {
    if (right(at[key])) return;
    const got = at[key] === undefined ? 'is missing' : `is ${show(at[key])}`;
    throw this.error(`${this.#where(under ? `${under}.${key}` : key)} ${got}; ${wanted} was expected`);
  }

  #where = (key: string) => (this.#trail.join('') + key).replace(/\.$/, '');
}

const isText = (value: unknown) => typeof value === 'string';
const isNumber = (value: unknown) => typeof value === 'number' && Number.isFinite(value);
const isSample = (value: unknown) => value === null || (isNumber(value) && (value as number) > 0);
