import { WgslReflect } from 'wgsl_reflect/wgsl_reflect.module.js';
import type { RuleParts } from '../../src/kernels/emit.js';

/** Finds the parts of a rule's file by name: everything but its bindings and its loop. */
export function ruleParts(name: string, code: string): RuleParts {
  const reflect = new WgslReflect(code);
  const lines = code.split('\n');
  /** Lines from `first` (1-based) to the brace that closes it at the start of a line, with the comment above. */
  const text = (first: number, oneLine = false): string => {
    let start = first - 1;
    while (start > 0 && lines[start - 1]!.startsWith('//')) start--;
    let end = first - 1;
    if (!oneLine) while (end < lines.length && !/^\}|^[^ ].*\}$/.test(lines[end]!)) end++;
    return lines.slice(start, end + 1).join('\n');
  };
  const lineOf = (pattern: RegExp): number => {
    const index = lines.findIndex((line) => pattern.test(line));
    if (index < 0) throw new Error(`shaders/optim/${name}.wgsl has no ${pattern}`);
    return index + 1;
  };
  const slots = reflect.storage
    .filter(({ name: binding }) => !['param', 'grad', 'group_of'].includes(binding))
    .sort((a, b) => a.binding - b.binding)
    .map(({ name: slot }) => ({ name: slot, optional: reflect.overrides.some((o) => o.name === slot.toUpperCase()) }));
  const optional = slots.filter((slot) => slot.optional).map((slot) => slot.name.toUpperCase());
  const constants = lines.flatMap((line, i) => (/^const /.test(line) ? [text(i + 1, true)] : []));
  return {
    name,
    overrides: lines.filter((line) => optional.some((flag) => line.startsWith(`override ${flag}:`))),
    structs: reflect.structs.map((struct) => text(lineOf(new RegExp(`^struct ${struct.name} `)))),
    functions: [
      ...constants,
      ...reflect.functions
        .filter((fn) => fn.name !== 'update')
        .map((fn) => text(lineOf(new RegExp(`^fn ${fn.name}\\(`)))),
    ],
    slots,
  };
}
