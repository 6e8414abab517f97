import { DownhillError, show } from '../gpu/errors.js';
import { checkFlag } from '../gpu/fields.js';
import { type GroupedTensor, ruleOfGroup } from '../optim/groups.js';
import type { Rule } from '../optim/rule.js';
import type { TensorGroup } from './types.js';

/** '*.bias' as a regular expression: `*` stands for any characters. */
const asPattern = (pattern: string) =>
  new RegExp(
    `^${pattern
      .split('*')
      .map((text) => text.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'))
      .join('.*')}$`,
  );

/**
 * Every tensor with its hyper-parameters: its group's, where it is in one.
 *
 * @param rules one per replica
 * @throws DownhillError OPTION-*, HYPER-* with the place of the group; OPTION-RANGE for a pattern that fits no tensor, and
 *   for a tensor in two groups
 */
export function groupTensors(
  tensors: readonly { readonly name: string }[],
  rules: readonly Rule[],
  groups: readonly TensorGroup[] = [],
): GroupedTensor[] {
  if (!Array.isArray(groups)) {
    throw new DownhillError(
      'OPTION-TYPE',
      `groups must be a list, got ${show(groups)}.`,
      "Pass for example [{ tensors: '*.bias', weightDecay: 0 }].",
    );
  }
  const names = tensors.map(({ name }) => name);
  const ofTensor = new Map<
    string,
    { readonly index: number; readonly rules: readonly Rule[]; readonly frozen: boolean }
  >();
  for (const [index, group] of (groups as readonly TensorGroup[]).entries()) {
    const where = `groups[${index}]`;
    if (typeof group !== 'object' || group === null) {
      throw new DownhillError('OPTION-TYPE', `${where} is ${show(group)}.`, "Pass { tensors: '*.bias', … }.");
    }
    const { tensors: patterns, frozen = false, ...options } = group as TensorGroup & Record<string, unknown>;
    const own = {
      index,
      frozen: checkFlag(`${where}.frozen`, frozen),
      rules: rules.map((rule) => ruleOfGroup(where, rule, options)),
    };
    for (const name of matching(where, patterns, names)) {
      const other = ofTensor.get(name);
      if (other) {
        throw new DownhillError(
          'OPTION-RANGE',
          `Tensor ${show(name)} is in groups[${other.index}] and in ${where}.`,
          'Let each tensor fit one group.',
        );
      }
      ofTensor.set(name, own);
    }
  }
  if (ofTensor.size === names.length && [...ofTensor.values()].every(({ frozen }) => frozen)) {
    throw new DownhillError('OPTION-RANGE', 'All tensors are frozen: nothing is left to train.', 'Leave some out.');
  }
  return names.map((name) => {
    const own = ofTensor.get(name);
    return { name, rules: own?.rules ?? rules, frozen: own?.frozen ?? false };
  });
}

/**
 * The names that patterns fit.
 *
 * @throws DownhillError OPTION-TYPE, OPTION-RANGE
 */
export function matching(where: string, patterns: unknown, names: readonly string[]): Set<string> {
  const list: unknown[] = Array.isArray(patterns) ? [...patterns] : [patterns];
  if (list.length === 0 || list.some((each) => typeof each !== 'string' || each === '')) {
    throw new DownhillError(
      'OPTION-TYPE',
      `${where}.tensors must be a name, a pattern or a list of them, got ${show(patterns)}.`,
      "Pass for example '*.bias'.",
    );
  }
  return new Set(
    (list as string[]).flatMap((pattern) => {
      const found = names.filter((name) => asPattern(pattern).test(name));
      if (found.length > 0) return found;
      throw new DownhillError(
        'OPTION-RANGE',
        `${where}: no tensor is named ${show(pattern)}.`,
        `The tensors are ${names.slice(0, 12).join(', ')}${names.length > 12 ? ' …' : ''}.`,
      );
    }),
  );
}
