/** What keeps a network from learning its training data by heart. */
import type { MlpOptions } from '../../../src/index.js';
import { OPTIMIZERS } from '../../common/optimizers.js';
import type { Chapter, Claim, Lab, Outcome } from '../chapter.js';
import { ALONG, lookedCurves, lossCurves } from '../curves.js';
import { accuracyText, below, endLoss, finalOf } from '../ends.js';
import { classesOf, lectureNet } from '../network.js';
import type { RunSpec, Trained } from '../runs.js';
import { median } from '../smooth.js';

const BATCH = 64;
const LR = 1e-3;
/** Validations of a run. */
const LOOKS = 25;

interface Way {
  readonly name: string;
  readonly model?: Partial<MlpOptions>;
  readonly options?: RunSpec['options'];
}

const WAYS: readonly Way[] = [
  { name: 'none' },
  { name: 'L2 penalty, 0.001', options: { penalty: { l2: 1e-3 } } },
  { name: 'dropout, 0.3', model: { dropout: 0.3 } },
  { name: 'batch norm', model: { norm: 'batch' } },
  { name: 'mixup, 0.4', options: { augment: { mixup: { alpha: 0.4 } } } },
];
/** Dropout is made for layers that are wider than they need to be: these have it, too. */
const WIDE = [400, 400];
const WIDE_WAYS = [
  { name: 'wide (400-400)' },
  { name: 'wide, dropout 0.5', model: { dropout: 0.5 } },
] as const satisfies readonly Way[];

export const regularisation: Chapter = {
  name: 'regularisation',
  title: 'Regularisation, and where to stop',
  claim:
    'Without regularisation the training loss goes on falling while the validation loss turns and rises: one should have stopped there. An L2 penalty, dropout, batch ' +
    'norm or mixup keep the validation loss lower, at the price of a higher training loss.',
  // So few that the network can learn them by heart.
  usual: { images: 1000, iterations: 1000, seeds: 5 },
  quick: { images: 300, iterations: 120, seeds: 1 },
  plan: (_, { iterations }) => ({ largestBatch: BATCH, run: (lab) => run(lab, iterations) }),
};

async function run(lab: Lab, steps: number): Promise<Outcome> {
  const wide = [lab.train.features, ...WIDE, classesOf(lab.train)];
  const ways: Way[] = [...WAYS, ...WIDE_WAYS.map((way: Way) => ({ ...way, model: { ...way.model, sizes: wide } }))];
  const specs = ways.map(
    ({ name, model, options }): RunSpec => ({
      ...{ name, model: lectureNet(lab.train, model), steps, sampling: 'shuffle', batchSize: BATCH },
      ...{ rule: () => OPTIMIZERS.adam!.make(LR), testEvery: Math.max(1, Math.round(steps / LOOKS)) },
      // A last batch of one sample has no variance for batch norm to divide by.
      options: { ...options, dropLast: true },
    }),
  );
  const trained = await lab.runs(specs);
  const [none] = trained;
  const stop = none && turning(none);
  const view = { x: ALONG.step, y: 'loss' };
  // What happens behind the turning point is small beside what happens before it.
  const end = none && finalOf(none, 'loss');
  const turned = end !== undefined && stop !== undefined && stop.loss < end && Number.isFinite(end);
  const range = turned && { range: [0, 2 * end] as const };
  const marks = stop === undefined ? [] : [{ x: stop.step, text: 'stop here, without' }];
  return {
    panels: [
      { title: 'Training loss', ...view, logY: lab.log !== false, curves: lossCurves(trained) },
      { title: 'Validation loss', ...view, ...range, curves: lookedCurves(trained, ({ tests }) => tests), marks },
    ],
    table: [
      ['', 'training loss, last tenth', 'validation loss', 'lowest', 'at step', 'accuracy'],
      ...trained.map((each) => [
        each.spec.name,
        ...[endLoss(each), finalOf(each, 'loss'), turning(each)?.loss, turning(each)?.step, accuracyText(each)],
      ]),
    ],
    claims: claims(trained),
    notes: [
      `Adam with rate ${LR}; validated on ${lab.test.samples.toLocaleString('en-US')} images that are not trained on. Losses of mixup and of dropout are those of mixed images and of ` +
        'thinned networks: higher than what the network is worth.',
    ],
  };
}

/** The validation where the median over the seeds is lowest. */
function turning({ runs }: Trained): { readonly step: number; readonly loss: number } | undefined {
  const looks = runs[0]?.tests ?? [];
  const all = looks.map(({ step }, i) => ({
    step,
    loss: median(runs.map(({ tests }) => tests[i]?.loss ?? Number.NaN)),
  }));
  return all.length > 0 ? all.reduce((least, each) => (each.loss < least.loss ? each : least)) : undefined;
}

function claims(trained: readonly Trained[]): Claim[] {
  const [none, ...others] = trained.slice(0, WAYS.length);
  const [wide, dropped] = trained.slice(WAYS.length);
  if (!none || trained.some(({ runs }) => runs.length === 0)) return [];
  const end = finalOf(none, 'loss');
  return [
    ...below('without regularisation the validation loss has turned and risen', turning(none)?.loss, end),
    ...others.flatMap((each) =>
      below(`${each.spec.name}: the validation loss ends lower than without`, finalOf(each, 'loss'), end),
    ),
    ...below(
      `${dropped!.spec.name}: the lowest validation loss is lower than without`,
      turning(dropped!)?.loss,
      turning(wide!)?.loss,
    ),
  ];
}
