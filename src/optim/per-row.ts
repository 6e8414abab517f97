import { DownhillError, show } from '../gpu/errors.js';
import { checkChoice } from '../gpu/fields.js';
import { perRowShaders } from '../shaders/per-row.gen.js';
import type { Shader } from '../shaders/shader.js';
import { elementsOf, type PlacedVector, type TensorShape } from '../space/space.js';
import type { StateEncoding } from './gradient.js';
import { allSlots, type Rule, type RuleRow, slotFlags } from './rule.js';
import type { RulePasses } from './rule-passes.js';

/*
 * A state slot with one value for each row of a tensor: `perRow: 'exp_avg_sq'`. Loaded only where it is asked for. The rule becomes one
 * of a single pass over arenas, whose kernel (harness/generate/emit-per-row.ts) sees whole rows.
 */

/** The function that a rule's kernel is about. */
const ruleIn = (code: string) => /\nfn rule\([\s\S]*?\n\}\n/.exec(code)?.[0];

/**
 * The rule with one value of the slot for each row.
 *
 * @throws DownhillError OPTION-RANGE for a rule or slot that cannot.
 */
export async function perRowRule({ row, hyper }: Rule, asked: unknown, state: StateEncoding): Promise<Rule> {
  const refuse = (why: string): never => {
    throw new DownhillError(
      'OPTION-RANGE',
      `perRow is ${show(asked)}, but ${why}.`,
      'Leave perRow out, or use a rule whose page in docs/rules has it.',
    );
  };
  if (state !== 'f32') {
    throw new DownhillError(
      'OPTION-RANGE',
      `state is ${show(state)}, but with perRow it is in f32.`,
      "Leave out perRow, or state: 'f32'.",
    );
  }
  const slots = Object.keys(row.perRow ?? {});
  if (slots.length === 0) return refuse(`${row.title} has no state that one value for a row could stand for`);
  const slot = checkChoice('perRow', asked, slots);
  const key = `${row.shader.name} ${slot}`;
  if (!Object.hasOwn(perRowShaders, key)) return refuse(`${row.title} has no kernel for it`);
  const { shader } = await perRowShaders[key]!();
  if (ruleIn(shader.code) !== ruleIn(row.shader.code))
    return refuse(`the kernel of ${row.title} is not the one that is known as ${row.shader.name}`);
  const own: RuleRow = {
    ...row,
    title: 'perRow', // what it refuses, and Adam does not, is because of this
    slots: (settings) => row.slots(settings).filter((name) => name !== slot),
    passes: (step) => perRowPasses(step, row, slot, shader),
  };
  return { row: own, hyper };
}

const rowsOf = ({ shape }: TensorShape) => shape[0] ?? 1;

/** One pass; one for each pair of arenas, where parameters or rows take several. */
function perRowPasses(step: RulePasses, row: RuleRow, slot: string, shader: Shader) {
  const { param, grad, hyper } = step;
  const values = step.factors(slot, (tensor) => [rowsOf(tensor)]);
  const others = allSlots(row.shader).filter((name) => name !== slot && step.has(name));
  const several = step.space.spans.length > 1;
  return [...tilesOf(step, values)].map(([key, { span, own, words }]) =>
    step.kernel(several ? `update-${key}` : 'update', {
      shader,
      constants: slotFlags(row, others),
      buffers: {
        hyper,
        param: param.ranges[span]!,
        grad: grad.ranges[span]!,
        ...Object.fromEntries(others.map((name) => [name, step.slot(name).ranges[span]!])),
        [slot]: values.vector.ranges[own]!,
      },
      tables: { tiles: new Uint32Array(words) },
      groups: words.length / TILE_WORDS,
    }),
  );
}

/** Lanes of a workgroup, and words of `Tile` in the kernel. */
const [LANES, TILE_WORDS] = [64, 6];
/** Elements of a row for which a lane is worth its while: four loads of four. */
const PER_LANE = 16;

/** Lanes for a row: a power of 2, so that rows share a workgroup evenly. */
const lanesFor = (width: number) => Math.min(2 ** Math.ceil(Math.log2(Math.ceil(width / PER_LANE))), LANES);

/** The tables of tiles, by arenas: of the parameters and of the rows' values. */
function tilesOf(step: RulePasses, values: PlacedVector) {
  const tables = new Map<string, { readonly span: number; readonly own: number; readonly words: number[] }>();
  for (const tensor of step.tensors) {
    const width = elementsOf(tensor) / rowsOf(tensor);
    const lanes = lanesFor(width);
    const group = step.groupOf(tensor.name);
    const [state] = values.space.partsOf(tensor.name);
    // A part is of whole rows: arenas are cut between them.
    for (const { span, at, start, elements } of step.space.partsOf(tensor.name)) {
      const key = `${span}-${state!.span}`;
      const table = tables.get(key) ?? { span, own: state!.span, words: [] };
      tables.set(key, table);
      const rows = elements / width;
      for (let row = 0; row < rows; row += LANES / lanes) {
        const count = Math.min(LANES / lanes, rows - row);
        table.words.push(at + row * width, count, width, state!.at + start / width + row, lanes, group);
      }
    }
  }
  return tables;
}
