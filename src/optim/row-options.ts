import { DownhillError, show } from '../gpu/errors.js';
import { checkInteger, checkNumber, checkOptions } from '../gpu/fields.js';
import { type AdoptedTensor, adoptRange, type RowSettings, type TensorOptions } from './adopt.js';
import { changed } from './groups.js';
import { type Rule, recordFor } from './rule.js';

/* What the caller says of tensors that are taken by rows: strides, rates, which rows take part, how many there may be. */

/** Checks one tensor after another; knows which of them have the same rows. */
export function rowAdopter(): (where: string, tensor: TensorOptions, rule: Rule) => RowSettings {
  const ids = new Map<GPUBuffer, number>();
  return (where, tensor, rule) => {
    const [now, ...rest] = tensor.shape;
    if (now === undefined) {
      throw new DownhillError(
        'SHAPE-INVALID',
        `${where} has no rows: its shape is [].`,
        'Give it a first axis, or leave out stride, rates, active and reserve.',
      );
    }
    const width = rest.reduce((product, size) => product * size, 1);
    const most =
      tensor.reserve === undefined ? now : checkInteger(`${where}: reserve`, tensor.reserve, now, 2 ** 32 - 1);
    const active = tensor.active === undefined ? undefined : adoptActive(`${where}: active`, tensor.active, most);
    const rates =
      tensor.rates === undefined ? undefined : checkRates(`${where}: rates`, tensor.rates, most, width, rule);
    if (active && !ids.has(active.buffer)) ids.set(active.buffer, ids.size);
    const mask = active ? `${active.by} ${ids.get(active.buffer)} ${active.offset}` : '';
    const grows = tensor.reserve !== undefined;
    return { now, most, width, kind: `${now} ${most} ${grows} ${mask}`, grows, active, rates };
  };
}

function adoptActive(where: string, given: NonNullable<TensorOptions['active']>, most: number): RowSettings['active'] {
  const isCount = typeof given === 'object' && given !== null && 'count' in given;
  if (!isCount) return { by: 'mask', ...adoptRange(where, given, { rows: most, width: 1 }) };
  checkOptions(where, given, ['count', 'offset']);
  const { count: buffer, offset = 0 } = given;
  return { by: 'count', ...adoptRange(`${where}.count`, { buffer, offset }, { rows: 1, width: 1 }) };
}

/** Kernels read it while they write parameters, gradients and state: WebGPU wants other buffers for that. */
export function checkActive(tensors: readonly AdoptedTensor[]): void {
  const written = new Map(
    tensors.flatMap(({ name, param, grad }) => [
      [param.buffer, `param of ${show(name)}`] as const,
      [grad.buffer, `grad of ${show(name)}`] as const,
    ]),
  );
  for (const { name, rows } of tensors) {
    const other = rows?.active && written.get(rows.active.buffer);
    if (other === undefined) continue;
    throw new DownhillError(
      'BUFFER-OVERLAP',
      `Tensor ${show(name)}: active lies in the buffer of ${other}, which the same dispatch writes.`,
      'Put it into a buffer of its own.',
    );
  }
}

/**
 * What runs on arenas of ours takes fields of records in and gives them back, all rows of them.
 *
 * @param what goes over them: for the message
 * @throws DownhillError OPTION-RANGE
 */
export function checkArenas(tensors: readonly AdoptedTensor[], what: string): void {
  for (const { name, rows } of tensors) {
    const { rates, active, grows } = rows ?? {};
    const option = (rates && 'rates') || (active && 'active') || (grows && 'reserve');
    if (!option) continue;
    throw new DownhillError(
      'OPTION-RANGE',
      `Tensor ${show(name)}: ${what} takes no ${option}.`,
      `Leave out ${option}, or use a rule of one pass on float32, without wrappers and perRow.`,
    );
  }
}

function checkRates(
  where: string,
  given: NonNullable<TensorOptions['rates']>,
  most: number,
  width: number,
  rule: Rule,
): RowSettings['rates'] {
  checkOptions(where, given, ['rows', 'period']);
  const { rows, period } = given;
  if (rows === undefined && period === undefined) {
    throw new DownhillError('OPTION-TYPE', `${where} has neither rows nor period.`, 'Pass { rows } or { period }.');
  }
  const list = (key: string, values: unknown, fits: (length: number) => boolean, wanted: string) => {
    if (values === undefined) return undefined;
    if (!(values instanceof Float32Array)) {
      throw new DownhillError('OPTION-TYPE', `${where}.${key} is ${show(values)}.`, 'Pass a Float32Array.');
    }
    if (!fits(values.length)) {
      throw new DownhillError(
        'SHAPE-MISMATCH',
        `${where}.${key} has ${values.length} factors; ${wanted}.`,
        'Pass as many as that.',
      );
    }
    for (const [i, value] of values.entries()) checkNumber(`${where}.${key}[${i}]`, value, { min: 0 });
    return values.slice();
  };
  return {
    rows: list('rows', rows, (length) => length === most, `there may be ${most} rows`),
    period: list(
      'period',
      period,
      (length) => length > 0 && width % length === 0,
      `their number must divide the ${width} elements of a row`,
    ),
    linear: linearWords(where, rule),
  };
}

/**
 * The words of the rule's record that are proportional to its learning rate, a bit for each: what a factor of the rate is a
 * factor of. Found by doubling it.
 *
 * @throws DownhillError OPTION-RANGE where the rate comes in some other way.
 */
export function linearWords(where: string, rule: Rule): number {
  const at = (lr: number) => recordFor(changed(rule, { lr }), 9);
  const refuse = (why: string): never => {
    throw new DownhillError(
      'OPTION-RANGE',
      `${where}: ${rule.row.title} ${why}.`,
      'Use groups with rates of their own, or another rule.',
    );
  };
  if (!('lr' in rule.row.fields)) return refuse('has no learning rate');
  const [one, two] = [at(2 ** -10), at(2 ** -9)];
  let found = 0;
  for (const [name, { offset }] of Object.entries(rule.row.shader.structs.Hyper!.fields)) {
    if (two[name] === one[name]) continue;
    if (two[name] !== 2 * one[name]!)
      return refuse(`does not go ${name} times the learning rate, but by a function of it`);
    found |= 1 << (offset / 4);
  }
  if (found === 0) return refuse('has a learning rate only to start with');
  // Its weight may be 0 now, and something else after a `set`.
  return found | (1 << 5);
}
