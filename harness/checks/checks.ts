/** The checks of the command line: what each is asked, does and says. */
import {
  GRADCHECK_LIMITS,
  type GradcheckReport,
  type GradcheckTensor,
  gradcheck,
  type InitLossReport,
  initLoss,
  type OverfitBatchReport,
  overfitBatch,
} from '../../src/checks/index.js';
import { type Field, integer, number } from '../../src/fields.js';
import { type Dataset, type Model, resolveRule, rules } from '../../src/index.js';
import type { Flags } from '../common/flags.js';
import { lossText, percent, plural } from '../common/format.js';
import type { Paint } from '../common/io.js';
import { type Column, INDENT, textTable } from '../common/table.js';
import type { TrainConfig } from '../train/config.js';
import { FLAGS as TRAIN } from '../train/options.js';

/** What a check is done with. */
export interface Checked {
  readonly model: Model;
  readonly data: Dataset;
  readonly seed: number;
  /** Its own flags, where they were given: the library knows the defaults. */
  readonly own: Readonly<Record<string, number>>;
}

/** What all reports have. */
export interface Report {
  readonly ok: boolean;
}

interface Look {
  readonly paint: Paint;
  /** Characters of a line. */
  readonly columns: number;
}

export interface Check<R extends Report = Report> {
  readonly help: string;
  /** Handed to the library by name, where they are given. */
  readonly fields: Readonly<Record<string, Field>>;
  /** Flags of a training that it takes beside those of data and network. */
  readonly training?: Flags;
  run(device: GPUDevice, checked: Checked, config: TrainConfig): Promise<R>;
  lines(report: R, look: Look): string[];
  readonly examples: readonly string[];
}

const rows = (fallback: number) => ({ rows: integer('the first samples, in one batch', fallback, { min: 1 }) });

const verdict = (ok: boolean, good: string, bad: string, paint: Paint) =>
  `${INDENT}${ok ? paint('green', 'ok') : paint('red', 'not ok')}  ${ok ? good : bad}`;

const gradients: Check<GradcheckReport> = {
  help:
    'Compares the gradients of one batch: those of the float64 reference with differences of its loss, and those of the GPU ' +
    'with the reference. Exit code 1 where they do not agree.',
  fields: {
    ...rows(8),
    elements: integer('of each tensor, compared with differences', 12, { min: 1 }),
    eps: number('by which an element is moved to both sides', 1e-5, { above: 0 }),
  },
  run: (device, { own, ...rest }) => gradcheck(device, { ...rest, ...own }),
  lines({ loss, tensors, ok }, { paint, columns }) {
    const limit = (name: keyof typeof GRADCHECK_LIMITS): Column<GradcheckTensor> => ({
      title: name,
      text: (tensor) => tensor[name].toExponential(1),
      style: (tensor) => (tensor[name] <= GRADCHECK_LIMITS[name] ? undefined : 'red'),
    });
    const table: Column<GradcheckTensor>[] = [
      { title: 'tensor', align: 'left', text: ({ name }) => name },
      { title: 'shape', text: ({ shape }) => shape.join(' × ') },
      { title: 'checked', text: ({ checked }) => String(checked) },
      { title: 'kinks', text: ({ kinks }) => (kinks > 0 ? String(kinks) : '') },
      limit('numeric'),
      limit('gpu'),
    ];
    const { numeric, gpu } = GRADCHECK_LIMITS;
    return [
      ...textTable(table, tensors, { paint, room: columns - 1 }),
      '',
      `${INDENT}loss  ${lossText(loss.gpu)} on the GPU, ${loss.error.toExponential(1)} from float64`,
      '',
      `${INDENT}numeric: float64 against differences, at most ${numeric.toExponential()}`,
      `${INDENT}gpu: the GPU against float64, at most ${gpu.toExponential()}; both relative to the tensor's largest gradient`,
      ...(tensors.some(({ kinks }) => kinks > 0) ? [`${INDENT}kinks: left out, the loss has no derivative there`] : []),
      '',
      verdict(ok, 'the gradients agree', 'the gradients do not agree', paint),
    ];
  },
  examples: [
    'npx downhill gradcheck --model 784-30-20-10 --activation gelu --norm batch',
    'npx downhill gradcheck --rows 32',
  ],
};

const initial: Check<InitLossReport> = {
  help:
    'Shows the loss of a network as it starts, beside that of outputs that are all 0 (-log(1/classes) for softmax ' +
    'cross-entropy). Exit code 1 where it is below half of that, or above what outputs of deviation 2 lose.',
  fields: rows(512),
  run: (device, { own, ...rest }) => initLoss(device, { ...rest, ...own }),
  lines: ({ loss, expected, most, ok }, { paint }) => [
    `${INDENT}loss      ${lossText(loss)}`,
    `${INDENT}expected  ${lossText(expected)}  of outputs that are all 0`,
    `${INDENT}most      ${lossText(most)}  of outputs of deviation 2`,
    '',
    verdict(
      ok,
      'the loss starts as that of a network which knows nothing',
      loss < expected
        ? 'the loss starts too low: is the target among the inputs?'
        : 'the loss starts too high: scale the inputs, or try another --init',
      paint,
    ),
  ],
  examples: ['npx downhill init-loss --init pytorch', 'npx downhill init-loss --data csv:houses.csv --target price'],
};

const overfit: Check<OverfitBatchReport> = {
  help:
    'Trains on one batch, again and again, until the network knows it by heart: every class right, or R² of 0.99. Exit code 1 ' +
    'where it does not get there.',
  fields: { ...rows(32), steps: integer('at most', 500, { min: 1 }) },
  training: { optimizer: { ...TRAIN.training!.optimizer!, help: 'update rule' }, lr: { value: 'X', help: 'its rate' } },
  run(device, { own, ...rest }, { optimizer: { name, hyper } }) {
    return overfitBatch(device, { ...rest, ...own, rule: resolveRule(rules, name, hyper) });
  },
  lines: ({ steps, first, last, accuracy, r2, ok }, { paint }) => [
    `${INDENT}steps     ${steps}`,
    `${INDENT}loss      ${lossText(first)} at first, ${lossText(last)} at last`,
    r2 === undefined ? `${INDENT}accuracy  ${percent(accuracy ?? 0)}` : `${INDENT}R²        ${r2.toFixed(4)}`,
    '',
    verdict(
      ok,
      'the batch is known by heart',
      `not after ${plural(steps, 'step')}: try more --steps, another --lr, a wider --model`,
      paint,
    ),
  ],
  examples: ['npx downhill overfit-batch --lr 3e-3', 'npx downhill overfit-batch --norm batch --dropout 0.2 --rows 64'],
};

/** By the name of the command. */
export const CHECKS = {
  gradcheck: gradients,
  'init-loss': initial,
  'overfit-batch': overfit,
} as unknown as Readonly<Record<'gradcheck' | 'init-loss' | 'overfit-batch', Check>>;
export type CheckName = keyof typeof CHECKS;
